//! The patterns of CONFIG GET: `*`, `?`, `[a-z]`, `[^a-z]`, `\x`, letters of either case alike.
//!
//! One place to fall back to (the newest `*`) instead of recursion, so the work is at most pattern x name steps;
//! recursive matchers with several stars are exponential and have stopped servers (CVE-2022-36021, CVE-2024-31228).

/// Longest pattern; a longer one matches nothing.
const PATTERN_LEN_MAX: usize = 256;

/// Whether all of `name` matches `pattern`.
pub(super) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    if pattern.len() > PATTERN_LEN_MAX {
        return false;
    }
    let (mut p, mut n) = (0, 0);
    // Where to go on after a mismatch: behind the newest star, with one more byte of the name given to it.
    let mut fallback: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            fallback = Some((p + 1, n));
            p += 1;
            continue;
        }
        if let Some(next) = match_one(pattern, p, name[n]) {
            p = next;
            n += 1;
            continue;
        }
        let Some((behind_star, given)) = fallback else { return false };
        p = behind_star;
        n = given + 1;
        fallback = Some((behind_star, n));
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

/// Matches one byte against the element at `p`; the position behind the element if it fits.
fn match_one(pattern: &[u8], p: usize, byte: u8) -> Option<usize> {
    match *pattern.get(p)? {
        b'?' => Some(p + 1),
        b'[' => match_class(pattern, p + 1, byte),
        b'\\' if p + 1 < pattern.len() => same(pattern[p + 1], byte).then_some(p + 2),
        literal => same(literal, byte).then_some(p + 1),
    }
}

/// Matches `byte` against the class whose first byte stands at `p`. A class that never closes ends with the pattern.
fn match_class(pattern: &[u8], mut p: usize, byte: u8) -> Option<usize> {
    let negated = pattern.get(p) == Some(&b'^');
    p += usize::from(negated);
    let byte = byte.to_ascii_lowercase();
    let mut found = false;
    while p < pattern.len() && pattern[p] != b']' {
        if pattern[p] == b'\\' && p + 1 < pattern.len() {
            p += 1;
        }
        let low = pattern[p].to_ascii_lowercase();
        let mut high = low;
        if pattern.get(p + 1) == Some(&b'-') && pattern.get(p + 2).is_some_and(|&end| end != b']') {
            high = pattern[p + 2].to_ascii_lowercase();
            p += 2;
        }
        found |= (low.min(high)..=low.max(high)).contains(&byte);
        p += 1;
    }
    (found != negated).then_some((p + 1).min(pattern.len()))
}

fn same(a: u8, b: u8) -> bool {
    a.eq_ignore_ascii_case(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_config_get() {
        for (pattern, name, expected) in [
            ("*", "save", true),
            ("*", "", true),
            ("", "", true),
            ("", "save", false),
            ("save", "save", true),
            ("SAVE", "save", true),
            ("sav", "save", false),
            ("save*", "save", true),
            ("s?ve", "save", true),
            ("s?ve", "sve", false),
            ("max*", "maxmemory-policy", true),
            ("*policy", "maxmemory-policy", true),
            ("*m*m*p*", "maxmemory-policy", true),
            ("*m*m*q*", "maxmemory-policy", false),
            ("[st]ave", "save", true),
            ("[^st]ave", "save", false),
            ("[a-s]ave", "save", true),
            ("[s-a]ave", "save", true),
            ("[a-c]ave", "save", false),
            ("s[a", "sa", true),
            ("\\*", "*", true),
            ("\\*", "s", false),
            ("sa\\", "sa\\", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} against {name}");
        }
    }

    #[test]
    fn many_stars_stay_cheap() {
        // A recursive matcher needs more steps here than there are atoms.
        let pattern = "a*".repeat(127) + "b";
        assert!(!matches(pattern.as_bytes(), "a".repeat(10_000).as_bytes()));
        assert!(!matches("*".repeat(PATTERN_LEN_MAX + 1).as_bytes(), b"save"), "too long to look at");
    }
}
