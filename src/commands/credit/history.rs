//! `CREDIT.HISTORY account [start end] [COUNT n] [REV] [TYPE t ...]`: entries of an account's trail.
//!
//! ```text
//!  word      stands for            start from    after (        end at     after (
//!  -         before every entry    0-0                          0-0
//!  +         after every entry     max-max                      max-max
//!  ms        its millisecond       ms-0          (ms+1)-0       ms-max     (ms-1)-max
//!  ms-seq    that entry            ms-seq        the id after   ms-seq     the id before
//! ```
//! The range stands before the options: an id starts with a digit, `-`, `+` or `(`, an option with a letter. It goes
//! from old to new, with REV too. A range without entries is an empty answer, so that paging needs no special case;
//! only `+ -` is refused, which is how Redis' own reversed ranges are written and here would always be empty.

use crate::commands::args::{Args, entry_id};
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgKind, ArgSpec, Class, CommandSpec, Flags, KeyUse};
use crate::commands::{Defaults, Request};
use crate::ledger::command::{Command, HISTORY_COUNT_MAX, HistoryQuery, Op};
use crate::ledger::event::{EntryId, EntryType, EntryTypes};

/// Entries of an answer if COUNT is not given (commands.md C.3).
const COUNT_DEFAULT: u16 = 100;

const OPTIONS: &[&str] = &["COUNT", "REV", "TYPE"];

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "credit.history",
    arity: -2,
    flags: Flags::READONLY,
    key: Some(KeyUse::Read),
    class: Class::Reader,
    summary: "Shows entries of an account's trail: what changed its figures, when, and what they were afterwards",
    complexity: "O(N) where N is the number of entries shown, and of those that TYPE leaves out between them",
    args: &[
        ArgSpec::ACCOUNT,
        ArgSpec {
            parts: &[ArgSpec::new("start", ArgKind::String), ArgSpec::new("end", ArgKind::String)],
            ..ArgSpec::new("range", ArgKind::Block).optional()
        },
        ArgSpec::option("COUNT", "count", ArgKind::Integer),
        ArgSpec::token("rev", "REV").optional(),
        ArgSpec::option("TYPE", "type", ArgKind::String).multiple(),
    ],
    parse,
    ..super::BASE
};

fn parse<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let account = args.account()?;
    let mut query = HistoryQuery {
        start: EntryId::MIN,
        end: EntryId::MAX,
        count: COUNT_DEFAULT,
        newest_first: false,
        types: EntryTypes::ALL,
    };
    if args.peek().is_some_and(is_id) {
        (query.start, query.end) = range(args)?;
    }
    while let Some(option) = args.option(OPTIONS)? {
        match option {
            "COUNT" => query.count = args.count(HISTORY_COUNT_MAX)?,
            "REV" => query.newest_first = true,
            _ => query.types = types(args)?,
        }
    }
    Ok(Request::Ledger { command: Command::new(account, b"", Op::History(query)), made_tx: false })
}

fn is_id(word: &[u8]) -> bool {
    matches!(word.first(), Some(b'0'..=b'9' | b'-' | b'+' | b'('))
}

/// First and last id of the range, inclusive.
fn range(args: &mut Args<'_>) -> Result<(EntryId, EntryId), Refusal> {
    const RULE: Refusal = Refusal::fixed(
        "ERR start and end must both be given, each as - or + or <ms> or <ms>-<seq>, after ( if it is to be left out",
    );
    let (start, end) = (args.next_if_any().unwrap_or_default(), args.next_if_any().unwrap_or_default());
    if (start, end) == (b"+", b"-") {
        return Err(Refusal::fixed("ERR start must be the older end of the range, with REV too: - + is all of it"));
    }
    let (start, without_start) = bound(start).ok_or(RULE)?;
    let (end, without_end) = bound(end).ok_or(RULE)?;
    Ok((if without_start { start.1.after() } else { start.0 }, if without_end { end.0.before() } else { end.1 }))
}

/// The ids that one word stands for, lowest and highest, and whether `(` leaves them out.
fn bound(word: &[u8]) -> Option<((EntryId, EntryId), bool)> {
    let (id, left_out) = match word {
        [b'(', id @ ..] => (id, true),
        id => (id, false),
    };
    let ids = match id {
        b"-" => (EntryId::MIN, EntryId::MIN),
        b"+" => (EntryId::MAX, EntryId::MAX),
        id => (entry_id(id, 0)?, entry_id(id, u64::MAX)?),
    };
    Some((ids, left_out))
}

