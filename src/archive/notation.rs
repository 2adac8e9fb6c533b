//! Bytes and moments as text, and back.
//!
//! Ids, REASON and META are bytes. UTF-8 text stays as it is; a backslash becomes `\\`; a control character and every
//! byte that is no UTF-8 become `\xNN`. So a line stays a line, and nothing is lost.

use std::fmt::Write;

const DAY_MS: u64 = 86_400_000;

/// The bytes as text.
pub fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                c if c.is_control() => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| push_hex(&mut text, byte)),
                c => text.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| push_hex(&mut text, *byte));
    }
    text
}

fn push_hex(text: &mut String, byte: u8) {
    write!(text, "\\x{byte:02x}").expect("a string takes every write");
}

/// The bytes that [`escaped`] shows as `text`; `None` if a backslash is followed by something else.
pub fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = match (first, after) {
            (b'\\', [b'\\', after @ ..]) => {
                bytes.push(b'\\');
                after
            }
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                bytes.push((digit(*high)? * 16 + digit(*low)?) as u8);
                after
            }
            (b'\\', _) => return None,
            _ => {
                bytes.push(*first);
                after
            }
        };
    }
    Some(bytes)
}

/// Unix milliseconds as RFC 3339 in UTC: `2026-11-23T02:00:00.000Z`.
pub fn moment(ms: u64) -> String {
    let (year, month, day) = date_of((ms / DAY_MS) as i64);
    let ms = ms % DAY_MS;
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1000)
}

/// Unix milliseconds, or RFC 3339 with `Z` or an offset: `2026-11-23T03:00:00+01:00`; a date alone is its midnight in
/// UTC. `None` for anything else, and for moments before 1970.
pub fn parse_moment(text: &str) -> Option<u64> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, time),
        None => (text, "00:00:00Z"),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let days = days_before(year, month, day)?;
    let zone_at = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at(zone_at);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    if hour > 23 || minute > 59 || second > 60 || fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let fraction_ms = format!("{fraction:0<3}")[..3].parse::<i64>().ok()?;
    let offset_minutes = match zone.split_at(1) {
        ("Z" | "z", "") => 0,
        (sign @ ("+" | "-"), offset) => {
            let [hours, minutes] = numbers(offset, ':', [2, 2])?;
            (hours * 60 + minutes) * if sign == "+" { 1 } else { -1 }
        }
        _ => return None,
    };
    let seconds = days * 86_400 + hour * 3600 + (minute - offset_minutes) * 60 + second;
    u64::try_from(seconds * 1000 + fraction_ms).ok()
}

/// `N` numbers of so many digits, separated.
fn numbers<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut found = [0; N];
    let mut parts = text.split(separator);
    for (number, digits) in found.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar that exists.
fn days_before(year: i64, month: i64, day: i64) -> Option<i64> {
    // Years begin in March, so that the leap day is their last; 400 of them have 146,097 days.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + (153 * m + 2) / 5 + day - 719_469;
    let exists = (1..=12).contains(&month) && date_of(days) == (year, month, day);
    exists.then_some(days)
}

/// The date that is `days` after 1970-01-01.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = (year + era * 400, if month < 10 { month + 3 } else { month - 9 });
    (if month <= 2 { year + 1 } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_string_comes_back_and_stays_on_its_line() {
        let every: Vec<u8> = (0..=255).collect();
        for bytes in [&b"tradie:7"[..], "Jürgen 7€".as_bytes(), b"a\\xff", b"\xff\xfe\0\r\n", &every, b"\xe2\x82"] {
            let text = escaped(bytes);
            assert_eq!(unescaped(&text).as_deref(), Some(bytes), "{text}");
            assert!(!text.chars().any(char::is_control), "{text}");
        }
        assert_eq!(escaped("ä\u{85}\\\n".as_bytes()), "ä\\xc2\\x85\\\\\\x0a");
        for bad in ["\\", "\\x", "\\x1", "\\xg0", "\\n"] {
            assert_eq!(unescaped(bad), None, "{bad}");
        }
    }

    #[test]
    fn moments_are_those_of_the_calendar() {
        for (text, ms) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2000-02-29T23:59:59.999Z", 951_868_799_999),
            ("2026-11-23T02:18:39.007Z", 1_795_400_319_007),
            ("2100-03-01T00:00:00.000Z", 4_107_542_400_000),
        ] {
            assert_eq!((moment(ms).as_str(), parse_moment(text)), (text, Some(ms)));
        }
        for day in (0..200_000).step_by(13) {
            assert_eq!(parse_moment(&moment(day * DAY_MS)), Some(day * DAY_MS));
        }
    }

    #[test]
    fn moments_may_be_written_in_several_ways() {
        let ms = Some(1_795_400_319_000);
        for text in
            ["1795400319000", "2026-11-23T03:18:39+01:00", "2026-11-23 02:18:39Z", "2026-11-22t21:18:39.0-05:00"]
        {
            assert_eq!(parse_moment(text), ms, "{text}");
        }
        assert_eq!(parse_moment("1970-01-02"), Some(DAY_MS));
        for bad in [
            "",
            "-1",
            "yesterday",
            "2026-02-29",
            "2026-13-01",
            "2026-11-23T02:18:39",
            "2026-11-23T24:00:00Z",
            "2026-11-23T02:18Z",
            "1969-12-31T23:59:59Z",
            "2026-11-23T02:18:39.Z",
            "2026-11-23T02:18:39+1:00",
        ] {
            assert_eq!(parse_moment(bad), None, "{bad}");
        }
    }
}
