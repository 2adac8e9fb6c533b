//! Answers against the plain list of entries, and what they cost in records.

use super::*;
use crate::journal::chance::Chance;
use crate::ledger::codec;
use crate::ledger::event::{Change, EntryType, EntryTypes, Event, SKIP_EVERY};
use crate::ledger::id::NO_LSN;
use crate::ledger::outcome::AuditView;
use std::cell::Cell;

const ACCOUNT: &[u8] = b"tradie:1";

/// A trail in memory; what stands below `kept_from` was cut off.
struct Rows {
    records: Vec<Vec<u8>>,
    ids: Vec<EntryId>,
    types: Vec<EntryType>,
    kept_from: Lsn,
    touched: Cell<u64>,
}

impl Rows {
    /// A trail of `len` entries, one in four at the same millisecond as the one before.
    fn new(len: u64, seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let (mut time_ms, mut balance) = (1_000, 0);
        let mut rows = Self { records: vec![], ids: vec![], types: vec![], kept_from: NO_LSN, touched: Cell::new(0) };
        for seq in 1..=len {
            time_ms += if chance.percent(25) { 0 } else { 1 + chance.below(5) };
            let (amount, change) = if chance.percent(10) { (0, Change::Void) } else { (1, Change::Grant) };
            let (amount, change) = if seq == 1 { (1, Change::Grant) } else { (amount, change) };
            balance += amount;
            let tx = format!("t{seq}");
            let anchor = if seq.is_multiple_of(SKIP_EVERY) && seq > SKIP_EVERY { lsn_of(seq - SKIP_EVERY) } else { 0 };
            let event = Event {
                account: ACCOUNT,
                tx: tx.as_bytes(),
                reason: b"",
                meta: b"",
                time_ms,
                seq,
                amount,
                balance,
                reserved: 0,
                prev_lsn: if seq == 1 { NO_LSN } else { lsn_of(seq - 1) },
                skip_lsn: anchor,
                change,
            };
            let mut record = Vec::new();
            codec::encode(&event, &mut record);
            rows.records.push(record);
            rows.ids.push(event.id());
            rows.types.push(event.entry_type());
        }
        rows
    }

    fn ask(&self, question: &Question, walk_max: u64) -> Result<Outcome, Stop> {
        self.touched.set(0);
        question.answer(self, ACCOUNT, lsn_of(self.records.len() as u64), walk_max)
    }

    fn answer(&self, question: &Question) -> Outcome {
        self.ask(question, u64::MAX).expect("nothing stands in the way")
    }

    fn history(&self, query: HistoryQuery) -> Vec<EntryId> {
        let Outcome::History(entries) = self.answer(&Question::History(query)) else { panic!("no entries") };
        entries.iter().map(|event| event.id()).collect()
    }

    /// The same, from the list.
    fn listed(&self, query: HistoryQuery) -> Vec<EntryId> {
        let wanted = |(id, entry_type): &(&EntryId, &EntryType)| {
            (query.start..=query.end).contains(*id) && query.types.has(**entry_type)
        };
        let mut all: Vec<EntryId> = self.ids.iter().zip(&self.types).filter(wanted).map(|(id, _)| *id).collect();
        if query.newest_first {
            all.reverse();
        }
        all.truncate(usize::from(query.count));
        all
    }
}

impl Source for &Rows {
    fn record(&mut self, lsn: Lsn) -> Result<&[u8], Stop> {
        self.touched.set(self.touched.get() + 1);
        if lsn < self.kept_from { Err(Stop::Gone) } else { Ok(&self.records[(lsn / 8 - 1) as usize]) }
    }
}

fn lsn_of(seq: u64) -> Lsn {
    seq * 8
}

fn everything() -> HistoryQuery {
    HistoryQuery { start: EntryId::MIN, end: EntryId::MAX, count: 1000, newest_first: false, types: EntryTypes::ALL }
}

