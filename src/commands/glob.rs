//! Patterns as in Redis: `*`, `?`, `[a-z]`, `[^a]` and `\` escapes. Names of parameters and commands match in any case,
//! channels and keys in their own only.
//!
//! Iterative; pattern length times name length steps at most (Redis' recursion was exponential: CVE-2022-36021).

/// Whether all of `name` matches `pattern`, ASCII case ignored.
pub fn matches(pattern: &[u8], name: &[u8]) -> bool {
    matches_folded(pattern, name, |byte| byte.to_ascii_lowercase())
}

/// Whether all of `name` matches `pattern`.
pub fn matches_exactly(pattern: &[u8], name: &[u8]) -> bool {
    matches_folded(pattern, name, |byte| byte)
}

/// `fold` makes equal what is to be.
fn matches_folded(pattern: &[u8], name: &[u8], fold: impl Fn(u8) -> u8 + Copy) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where to go on if what follows the last star does not fit: the star may swallow one byte more.
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        let is = |byte: u8| fold(byte) == fold(name[n]);
        let (fits, step) = match pattern[p..] {
            [b'*', ..] => {
                retry = Some((p + 1, n));
                p += 1;
                continue;
            }
            [b'?', ..] => (true, 1),
            [b'[', ref set @ ..] => {
                let (has, len) = has(set, name[n], fold);
                (has, 1 + len)
            }
            [b'\\', byte, ..] => (is(byte), 2),
            [byte, ..] => (is(byte), 1),
            [] => (false, 0),
        };
        if fits {
            (p, n) = (p + step, n + 1);
        } else if let Some((after_star, swallowed)) = retry {
            (p, n) = (after_star, swallowed + 1);
            retry = Some((after_star, n));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

/// Whether the set at the start of `pattern`, behind its `[`, has `byte`; and how long it is, `]` included. It ends with
/// the pattern if nothing else ends it.
fn has(pattern: &[u8], byte: u8, fold: impl Fn(u8) -> u8) -> (bool, usize) {
    let is_inverted = pattern.first() == Some(&b'^');
    let (mut found, mut at, byte) = (false, usize::from(is_inverted), fold(byte));
    loop {
        let (first, last, step) = match pattern[at..] {
            [b'\\', one, ..] => (one, one, 2),
            [b']', ..] => return (found != is_inverted, at + 1),
            [first, b'-', last, ..] => (first.min(last), first.max(last), 3),
            [one, ..] => (one, one, 1),
            [] => return (found != is_inverted, at),
        };
        found |= (fold(first)..=fold(last)).contains(&byte);
        at += step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_marks_and_escapes() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*", "save", true),
            ("", "", true),
            ("", "a", false),
            ("save", "SAVE", true),
            ("sav?", "save", true),
            ("save?", "save", false),
            ("max*", "maxmemory-policy", true),
            ("*mem*pol*", "maxmemory-policy", true),
            ("*memory", "maxmemory-policy", false),
            ("a*b*c", "abbbcbc", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("\\", "\\", true),
            ("**a**", "bab", true),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "HELLO", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("h[a-c]llo", "hdllo", false),
            ("[\\]]", "]", true),
            ("[\\-a]", "-", true),
            ("[]", "a", false),
            ("[^]", "a", true),
            ("[abc", "b", true),
            ("[a-", "-", true),
            ("[", "a", false),
            ("*[0-9].x", "a1.2.x", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn channels_match_in_their_own_case() {
        for (pattern, name, expected) in [
            ("credit.*", "credit.debited", true),
            ("Credit.*", "credit.debited", false),
            ("[a-z]*", "Lead", false),
            ("lead.[cf]*", "lead.full", true),
        ] {
            assert_eq!(matches_exactly(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_hostile_pattern_costs_little() {
        assert!(!matches(&b"*a".repeat(100), &[b'a'; 99]));
        assert!(!matches(&b"*[^b]".repeat(100), &[b'a'; 99]));
    }
}
