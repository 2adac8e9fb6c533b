//! The numbers of the protocol's header lines: canonical decimal and CRLF.

/// What the bytes after `*` or `$` are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    /// The line is not complete; so far it is well formed.
    Partial,
    /// A number without sign or leading zero, [`u64::MAX`] if larger; `len` bytes with CRLF.
    Whole { value: u64, len: usize },
    /// A number below zero; `len` bytes with CRLF.
    Negative { len: usize },
    /// Anything else.
    Bad,
    /// More than 20 digits.
    TooLong,
}

const DIGITS_MAX: usize = 20;

/// Reads the number at the start of `line`; sees at most 24 bytes. Nearly all have one digit.
#[inline]
pub(super) fn read(line: &[u8]) -> Number {
    match *line {
        [one @ b'0'..=b'9', b'\r', b'\n', ..] => Number::Whole { value: u64::from(one - b'0'), len: 3 },
        _ => read_any(line),
    }
}

fn read_any(line: &[u8]) -> Number {
    let negative = line.first() == Some(&b'-');
    let start = usize::from(negative);
    let mut value = 0_u64;
    let mut at = start;
    while let Some(digit) = line.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit <= 9) {
        if at > start && line[start] == b'0' {
            return Number::Bad;
        }
        if at - start == DIGITS_MAX {
            return Number::TooLong;
        }
        value = value.saturating_mul(10).saturating_add(u64::from(digit));
        at += 1;
    }
    let digits = &line[start..at];
    let canonical = !(digits.is_empty() || digits[0] == b'0' && negative);
    match (line.get(at), line.get(at + 1)) {
        (None, _) if canonical || digits.is_empty() => Number::Partial,
        (Some(b'\r'), None) if canonical => Number::Partial,
        (Some(b'\r'), Some(b'\n')) if canonical && negative => Number::Negative { len: at + 2 },
        (Some(b'\r'), Some(b'\n')) if canonical => Number::Whole { value, len: at + 2 },
        _ => Number::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_numbers_pass() {
        let whole = |value, len| Number::Whole { value, len };
        for (line, expected) in [
            ("0\r\n", whole(0, 3)),
            ("7\r\nrest", whole(7, 3)),
            ("42\r\nrest", whole(42, 4)),
            ("1024\r\nrest", whole(1024, 6)),
            ("18446744073709551615\r\n", whole(u64::MAX, 22)),
            ("99999999999999999999\r\n", whole(u64::MAX, 22)),
            ("-1\r\n", Number::Negative { len: 4 }),
            ("", Number::Partial),
            ("-", Number::Partial),
            ("12", Number::Partial),
            ("12\r", Number::Partial),
            ("\r\n", Number::Bad),
            ("-\r\n", Number::Bad),
            ("-0\r\n", Number::Bad),
            ("+1\r\n", Number::Bad),
            ("01\r\n", Number::Bad),
            ("01", Number::Bad),
            ("00\r\n", Number::Bad),
            (" 1\r\n", Number::Bad),
            ("1 \r\n", Number::Bad),
            ("1\n", Number::Bad),
            ("1\rx", Number::Bad),
            ("x", Number::Bad),
            ("111111111111111111111", Number::TooLong),
            // Found by fuzzing: cut after the second digit it was another error than whole.
            ("000000000000000000000", Number::Bad),
        ] {
            assert_eq!(read(line.as_bytes()), expected, "{line:?}");
        }
    }
}