#[test]
fn any_range_of_any_trail_is_what_the_list_says() {
    for (seed, len) in [1, 2, 255, 256, 257, 511, 512, 513, 1_500].into_iter().enumerate() {
        let rows = Rows::new(len, seed as u64);
        let mut chance = Chance::new(len);
        let last_ms = rows.ids.last().expect("an entry").time_ms;
        for _ in 0..400 {
            let mut id = || match chance.below(8) {
                0 => EntryId::MIN,
                1 => EntryId::MAX,
                _ => EntryId { time_ms: 990 + chance.below(last_ms), seq: chance.below(len + 2) },
            };
            let (start, end) = (id(), id());
            let types = if chance.percent(60) { EntryTypes::ALL } else { EntryTypes::NONE.with(EntryType::Void) };
            let count_max = if chance.percent(50) { 8 } else { 1000 };
            let count = 1 + chance.below(count_max) as u16;
            let query = HistoryQuery { start, end, count, newest_first: chance.percent(50), types };
            assert_eq!(rows.history(query), rows.listed(query), "{len} entries, {query:?}");

            let at_ms = 990 + chance.below(last_ms);
            let seq = rows.ids.iter().filter(|id| id.time_ms <= at_ms).count() as u64;
            let balance = rows.types[..seq as usize].iter().filter(|kind| **kind == EntryType::Grant).count() as u64;
            let expected = Figures { balance, reserved: 0, seq, time_ms: at_ms };
            assert_eq!(rows.answer(&Question::At(at_ms)), Outcome::Balance(expected));
        }
    }
}

#[test]
fn a_walk_touches_few_records() {
    let len = 100_000;
    let rows = Rows::new(len, 7);
    let bound = len / SKIP_EVERY + 2 * SKIP_EVERY;
    for seq in [1, 2, 255, 256, 257, 50_000, 99_999, len] {
        let id = rows.ids[seq as usize - 1];
        rows.answer(&Question::At(id.time_ms));
        assert!(rows.touched.get() <= bound, "BALANCE AT entry {seq} took {}", rows.touched.get());
        for newest_first in [false, true] {
            let query = HistoryQuery { start: id, count: 100, newest_first, ..everything() };
            assert_eq!(rows.history(query).len(), 100.min(len - seq + 1) as usize);
            assert!(rows.touched.get() <= bound + 512 + 200, "HISTORY from {seq} took {}", rows.touched.get());
        }
    }
}

#[test]
fn a_walk_that_would_be_too_long_says_so() {
    let rows = Rows::new(1_000, 3);
    let unknown = Question::Tx { tx: Box::from(*b"nobody"), hint: None };
    assert!(matches!(rows.ask(&unknown, 999), Err(Stop::TooLong)));
    assert!(matches!(rows.ask(&unknown, 1_000), Ok(Outcome::Tx(None))));
    let voids = HistoryQuery { types: EntryTypes::NONE.with(EntryType::Refund), ..everything() };
    assert!(matches!(rows.ask(&Question::History(voids), 500), Err(Stop::TooLong)));
}

#[test]
fn an_id_is_found_wherever_the_trail_has_it() {
    let rows = Rows::new(600, 4);
    for seq in [1, 300, 600] {
        let question = Question::Tx { tx: format!("t{seq}").into_bytes().into(), hint: None };
        let Outcome::Tx(Some(view)) = rows.answer(&question) else { panic!("known") };
        assert_eq!(view.first, rows.ids[seq - 1]);
        // A hint that means another id is a collision: the walk finds the right one.
        let misled = Question::Tx { tx: format!("t{seq}").into_bytes().into(), hint: Some(lsn_of(17)) };
        assert_eq!(rows.answer(&misled), Outcome::Tx(Some(view)));
    }
}

