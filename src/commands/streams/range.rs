//! `XRANGE key start end [COUNT count]`, `XREVRANGE key end start [COUNT count]`: entries between two ids, inclusive.
//!
//! `-` and `+` are before and after every entry, `<ms>` is the first or the last id of that millisecond, and `(` leaves
//! the id out. As in Redis, `(5` is the id 5-0 (or the last of that millisecond) left out: CREDIT.HISTORY, which has its
//! own grammar, leaves out the millisecond.

use super::{BAD_ID, COUNT_MAX, Stream, StreamRequest};
use crate::commands::Request;
use crate::commands::args::{Args, entry_id};
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgKind, ArgSpec, CommandSpec};
use crate::ledger::command::{Command, HistoryQuery, Op};
use crate::ledger::event::{EntryId, EntryTypes};

const KEY: ArgSpec = ArgSpec::new("key", ArgKind::Key);
const START: ArgSpec = ArgSpec::new("start", ArgKind::String);
const END: ArgSpec = ArgSpec::new("end", ArgKind::String);
const COUNT: ArgSpec = ArgSpec::option("COUNT", "count", ArgKind::Integer);

/// XRANGE
pub static XRANGE: CommandSpec = CommandSpec {
    name: "xrange",
    arity: -4,
    summary: "Shows the entries of a stream between two ids, oldest first",
    complexity: "O(N) where N is the number of entries shown",
    args: &[KEY, START, END, COUNT],
    parse: |args, _| parse(args, false),
    ..super::BASE
};

/// XREVRANGE
pub static XREVRANGE: CommandSpec = CommandSpec {
    name: "xrevrange",
    arity: -4,
    summary: "Shows the entries of a stream between two ids, newest first",
    complexity: "O(N) where N is the number of entries shown",
    args: &[KEY, END, START, COUNT],
    parse: |args, _| parse(args, true),
    ..super::BASE
};

fn parse<'a>(args: &mut Args<'a>, newest_first: bool) -> Result<Request<'a>, Refusal> {
    let stream = Stream::of(args.word()?);
    let (first, second) = (args.word()?, args.word()?);
    let (start, end) = if newest_first { (second, first) } else { (first, second) };
    let query = HistoryQuery {
        start: oldest(start)?,
        end: newest(end)?,
        count: COUNT_MAX,
        newest_first,
        types: EntryTypes::ALL,
    };
    let count = match args.option(&["COUNT"])? {
        Some(_) => super::count(args)?,
        None => COUNT_MAX.into(),
    };
    args.end()?;
    if count < 1 {
        return Ok(Request::Nothing);
    }
    let query = HistoryQuery { count: count.min(COUNT_MAX.into()) as u16, ..query };
    Ok(match stream {
        Stream::Events(shard) => Request::Stream(StreamRequest::Range { shard, query }),
        Stream::Log(account) => {
            Request::Ledger { command: Command::new(account, b"", Op::History(query)), made_tx: false }
        }
        Stream::Nothing => Request::Nothing,
    })
}

fn oldest(word: &[u8]) -> Result<EntryId, Refusal> {
    match word {
        b"-" => Ok(EntryId::MIN),
        b"+" => Ok(EntryId::MAX),
        [b'(', id @ ..] => match entry_id(id, 0).ok_or(BAD_ID)? {
            EntryId::MAX => Err(Refusal::fixed("ERR invalid start ID for the interval")),
            id => Ok(id.after()),
        },
        id => entry_id(id, 0).ok_or(BAD_ID),
    }
}

