//! When a certificate ends: rustls tells nobody, and an operator has to know before it ends.

/// Unix seconds until when the certificate `der` holds; `None`: it is none. A time before 1970 is 0.
pub(super) fn expires_at_s(der: &[u8]) -> Option<u64> {
    let (SEQUENCE, certificate, _) = element(der)? else { return None };
    let (SEQUENCE, mut fields, _) = element(certificate)? else { return None };
    // Version (which may be missing), serial number, signature's algorithm and issuer stand before it.
    if let (VERSION, _, rest) = element(fields)? {
        fields = rest;
    }
    for _ in 0..3 {
        (_, _, fields) = element(fields)?;
    }
    let (SEQUENCE, times, _) = element(fields)? else { return None };
    let (_, _, times) = element(times)?; // from when
    let (tag, until, _) = element(times)?;
    unix_seconds(tag, until)
}

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The first element of `der`: its tag, its content, and what is behind it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk::<2>()?;
    let (len, rest) = match usize::from(first) {
        len @ 0..0x80 => (len, rest),
        form => {
            let (digits, rest) = rest.split_at_checked(form - 0x80).filter(|(digits, _)| digits.len() <= 3)?;
            (digits.iter().fold(0, |len, digit| len << 8 | usize::from(*digit)), rest)
        }
    };
    let (content, rest) = rest.split_at_checked(len)?;
    Some((tag, content, rest))
}

/// `YYMMDDHHMMSSZ` (1950 to 2049) or `YYYYMMDDHHMMSSZ`.
fn unix_seconds(tag: u8, text: &[u8]) -> Option<u64> {
    let text = str::from_utf8(text).ok()?.strip_suffix('Z').filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    let (year, rest) = match (tag, text.len()) {
        (UTC_TIME, 12) => {
            let year: i64 = text[..2].parse().ok()?;
            (year + if year < 50 { 2000 } else { 1900 }, &text[2..])
        }
        (GENERALIZED_TIME, 14) => (text[..4].parse().ok()?, &text[4..]),
        _ => return None,
    };
    let two = |at: usize| rest[at..at + 2].parse::<i64>().expect("digits");
    let (month, day) = (two(0), two(2));
    // Years that begin in March have their leap day at the end; 719468 days lead from the year 0 to 1970.
    let years = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = 365 * years + years / 4 - years / 100 + years / 400 + day_of_year - 719_468;
    let seconds = ((days * 24 + two(4)) * 60 + two(6)) * 60 + two(8);
    Some(u64::try_from(seconds).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_unix_seconds() {
        for (tag, text, seconds) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "261123200000Z", Some(1_795_464_000)),
            (UTC_TIME, "240229235959Z", Some(1_709_251_199)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", Some(0)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (GENERALIZED_TIME, "261123200000Z", None),
            (UTC_TIME, "2611232000Z", None),
            (UTC_TIME, "26112320000é", None),
            (0x16, "261123200000Z", None),
        ] {
            assert_eq!(unix_seconds(tag, text.as_bytes()), seconds, "{text}");
        }
    }

    #[test]
    fn a_certificate_tells_when_it_ends_and_no_piece_of_it_panics() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2050, 1, 1);
        let der = params.self_signed(&key).unwrap().der().to_vec();
        assert_eq!(expires_at_s(&der), Some(2_524_608_000));
        for len in 0..der.len() {
            assert_eq!(expires_at_s(&der[..len]), None, "cut to {len}");
        }
        for at in 0..200.min(der.len()) {
            let mut bent = der.clone();
            bent[at] = 0xff;
            let _ = expires_at_s(&bent);
        }
    }
}
