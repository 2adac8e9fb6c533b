//! `XREAD [COUNT count] [BLOCK milliseconds] STREAMS key ... id ...`: the entries after the ids.
//!
//! An id is `<ms>-<seq>` or `<ms>`, which is `<ms>-0`; `$`: nothing that is there now; `+`: the newest entry alone.

use super::{BAD_ID, COUNT_MAX, Stream, StreamRequest};
use crate::commands::args::{Args, entry_id, signed};
use crate::commands::arguments::Arguments;
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgKind, ArgSpec, CommandSpec, Flags, KeyUse};
use crate::commands::{Defaults, Request};
use crate::ledger::event::EntryId;

/// Most streams of one XREAD.
pub const STREAMS_MAX: usize = 1024;

/// The table entry. Redis has the flag `movablekeys` too, for which some clients ask COMMAND GETKEYS before every call;
/// the key specification says the same without.
pub static SPEC: CommandSpec = CommandSpec {
    name: "xread",
    arity: -4,
    flags: Flags::READONLY.and(Flags::BLOCKING),
    key: Some(KeyUse::Streams),
    summary: "Shows the entries of streams after the ids given, or waits for them",
    complexity: "O(N) where N is the number of entries shown",
    args: &[
        ArgSpec::option("COUNT", "count", ArgKind::Integer),
        ArgSpec::option("BLOCK", "milliseconds", ArgKind::Integer),
        ArgSpec {
            token: Some("STREAMS"),
            ..ArgSpec::block(
                "streams",
                &[ArgSpec::new("key", ArgKind::Key).multiple(), ArgSpec::new("id", ArgKind::String).multiple()],
            )
        },
    ],
    parse,
    ..super::BASE
};

/// An XREAD, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRequest<'a> {
    /// Entries of each stream, `1..=COUNT_MAX`.
    pub count: u16,
    /// How long to wait for an entry if there is none; [`FOREVER_MS`], or `None`: not at all.
    pub block_ms: Option<u64>,
    /// Keys, then as many ids; `1..=STREAMS_MAX` of both.
    words: Arguments<'a>,
}

/// The value of [`ReadRequest::block_ms`] for BLOCK 0.
pub const FOREVER_MS: u64 = u64::MAX;

/// Where a read of a stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Behind this id, whether or not there is such an entry.
    Id(EntryId),
    /// `$`: behind all that is there.
    Newest,
    /// `+`: at the newest entry, if there is one.
    Last,
}

impl<'a> ReadRequest<'a> {
    /// Key, stream and place of each, in the order of the request. A key may come twice.
    pub fn streams(&self) -> impl Iterator<Item = (&'a [u8], Stream<'a>, After)> + use<'a> {
        let len = self.words.len() / 2;
        let (keys, ids) = (self.words.first(len), self.words.skip(len));
        let after = |id| after(id).expect("ids were looked at when the request was parsed");
        keys.iter().zip(ids.iter()).map(move |(key, id)| (key, Stream::of(key), after(id)))
    }
}

/// The keys among the words behind XREAD, if there is STREAMS and something behind it.
pub fn keys(words: Arguments<'_>) -> Option<Arguments<'_>> {
    let streams = words.iter().position(|word| word.eq_ignore_ascii_case(b"STREAMS"))?;
    let words = words.skip(streams + 1);
    (words.len() >= 2).then(|| words.first(words.len() / 2))
}

fn parse<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let (mut count, mut block_ms) = (0, None);
    while let Some(option) = args.option(&["COUNT", "BLOCK", "STREAMS", "GROUP", "NOACK"])? {
        match option {
            "COUNT" => count = super::count(args)?,
            "BLOCK" => block_ms = Some(timeout_ms(args.word()?)?),
            "STREAMS" => {
                let words = checked(args.rest())?;
                let count = if count < 1 { COUNT_MAX } else { count.min(COUNT_MAX.into()) as u16 };
                return Ok(Request::Stream(StreamRequest::Read(ReadRequest { count, block_ms, words })));
            }
            "GROUP" => return Err(Refusal::fixed(GROUP_ELSEWHERE)),
            _ => return Err(Refusal::fixed(NOACK_ELSEWHERE)),
        }
    }
    Err(Refusal::SYNTAX)
}

const GROUP_ELSEWHERE: &str = "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.";
const NOACK_ELSEWHERE: &str = "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.";

fn timeout_ms(word: &[u8]) -> Result<u64, Refusal> {
    match signed(word) {
        None => Err(Refusal::fixed("ERR timeout is not an integer or out of range")),
        Some(..0) => Err(Refusal::fixed("ERR timeout is negative")),
        Some(0) => Ok(FOREVER_MS),
        Some(ms) => Ok(ms as u64),
    }
}

