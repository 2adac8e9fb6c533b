//! Exact bytes, cuts at every place, noise, and a second opinion (the redis-protocol crate).

use super::*;
use proptest::prelude::*;

/// Every request of `stream`, as a connection would read it: `cuts` are the sizes of what arrives at a time.
fn read_all(
    stream: &[u8],
    limits: &Limits,
    cuts: &mut dyn Iterator<Item = usize>,
) -> Result<Vec<Vec<Vec<u8>>>, String> {
    let (mut parser, mut requests) = (Parser::default(), Vec::new());
    let (mut start, mut end) = (0, 0);
    loop {
        match parser.parse(&stream[start..end], limits).map_err(|error| error.to_string())? {
            Some(consumed) => {
                assert!(consumed > 0 && start + consumed <= end);
                let words: Vec<_> = parser.arguments(&stream[start..end]).iter().map(<[u8]>::to_vec).collect();
                requests.extend((!words.is_empty()).then_some(words));
                start += consumed;
            }
            None if end == stream.len() => return Ok(requests),
            None => end = stream.len().min(end + cuts.next().unwrap_or(usize::MAX / 2).max(1)),
        }
    }
}

fn check(stream: &[u8], expected: Result<&[&[&[u8]]], &str>) {
    let expected = expected.map_err(str::to_owned);
    for cut in [usize::MAX / 2, 1, 2, 3, 7] {
        let found = read_all(stream, &Limits::AUTHENTICATED, &mut std::iter::repeat(cut));
        let found = found.as_ref().map(|all| all.iter().map(|one| one.iter().map(Vec::as_slice).collect()).collect());
        let found: Result<Vec<Vec<&[u8]>>, String> = found.map_err(String::clone);
        assert_eq!(
            found,
            expected.clone().map(|all| all.iter().map(|one| one.to_vec()).collect()),
            "{stream:?} by {cut}"
        );
    }
}

fn requests(stream: &[u8], expected: &[&[&[u8]]]) {
    check(stream, Ok(expected));
}

fn error(stream: &[u8], text: &str) {
    check(stream, Err(&format!("Protocol error: {text}")));
}

#[test]
fn arrays_of_strings() {
    requests(b"*1\r\n$4\r\nPING\r\n", &[&[b"PING"]]);
    requests(
        b"*3\r\n$4\r\nECHO\r\n$0\r\n\r\n$4\r\na\r\nb\r\n*1\r\n$1\r\nx\r\n",
        &[&[b"ECHO", b"", b"a\r\nb"], &[b"x"]],
    );
    requests(b"*0\r\n*-1\r\n*-99\r\n*1\r\n$4\r\nPING\r\n", &[&[b"PING"]]);
    requests(b"*2\r\n$4\r\nECHO\r\n$2\r\nhi\r", &[]);
}

#[test]
fn errors_have_the_words_of_redis() {
    error(b"*x\r\n", "invalid multibulk length");
    error(b"*\r\n", "invalid multibulk length");
    error(b"*01\r\n", "invalid multibulk length");
    error(b"*+1\r\n", "invalid multibulk length");
    error(b"* 1\r\n", "invalid multibulk length");
    error(b"*1\n$4\nPING\n", "invalid multibulk length");
    error(b"*1025\r\n", "invalid multibulk length");
    error(b"*2147483648\r\n", "invalid multibulk length");
    error(b"*3000000000\r\n", "invalid multibulk length");
    error(&[b"*", &[b'1'; 21][..]].concat(), "too big mbulk count string");
    error(b"*1\r\nfoo\r\n", "expected '$', got 'f'");
    error(b"*1\r\n:4\r\n", "expected '$', got ':'");
    error(b"*1\r\n\r\n", "expected '$', got ' '");
    error(b"*1\r\n\xff\r\n", "expected '$', got '?'");
    error(b"*1\r\n*1\r\n", "expected '$', got '*'");
    error(b"*1\r\n$x\r\n", "invalid bulk length");
    error(b"*1\r\n$\r\n", "invalid bulk length");
    error(b"*1\r\n$-1\r\n", "invalid bulk length");
    error(b"*1\r\n$04\r\nPING\r\n", "invalid bulk length");
    error(b"*1\r\n$4\nPING\n", "invalid bulk length");
    error(b"*1\r\n$1048577\r\n", "invalid bulk length");
    error(b"*1\r\n$18446744073709551615\r\n", "invalid bulk length");
    error(&[b"*1\r\n$", &[b'1'; 21][..]].concat(), "too big bulk count string");
    error(b"*1\r\n$4\r\nPINGxx", "expected CRLF after an argument");
    error(b"*1\r\n$3\r\nPING\r\n", "expected CRLF after an argument");
}

#[test]
fn one_frame_is_limited_whatever_its_arguments_are() {
    let half = 600_000;
    let mut stream = format!("*2\r\n${half}\r\n").into_bytes();
    stream.extend(std::iter::repeat_n(b'a', half));
    stream.extend(format!("\r\n${half}\r\n").bytes());
    let found = read_all(&stream, &Limits::AUTHENTICATED, &mut std::iter::empty());
    assert_eq!(found, Err("Protocol error: invalid bulk length".to_owned()));
}

#[test]
fn short_arguments_are_limited_like_long_ones() {
    let stream = b"*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n";
    for (bulk_len_max, frame_len_max, fits) in [(4, 22, true), (3, 22, false), (4, 21, false)] {
        let limits = Limits { bulk_len_max, frame_len_max, ..Limits::AUTHENTICATED };
        assert_eq!(read_all(stream, &limits, &mut std::iter::empty()).is_ok(), fits, "{limits:?}");
    }
}

