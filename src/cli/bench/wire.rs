//! The bytes of requests and replies, as cheap as they can be had: requests are templates with holes of fixed width,
//! replies are framed and otherwise not looked at.
//!
//! ```text
//! *4..CREDIT.DEBIT..acct:000000000042..k2Xq9aB00001f..1..
//!                        └ account: 12 digits  └ run's tag (7) and the command's number (6), base 62
//! ```
//!
//! Invariant: every number of a run, filled in, is another transaction id; tags are milliseconds, so runs differ too.
//! Absent on purpose: RESP3, and any meaning of a reply but "done" or the words of an error.

/// Characters of an account's number.
const ACCOUNT_LEN: usize = 12;
/// Characters of a run's tag: milliseconds until the year 2081.
const TAG_LEN: usize = 7;
/// Characters of a command's number: 56 thousand million commands in a run.
const NUMBER_LEN: usize = 6;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Largest array and largest string that a reply may hold: more is no answer to what is asked here.
const ELEMENTS_MAX: i64 = 1 << 20;
const STRING_LEN_MAX: i64 = 1 << 29;

/// `n` as `N` digits of `BASE`, leading zeros included, the high ones cut off.
fn digits<const BASE: u64, const N: usize>(mut n: u64) -> [u8; N] {
    let mut text = [b'0'; N];
    for digit in text.iter_mut().rev() {
        *digit = ALPHABET[(n % BASE) as usize];
        n /= BASE;
    }
    text
}

/// A request of `words`.
pub(super) fn encode<W: AsRef<[u8]>>(words: &[W]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words.iter().map(AsRef::as_ref) {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// A request with holes for the account and the transaction id.
pub(super) struct Template {
    bytes: Vec<u8>,
    accounts: Vec<usize>,
    numbers: Vec<usize>,
}

impl Template {
    /// `words` are parted by blanks; `{account}` and `{tx}` in them are holes, `{first}` is the `{tx}` of
    /// number 0. `run_ms` is the moment that makes this
    /// run's ids its own.
    pub(super) fn new(words: &str, run_ms: u64) -> Self {
        let tag = digits::<62, TAG_LEN>(run_ms);
        let tag = str::from_utf8(&tag).expect("the alphabet is ASCII");
        let (account_hole, number_hole) = ("\u{1}".repeat(ACCOUNT_LEN), "\u{2}".repeat(NUMBER_LEN));
        let first = format!("{tag}{}", "0".repeat(NUMBER_LEN));
        let words = words.replace("{account}", &account_hole).replace("{first}", &first);
        let words = words.replace("{tx}", &format!("{tag}{number_hole}"));
        let bytes = encode(&words.split_whitespace().collect::<Vec<_>>());
        let holes = |mark: u8, len: usize| {
            let marks = bytes.iter().enumerate().filter(|(_, byte)| **byte == mark);
            marks.map(|(at, _)| at).step_by(len).collect()
        };
        Self { accounts: holes(1, ACCOUNT_LEN), numbers: holes(2, NUMBER_LEN), bytes }
    }

    /// Appends the request to `out`.
    pub(super) fn write(&self, account: u32, number: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let request = &mut out[start..];
        let account = digits::<10, ACCOUNT_LEN>(account.into());
        for &at in &self.accounts {
            request[at..at + ACCOUNT_LEN].copy_from_slice(&account);
        }
        if !self.numbers.is_empty() {
            let number = digits::<62, NUMBER_LEN>(number);
            for &at in &self.numbers {
                request[at..at + NUMBER_LEN].copy_from_slice(&number);
            }
        }
    }
}

/// The bytes are no reply of RESP2.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Garbled;

/// How long the first reply in `bytes` is; `None`: it is not all there yet.
pub(super) fn frame_len(bytes: &[u8]) -> Result<Option<usize>, Garbled> {
    let (mut at, mut left) = (0, 1);
    while left > 0 {
        let Some((&kind, rest)) = bytes.get(at..).and_then(<[u8]>::split_first) else { return Ok(None) };
        let Some(line_len) = rest.iter().position(|&byte| byte == b'\n') else { return Ok(None) };
        left -= 1;
        at += line_len + 2;
        match kind {
            b'+' | b'-' | b':' => {}
            b'$' => at += string_len(&rest[..line_len])?,
            b'*' => left += count(&rest[..line_len], ELEMENTS_MAX)?.max(0),
            _ => return Err(Garbled),
        }
    }
    Ok((at <= bytes.len()).then_some(at))
}

/// The words of an error reply; `None` if `frame`, a whole reply, is none.
pub(super) fn refusal(frame: &[u8]) -> Option<&[u8]> {
    frame.strip_prefix(b"-")?.strip_suffix(b"\r\n")
}

fn string_len(line: &[u8]) -> Result<usize, Garbled> {
    let len = count(line, STRING_LEN_MAX)?;
    // A null string has no bytes and no end of its own.
    Ok(if len < 0 { 0 } else { len as usize + 2 })
}

/// The number of a line with its `\r`, between -1 and `max`.
fn count(line: &[u8], max: i64) -> Result<i64, Garbled> {
    let Some(line) = line.strip_suffix(b"\r") else { return Err(Garbled) };
    if line == b"-1" {
        return Ok(-1);
    }
    let mut n = 0;
    for &byte in line {
        if !byte.is_ascii_digit() {
            return Err(Garbled);
        }
        n = n * 10 + i64::from(byte - b'0');
        if n > max {
            return Err(Garbled);
        }
    }
    Ok(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_in_place() {
        let template = Template::new("DO a:{account} t:{account}:{tx} 1 {tx}", 62 * 62 + 61);
        let mut out = b"before".to_vec();
        template.write(42, 63, &mut out);
        let expected = encode(&["DO", "a:000000000042", "t:000000000042:000010z000011", "1", "000010z000011"]);
        assert_eq!(String::from_utf8(out).unwrap(), format!("before{}", String::from_utf8(expected).unwrap()));
    }

    #[test]
    fn replies_are_framed_whole_or_not_at_all() {
        for reply in [
            "+OK\r\n",
            "-INSUFFICIENT available=3 required=5\r\n",
            ":12\r\n",
            "$-1\r\n",
            "$0\r\n\r\n",
            "$4\r\na\r\nb\r\n",
            "*-1\r\n",
            "*0\r\n",
            "*4\r\n$6\r\nstatus\r\n$7\r\ndebited\r\n*2\r\n:1\r\n$-1\r\n+x\r\n",
        ] {
            let two = format!("{reply}+NEXT\r\n");
            assert_eq!(frame_len(two.as_bytes()), Ok(Some(reply.len())), "{reply:?}");
            for len in 0..reply.len() {
                assert_eq!(frame_len(&reply.as_bytes()[..len]), Ok(None), "{len} bytes of {reply:?}");
            }
        }
        for bytes in ["%1\r\n", "$x\r\n", "$12345678901\r\n", "*9999999\r\n", "HTTP/1.1 400\r\n", "$1\n"] {
            assert_eq!(frame_len(bytes.as_bytes()), Err(Garbled), "{bytes:?}");
        }
        assert_eq!(refusal(b"-ERR no\r\n"), Some(b"ERR no".as_slice()));
        assert_eq!(refusal(b"+OK\r\n"), None);
    }
}