/// Keys and ids, as many of both, the ids right.
fn checked(words: Arguments<'_>) -> Result<Arguments<'_>, Refusal> {
    if words.is_empty() {
        return Err(Refusal::SYNTAX);
    }
    if !words.len().is_multiple_of(2) {
        return Err(Refusal::fixed(
            "ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be specified.",
        ));
    }
    if words.len() / 2 > STREAMS_MAX {
        return Err(Refusal::fixed("ERR XREAD takes at most 1024 streams"));
    }
    words.skip(words.len() / 2).iter().try_for_each(|id| after(id).map(|_| ()))?;
    Ok(words)
}

fn after(id: &[u8]) -> Result<After, Refusal> {
    match id {
        b"$" => Ok(After::Newest),
        b"+" => Ok(After::Last),
        b">" => Err(Refusal::fixed(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        )),
        id => entry_id(id, 0).map(After::Id).ok_or(BAD_ID),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::arguments::OwnedArguments;
    use crate::commands::parse;

    fn read<T>(line: &str, see: impl FnOnce(Result<ReadRequest<'_>, &str>) -> T) -> T {
        let owned: OwnedArguments = line.split(' ').map(str::as_bytes).collect();
        let defaults = Defaults { reserve_ttl_ms: 1, allow_auto_tx: true };
        match parse(owned.borrow(), &defaults) {
            Ok(Request::Stream(StreamRequest::Read(request))) => see(Ok(request)),
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => see(Err(refusal.text())),
        }
    }

    fn id(time_ms: u64, seq: u64) -> After {
        After::Id(EntryId { time_ms, seq })
    }

    #[test]
    fn streams_and_where_they_begin() {
        read(
            "xread STREAMS credit:events:1 x credit:log:{a} credit:events:1 x 0 5-7 $ + 18446744073709551615",
            |request| {
                let request = request.expect("right");
                let streams: Vec<_> = request.streams().map(|(_, stream, after)| (stream, after)).collect();
                let log = Stream::Log(b"a");
                let events = Stream::Events(1);
                let expected = [
                    (events, id(0, 0)),
                    (Stream::Nothing, id(5, 7)),
                    (log, After::Newest),
                    (events, After::Last),
                    (Stream::Nothing, id(u64::MAX, 0)),
                ];
                assert_eq!(streams, expected);
                assert_eq!((request.count, request.block_ms), (COUNT_MAX, None));
            },
        );
    }

    #[test]
    fn counts_and_waits() {
        for (options, count, block_ms) in [
            ("COUNT 1 BLOCK 5", 1, Some(5)),
            ("block 0 count 1000", 1000, Some(FOREVER_MS)),
            ("COUNT 1001", 1000, None),
            ("COUNT 0", 1000, None),
            ("COUNT -7", 1000, None),
            ("BLOCK 9223372036854775807", 1000, Some(i64::MAX as u64)),
        ] {
            read(&format!("XREAD {options} STREAMS k 0-0"), |request| {
                let request = request.expect(options);
                assert_eq!((request.count, request.block_ms), (count, block_ms), "{options}");
            });
        }
    }

    #[test]
    fn what_redis_refuses_in_its_words() {
        let unbalanced =
            "ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be specified.";
        let bad_id = "ERR Invalid stream ID specified as stream command argument";
        for (words, text) in [
            ("COUNT 1 STREAMS", "ERR syntax error"),
            ("COUNT 1 BLOCK", "ERR syntax error"),
            ("foo k 0", "ERR syntax error"),
            ("COUNT 1 BLOCK 1", "ERR syntax error"),
            ("COUNT 1 COUNT 1 STREAMS k 0", "ERR syntax error"),
            ("STREAMS a b 0", unbalanced),
            ("COUNT 1 STREAMS k", unbalanced),
            ("COUNT x STREAMS k 0", "ERR value is not an integer or out of range"),
            ("BLOCK x STREAMS k 0", "ERR timeout is not an integer or out of range"),
            ("BLOCK 9223372036854775808 STREAMS k 0", "ERR timeout is not an integer or out of range"),
            ("BLOCK -1 STREAMS k 0", "ERR timeout is negative"),
            ("GROUP g c STREAMS k 0", GROUP_ELSEWHERE),
            ("NOACK STREAMS k 0", NOACK_ELSEWHERE),
            ("STREAMS k -", bad_id),
            ("STREAMS k (5", bad_id),
            ("STREAMS k 5-", bad_id),
            ("STREAMS k -5", bad_id),
            ("STREAMS k 5-*", bad_id),
            ("STREAMS k 18446744073709551616", bad_id),
            ("STREAMS a b 0 x", bad_id),
        ] {
            read(&format!("XREAD {words}"), |request| assert_eq!(request, Err(text), "{words}"));
        }
        read("XREAD STREAMS k >", |request| assert!(request.expect_err(">").starts_with("ERR The > ID can be")));
        let many = " k".repeat(STREAMS_MAX) + &" 0".repeat(STREAMS_MAX);
        read(&format!("XREAD STREAMS{many}"), |request| {
            assert_eq!(request.expect("the limit").streams().count(), STREAMS_MAX)
        });
        read(&format!("XREAD STREAMS k{many} 0"), |request| {
            assert_eq!(request, Err("ERR XREAD takes at most 1024 streams"));
        });
    }
}