#[test]
fn before_auth_the_limits_are_tighter() {
    let read = |stream: &[u8]| read_all(stream, &Limits::UNAUTHENTICATED, &mut std::iter::empty());
    let texts = ["Protocol error: unauthenticated multibulk length", "Protocol error: unauthenticated bulk length"];
    assert_eq!(read(b"*11\r\n"), Err(texts[0].to_owned()));
    assert_eq!(read(b"a 2 3 4 5 6 7 8 9 10 11\r\n"), Err(texts[0].to_owned()));
    assert_eq!(read(b"*1\r\n$513\r\n"), Err(texts[1].to_owned()));
    assert_eq!(read(&[b"AUTH ", &[b'a'; 513][..], b"\r\n"].concat()), Err(texts[1].to_owned()));
    assert_eq!(read(&[b'a'; 4096]), Err("Protocol error: too big inline request".to_owned()));
    assert_eq!(read(b"*10\r\n$4\r\nAUTH\r\n"), Ok(vec![]));
}

#[test]
fn nesting_is_refused_at_depth_two() {
    error(&b"*1\r\n".repeat(100_000), "expected '$', got '*'");
}

#[test]
fn inline_words_and_quotes() {
    requests(b"PING\r\n", &[&[b"PING"]]);
    requests(b"PING\n", &[&[b"PING"]]);
    requests(b"\r\n\n  \r\n\t PING \t\r\r\n", &[&[b"PING"]]);
    requests(b"ECHO \"\\x41\\n\\q\\\"\\x4g\"\r\n", &[&[b"ECHO", b"A\nq\"x4g"]]);
    requests(b"'a\\'b' 'c\\n' '' a\"b\"\r\n", &[&[b"a'b", b"c\\n", b"", b"ab"]]);
    requests(b"ECHO \xff\0\r\n", &[&[b"ECHO", b"\xff\0"]]);
    requests(b"PI\rNG\r\n", &[&[b"PI", b"NG"]]);
    for line in
        [&b"\"abc\r\n"[..], b"\"a\"b\r\n", b"'a\r\n", b"'a''b'\r\n", b"a\"b\"c\r\n", b"\"a\\\"\r\n", b"ECHO \"a\\\r\n"]
    {
        error(line, "unbalanced quotes in request");
    }
    requests(&[b'a'; INLINE_LEN_MAX - 1], &[]);
    error(&[b'a'; INLINE_LEN_MAX], "too big inline request");
    error(&[&b"a ".repeat(1025)[..], b"\n"].concat(), "too big inline request");
}

#[test]
fn other_protocols_are_cut_off() {
    for stream in [
        &b"POST / HTTP/1.1\r\n"[..],
        b"post / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"\x16\x03\x01\x02\0",
        b"\0",
        b"\xff",
    ] {
        check(stream, Err("possible cross-protocol attack"));
    }
    // As an argument, or as the name of a command in an array, the words are harmless.
    requests(b"*1\r\n$4\r\nPOST\r\n", &[&[b"POST"]]);
}

#[test]
fn memory_is_taken_for_what_came_not_for_what_was_promised() {
    let mut parser = Parser::default();
    assert_eq!(parser.parse(b"*1024\r\n$1000000\r\n", &Limits::AUTHENTICATED), Ok(None));
    assert_eq!((parser.spans.capacity(), parser.unquoted.capacity()), (0, 0));
}

/// What a well-behaved client would send for `words`.
fn encode(words: &[Vec<u8>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend(format!("${}\r\n", word.len()).bytes());
        out.extend(word);
        out.extend(b"\r\n");
    }
    out
}

fn words() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..9)
}

/// Bytes that look like the protocol, so that noise gets past the first byte.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&[u8]] = &[
        b"*",
        b"$",
        b"\r\n",
        b"-",
        b"0",
        b"1",
        b"2",
        b"10",
        b"\"",
        b"'",
        b"\\",
        b"\\x4",
        b" ",
        b"PING",
        b"\n",
        b"\xff",
        b"*1\r\n",
        b"$4\r\n",
        b"$1\r\na\r\n",
    ];
    let piece = prop::sample::select(PIECES);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn valid_requests_are_read_as_redis_protocol_reads_them(
        all in prop::collection::vec(words(), 1..5),
        cuts in prop::collection::vec(1_usize..30, 0..20),
    ) {
        let stream: Vec<u8> = all.iter().flat_map(|words| encode(words)).collect();
        let found = read_all(&stream, &Limits::AUTHENTICATED, &mut cuts.into_iter()).expect("valid");
        prop_assert_eq!(&found, &all);

        use redis_protocol::resp2::{decode::decode, types::OwnedFrame};
        let mut rest = &stream[..];
        for words in &found {
            let (frame, consumed) = decode(rest).expect("valid").expect("complete");
            let frames = words.iter().map(|word| OwnedFrame::BulkString(word.clone())).collect();
            prop_assert_eq!(frame, OwnedFrame::Array(frames));
            rest = &rest[consumed..];
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn cuts_change_nothing(stream in noise(), cuts in prop::collection::vec(1_usize..9, 0..99)) {
        let whole = read_all(&stream, &Limits::AUTHENTICATED, &mut std::iter::empty());
        prop_assert_eq!(read_all(&stream, &Limits::AUTHENTICATED, &mut cuts.into_iter()), whole);
    }

    #[test]
    fn no_bytes_panic(stream in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_all(&stream, &Limits::UNAUTHENTICATED, &mut std::iter::repeat(3));
    }
}