#[test]
fn where_history_was_cut_is_said() {
    for kept_seq in [2, 256, 257, 400, 599] {
        let rows = Rows { kept_from: lsn_of(kept_seq), ..Rows::new(600, 5) };
        let first = rows.ids[kept_seq as usize - 1];
        let starts = Outcome::Rejected(Rejection::HistoryStarts { at: first });
        for newest_first in [false, true] {
            let query = HistoryQuery { newest_first, ..everything() };
            let mut kept: Vec<_> = rows.ids[kept_seq as usize - 1..].to_vec();
            assert_eq!(rows.history(HistoryQuery { start: first, ..query }).len(), kept.len());
            if newest_first {
                kept.reverse();
            }
            assert_eq!(rows.history(query), kept, "from the start = from what is kept");
            let older = Question::History(HistoryQuery { start: first.before(), ..query });
            assert_eq!(rows.answer(&older), starts);
        }
        assert_eq!(rows.answer(&Question::At(first.time_ms - 1)), starts);
        let Outcome::Balance(figures) = rows.answer(&Question::At(first.time_ms)) else { panic!("figures") };
        assert!(figures.seq >= kept_seq);
        let gone = Question::Tx { tx: Box::from(*b"t1"), hint: None };
        assert_eq!(rows.answer(&gone), Outcome::Tx(None), "unknown, as far as history is kept");
    }
}

#[test]
fn a_record_of_another_trail_is_never_shown() {
    let mut rows = Rows::new(10, 6);
    rows.records[4] = {
        let event = codec::decode(&rows.records[4]).expect("a record");
        let mut record = Vec::new();
        codec::encode(&Event { account: b"tradie:2", ..event }, &mut record);
        record
    };
    let stop = rows.ask(&Question::History(everything()), u64::MAX);
    assert!(matches!(stop, Err(Stop::Broken(crate::shard::Fault::Foreign { .. }))));
}

/// What a shard would have in memory.
fn memory(rows: &Rows) -> AccountState {
    let last = codec::decode(rows.records.last().expect("an entry")).expect("a record");
    AccountState { balance: last.balance, seq: last.seq, last_lsn: lsn_of(last.seq), ..AccountState::default() }
}

#[test]
fn an_audit_reads_every_entry_and_finds_what_is_wrong() {
    let mut rows = Rows::new(1_000, 9);
    let memory = memory(&rows);
    let audit = |rows: &Rows, memory: &AccountState| rows.answer(&Question::Audit(Box::new(memory.clone())));
    let view = AuditView { entries: 1_000, balance: memory.balance, reserved: 0, starts: None };
    assert_eq!(audit(&rows, &memory), Outcome::Audit(view));
    let corrupt = |seq, field| Outcome::Rejected(Rejection::Corrupt { seq, field });
    let rich = AccountState { balance: memory.balance + 1, ..memory.clone() };
    assert_eq!(audit(&rows, &rich), corrupt(1_000, "balance"));

    rows.kept_from = lsn_of(700);
    let starts = Some(rows.ids[699]);
    assert_eq!(audit(&rows, &memory), Outcome::Audit(AuditView { entries: 301, starts, ..view }));
    rows.kept_from = 0;

    let event = codec::decode(&rows.records[599]).expect("a record");
    let mut record = Vec::new();
    codec::encode(&Event { balance: event.balance + 5, ..event }, &mut record);
    rows.records[599] = record;
    assert_eq!(audit(&rows, &memory), corrupt(600, "balance"));
}

#[test]
fn an_account_of_which_nothing_is_kept_is_answered_from_memory() {
    let rows = Rows { kept_from: lsn_of(11), ..Rows::new(10, 3) };
    let memory = AccountState { balance: 9, reserved: 4, ..AccountState::default() };
    let at = EntryId { time_ms: 5_000, seq: 0 };
    for (question, answer) in [
        (Question::Tx { tx: (*b"t1").into(), hint: None }, Outcome::Tx(None)),
        (Question::History(everything()), Outcome::History(Entries::default())),
        (Question::At(1_005), Outcome::Rejected(Rejection::HistoryStarts { at })),
        (
            Question::Audit(Box::new(memory)),
            Outcome::Audit(AuditView { entries: 0, balance: 9, reserved: 4, starts: Some(at) }),
        ),
    ] {
        match rows.ask(&question, u64::MAX) {
            Ok(outcome) => assert_eq!(outcome, answer, "{question:?}: the trail says so itself"),
            Err(stop) => assert!(matches!(stop, Stop::Gone), "{question:?}: {stop:?}"),
        }
        assert_eq!(question.answer_without_trail(5_000), answer);
    }
}
