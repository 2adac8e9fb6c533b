//! Patterns of CONFIG GET and COMMAND LIST: `*`, `?` and `\` escapes, ASCII case ignored.
//!
//! Iterative; pattern length plus name length squared steps at most (Redis' recursion was exponential: CVE-2022-36021).
//! Never used on keys. Absent on purpose: `[...]` sets.

/// Whether all of `name` matches `pattern`.
pub fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where to go on if what follows the last star does not fit: the star may swallow one byte more.
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        let (fits, step) = match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, n));
                p += 1;
                continue;
            }
            Some(b'?') => (true, 1),
            Some(b'\\') if p + 1 < pattern.len() => (pattern[p + 1].eq_ignore_ascii_case(&name[n]), 2),
            Some(byte) => (byte.eq_ignore_ascii_case(&name[n]), 1),
            None => (false, 0),
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
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_hostile_pattern_costs_little() {
        assert!(!matches(&b"*a".repeat(100), &[b'a'; 99]));
    }
}