/// The words up to the next option.
fn types(args: &mut Args<'_>) -> Result<EntryTypes, Refusal> {
    const RULE: Refusal = Refusal::fixed(
        "ERR TYPE must be followed by one or more of GRANT DEBIT RESERVE CAPTURE RELEASE EXPIRE REFUND DECLINE VOID",
    );
    let names_option = |word: &[u8]| OPTIONS.iter().any(|option| word.eq_ignore_ascii_case(option.as_bytes()));
    let mut types = EntryTypes::NONE;
    while let Some(word) = args.peek().filter(|word| !names_option(word)) {
        let is_named = |known: &EntryType| word.eq_ignore_ascii_case(known.word().as_bytes());
        types = types.with(EntryType::ALL.into_iter().find(is_named).ok_or(RULE)?);
        args.word()?;
    }
    if types == EntryTypes::NONE { Err(RULE) } else { Ok(types) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::arguments::OwnedArguments;
    use crate::commands::parse;

    /// What follows the account, understood.
    fn query(line: &str) -> Result<HistoryQuery, String> {
        let line = format!("CREDIT.HISTORY a {line}");
        let owned: OwnedArguments = line.split_whitespace().map(str::as_bytes).collect();
        let defaults = Defaults { reserve_ttl_ms: 1, allow_auto_tx: true };
        match parse(owned.borrow(), &defaults) {
            Ok(Request::Ledger { command, made_tx: false }) => match command.op {
                Op::History(query) => Ok(query),
                other => panic!("{other:?}"),
            },
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => Err(refusal.text().to_owned()),
        }
    }

    fn id(time_ms: u64, seq: u64) -> EntryId {
        EntryId { time_ms, seq }
    }

    #[test]
    fn ranges_are_resolved_to_inclusive_ones() {
        const MAX: u64 = u64::MAX;
        for (words, start, end) in [
            ("", EntryId::MIN, EntryId::MAX),
            ("- +", EntryId::MIN, EntryId::MAX),
            ("7 7", id(7, 0), id(7, MAX)),
            ("7-3 9-1", id(7, 3), id(9, 1)),
            ("(7-3 (9-1", id(7, 4), id(9, 0)),
            ("(7 (9", id(8, 0), id(8, MAX)),
            ("(- (+", id(0, 1), id(MAX, MAX - 1)),
            ("(7-18446744073709551615 (9-0", id(8, 0), id(8, MAX)),
            ("9 7", id(9, 0), id(7, MAX)),
            // No entry is at either end: empty answers, not errors.
            ("(+ +", EntryId::MAX, EntryId::MAX),
            ("(18446744073709551615 +", EntryId::MAX, EntryId::MAX),
            ("- (-", EntryId::MIN, EntryId::MIN),
            ("- (0", EntryId::MIN, EntryId::MIN),
        ] {
            let query = query(words).expect(words);
            assert_eq!((query.start, query.end), (start, end), "{words:?}");
        }
    }

    #[test]
    fn ranges_that_are_none() {
        for words in
            ["-", "7", "- COUNT 5", "7- +", "-7 +", "7-3-1 +", "07 +", "7-03 +", "+7 +", "7.5 +", "((7 +", "( +"]
        {
            let text = query(words).expect_err(words);
            assert!(text.starts_with("ERR start and end must both be given, each as - or +"), "{words:?}: {text}");
        }
        assert!(query("18446744073709551616 +").is_err());
        assert!(query("+ - REV").expect_err("reversed").contains("the older end"));
        // What looks like no id is taken for an option.
        assert_eq!(query("x y"), Err("ERR syntax error".to_owned()));
        assert_eq!(query("- + +"), Err("ERR syntax error".to_owned()));
    }

    #[test]
    fn options_come_in_any_order_and_case() {
        let all = query("").expect("nothing is needed");
        assert_eq!((all.count, all.newest_first, all.types), (100, false, EntryTypes::ALL));
        for (words, count) in [("COUNT 1", 1), ("count 1000", 1000), ("COUNT 1001", 1000), ("COUNT 99999999999", 1000)]
        {
            assert_eq!(query(words).expect(words).count, count, "{words}");
        }
        for words in ["COUNT 0", "COUNT -1", "COUNT x", "COUNT 1.5", "COUNT 05", "COUNT +1"] {
            assert!(query(words).expect_err(words).starts_with("ERR COUNT must be a whole number from 1,"), "{words}");
        }
        let some = EntryTypes::NONE.with(EntryType::Grant).with(EntryType::Void);
        for words in
            ["TYPE grant Void REV COUNT 5", "REV TYPE VOID GRANT void COUNT 5", "- + count 5 rev type VOID GRANT"]
        {
            let query = query(words).expect(words);
            assert_eq!((query.count, query.newest_first, query.types), (5, true, some), "{words}");
        }
        for words in ["COUNT", "COUNT 1 COUNT 1", "REV REV", "TYPE GRANT TYPE GRANT", "LIMIT 5", "REV 5"] {
            assert_eq!(query(words), Err("ERR syntax error".to_owned()), "{words}");
        }
    }

    #[test]
    fn every_type_is_known_and_named_where_one_is_not() {
        let text = query("TYPE GRANTS").expect_err("unknown");
        for entry_type in EntryType::ALL {
            let query = query(&format!("TYPE {}", entry_type.word())).expect("known");
            assert_eq!(query.types, EntryTypes::NONE.with(entry_type));
            assert!(text.contains(&format!(" {}", entry_type.word())), "{text}");
        }
        for words in ["TYPE", "TYPE COUNT 5", "TYPE GRANT nonsense", "TYPE GRANT 5"] {
            assert_eq!(query(words).expect_err(words), text, "{words}");
        }
    }
}