fn newest(word: &[u8]) -> Result<EntryId, Refusal> {
    match word {
        b"-" => Ok(EntryId::MIN),
        b"+" => Ok(EntryId::MAX),
        [b'(', id @ ..] => match entry_id(id, u64::MAX).ok_or(BAD_ID)? {
            EntryId::MIN => Err(Refusal::fixed("ERR invalid end ID for the interval")),
            id => Ok(id.before()),
        },
        id => entry_id(id, u64::MAX).ok_or(BAD_ID),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::arguments::OwnedArguments;
    use crate::commands::{Defaults, parse};

    const DEFAULTS: Defaults = Defaults { reserve_ttl_ms: 1, allow_auto_tx: true };

    fn query(line: &str) -> Result<HistoryQuery, String> {
        let owned: OwnedArguments = line.split(' ').map(str::as_bytes).collect();
        match parse(owned.borrow(), &DEFAULTS) {
            Ok(Request::Stream(StreamRequest::Range { shard: 3, query })) => Ok(query),
            Ok(other) => panic!("{line}: {other:?}"),
            Err(refusal) => Err(refusal.text().to_owned()),
        }
    }

    fn id(time_ms: u64, seq: u64) -> EntryId {
        EntryId { time_ms, seq }
    }

    #[test]
    fn ranges_are_inclusive_and_the_reverse_is_given_from_its_end() {
        const MAX: u64 = u64::MAX;
        for (start, end, expected) in [
            ("-", "+", (EntryId::MIN, EntryId::MAX)),
            ("+", "-", (EntryId::MAX, EntryId::MIN)),
            ("5", "6", (id(5, 0), id(6, MAX))),
            ("5-1", "5-1", (id(5, 1), id(5, 1))),
            ("(5", "(6", (id(5, 1), id(6, MAX - 1))),
            ("(5-18446744073709551615", "(5-0", (id(6, 0), id(4, MAX))),
        ] {
            let forth = query(&format!("xrange credit:events:3 {start} {end} COUNT 7")).expect(start);
            let back = query(&format!("XREVRANGE credit:events:3 {end} {start} count 7")).expect(start);
            assert_eq!((forth.start, forth.end), expected, "{start} {end}");
            assert_eq!((forth.count, forth.newest_first, forth.types), (7, false, EntryTypes::ALL));
            assert_eq!(back, HistoryQuery { newest_first: true, ..forth });
        }
        for (count, expected) in [("", 1000), (" COUNT 1000", 1000), (" COUNT 99999", 1000), (" COUNT 1", 1)] {
            assert_eq!(query(&format!("XRANGE credit:events:3 - +{count}")).expect(count).count, expected);
        }
    }

    #[test]
    fn what_redis_refuses_in_its_words() {
        let bad_id = "ERR Invalid stream ID specified as stream command argument";
        for (words, text) in [
            ("x +", bad_id),
            ("- x", bad_id),
            ("(- +", bad_id),
            ("- (+", bad_id),
            ("( +", bad_id),
            ("$ +", bad_id),
            ("(18446744073709551615-18446744073709551615 +", "ERR invalid start ID for the interval"),
            ("- (0-0", "ERR invalid end ID for the interval"),
            ("- + COUNT x", "ERR value is not an integer or out of range"),
            ("- + COUNT", "ERR syntax error"),
            ("- + LIMIT 5", "ERR syntax error"),
            ("- + COUNT 5 x", "ERR syntax error"),
        ] {
            for key in ["credit:events:3", "credit:log:{a}", "nothing"] {
                assert_eq!(query(&format!("XRANGE {key} {words}")), Err(text.to_owned()), "{words}");
            }
        }
    }

    #[test]
    fn a_log_is_a_history_and_nothing_is_empty() {
        let owned: OwnedArguments = "XREVRANGE credit:log:{t:1} + (5-2 COUNT 3".split(' ').map(str::as_bytes).collect();
        let query =
            HistoryQuery { start: id(5, 3), end: EntryId::MAX, count: 3, newest_first: true, types: EntryTypes::ALL };
        let command = Command::new(b"t:1", b"", Op::History(query));
        assert_eq!(parse(owned.borrow(), &DEFAULTS), Ok(Request::Ledger { command, made_tx: false }));
        for line in ["XRANGE k - +", "XRANGE credit:events:3 - + COUNT 0", "XREVRANGE credit:log:{a} + - COUNT -1"] {
            let owned: OwnedArguments = line.split(' ').map(str::as_bytes).collect();
            assert_eq!(parse(owned.borrow(), &DEFAULTS), Ok(Request::Nothing), "{line}");
        }
    }
}
