//! The request parser: no bytes panic, cuts change nothing, and what it reads is what the redis-protocol crate reads.
//!
//! ```text
//! input   flags u8 (1 = after AUTH, 2 = small limits)   seed u8 of the cuts   stream ...
//! ```

#![no_main]

use creditd::net::resp::{Limits, Parser};
use libfuzzer_sys::fuzz_target;
use redis_protocol::resp2::{decode::decode, types::OwnedFrame};

/// The other parser is recursive and without limits: it is asked about streams with less arrays than this only.
const ARRAYS_MAX: usize = 64;

/// A request and the bytes that it took.
type Request = (Vec<Vec<u8>>, usize);

fuzz_target!(|input: &[u8]| {
    let [flags, seed, stream @ ..] = input else { return };
    let limits = match flags & 3 {
        0 => Limits::UNAUTHENTICATED,
        1 => Limits::AUTHENTICATED,
        _ => Limits { args_max: 3, bulk_len_max: 20, frame_len_max: 60, authenticated: flags & 1 == 1 },
    };
    let (requests, end) = read_all(stream, &limits, usize::MAX);
    for cut in [1, usize::from(*seed) + 2] {
        // Byte for byte is quadratic in nothing, but long streams say nothing more than short ones.
        if stream.len() / cut < 4096 {
            assert_eq!(read_all(stream, &limits, cut), (requests.clone(), end.clone()), "cut by {cut}");
        }
    }
    if stream.iter().filter(|&&byte| byte == b'*').count() < ARRAYS_MAX {
        compare(stream, &requests, end.as_deref());
    }
});

/// Every request of `stream`, which arrives in pieces of up to `cut` bytes, and the error that ended it.
fn read_all(stream: &[u8], limits: &Limits, cut: usize) -> (Vec<Request>, Option<String>) {
    let (mut parser, mut requests) = (Parser::default(), Vec::new());
    let (mut start, mut end, mut pieces) = (0, 0, 0_usize);
    loop {
        match parser.parse(&stream[start..end], limits) {
            Err(error) => return (requests, Some(error.to_string())),
            Ok(Some(consumed)) => {
                assert!(consumed > 0 && start + consumed <= end, "a request is in the input");
                let words: Vec<_> = parser.arguments(&stream[start..end]).iter().map(<[u8]>::to_vec).collect();
                assert!(words.len() <= limits.args_max && words.iter().all(|word| word.len() <= limits.bulk_len_max));
                requests.push((words, consumed));
                start += consumed;
            }
            Ok(None) if end == stream.len() => return (requests, None),
            Ok(None) => {
                pieces = pieces.wrapping_mul(5).wrapping_add(3);
                end = stream.len().min(end.saturating_add(1 + pieces % cut));
            }
        }
    }
}

/// Arrays of strings are read by both in the same way, up to where ours ended with `error`.
fn compare(stream: &[u8], requests: &[Request], error: Option<&str>) {
    let mut rest = stream;
    for (words, consumed) in requests {
        let request = &rest[..*consumed];
        if request[0] == b'*' && !words.is_empty() {
            let (frame, len) = decode(request).expect("valid for us").expect("complete for us");
            assert_eq!(len, *consumed);
            assert_eq!(words_of(frame).as_ref(), Some(words));
            assert_eq!(encode(words), request, "what is accepted is canonical");
        }
        rest = &rest[*consumed..];
    }
    // What ours did not read is no canonical array of strings, or ours says that it is over a limit.
    if let Ok(Some((frame, len))) = decode(rest)
        && let Some(words) = words_of(frame)
        && encode(&words) == rest[..len]
    {
        let over = ["length", "multibulk", "bulk"];
        assert!(error.is_some_and(|text| over.iter().any(|word| text.contains(word))), "{words:?}: {error:?}");
    }
}

/// The words of a flat array of strings.
fn words_of(frame: OwnedFrame) -> Option<Vec<Vec<u8>>> {
    let OwnedFrame::Array(items) = frame else { return None };
    let word = |item| if let OwnedFrame::BulkString(word) = item { Some(word) } else { None };
    items.into_iter().map(word).collect()
}

/// What a client sends for `words`.
fn encode(words: &[Vec<u8>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend(format!("${}\r\n", word.len()).bytes());
        out.extend(word);
        out.extend(b"\r\n");
    }
    out
}
