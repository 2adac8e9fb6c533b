//! Consumers of the feed: one per shard, which keeps its last id and nothing else over every end of the process.
//!
//! ```text
//!  chronicle, below what is durable ──▶ events, derived once more ──▶ the entries that a page must have
//!                                       feed::page after the last id ──▶ the entries that it has     the same
//! ```
//! It also keeps a book: what each account has by the events alone. After starts that book is the state of the shard.
//! What the log lets go of before its consumer has come to it is missed, and no more than that; then the book is closed.

use super::events::{Shown, entries};
use super::judge::view;
use super::world::{Down, Home, World};
use creditd::feed::{FeedError, Page, Query, page};
use creditd::journal::{Lsn, ReadError};
use creditd::ledger::command::Op;
use creditd::ledger::event::EntryId;
use creditd::ledger::outcome::Outcome;
use std::collections::BTreeMap;
use std::ops::Range;

/// Who reads the stream of one shard.
#[derive(Default)]
pub struct Consumer {
    /// All that it was shown.
    seen: Vec<Shown>,
    /// What was gone when it came there.
    missed: Vec<Range<Lsn>>,
    /// Sequence, balance and reserved of each account.
    book: BTreeMap<String, [u64; 3]>,
}

impl Consumer {
    /// Enters an event of an account: it must follow from the one before it.
    fn enter(&mut self, fields: &str) {
        let word = |key| fields.split(' ').find_map(|field| field.strip_prefix(key)?.strip_prefix('='));
        let number = |key| word(key).map_or(0, |word| word.parse().expect("a number"));
        let Some(name) = word("event").and_then(|name| name.strip_prefix("credit.")) else { return };
        let figures = self.book.entry(word("account").expect("it is an account's").to_owned()).or_default();
        let ([seq, balance, reserved], amount) = (*figures, number("amount"));
        let (balance, reserved) = match name {
            "granted" | "refunded" => (balance + amount, reserved),
            "debited" if word("via") == Some("debit") => (balance - amount, reserved),
            "debited" => (balance - amount, reserved - amount - number("returned")),
            "reserved" => (balance, reserved + amount),
            "released" => (balance, reserved - amount),
            _ => (balance, reserved),
        };
        *figures = [seq + 1, balance, reserved];
        assert_eq!(*figures, [number("seq"), number("balance"), number("reserved")], "{fields}");
    }
}

impl World {
    /// The consumer of a shard asks for the next page.
    pub fn consume(&mut self, shard: u16, count: u64) -> Result<u64, Down> {
        let bytes_max = if self.chance.percent(20) { self.chance.below(4_000) as usize } else { usize::MAX };
        let last = self.consumers[usize::from(shard)].seen.last().map(|(id, _)| *id);
        let start = last.map_or(EntryId::MIN, EntryId::after);
        let query = Query { start, end: EntryId::MAX, count: count as usize, bytes_max, newest_first: false };
        let page = self.page(shard, &query)?;
        let (oldest, shown) = (self.oldest(shard), entries(&page.bytes));
        assert_eq!((page.entries, page.last), (shown.len(), shown.last().map(|(id, _)| *id)), "a page knows itself");
        let expected = self.expected(shard, &query);
        assert_eq!(shown, expected[..shown.len()], "the feed of shard {shard} goes on from {start:?}");
        let is_full = shown.len() == expected.len() || bytes_max < usize::MAX && !shown.is_empty();
        assert!(is_full, "{} of {} that are durable are shown", shown.len(), expected.len());
        // From the record before: its second event may be all that is missed.
        let part = start.seq.saturating_sub(1)..oldest.max(start.seq);
        let gone = self.chronicles[usize::from(shard)].events(part, start..=EntryId::MAX);
        let is_late = gone.count() > 0;
        let consumer = &mut self.consumers[usize::from(shard)];
        consumer.missed.extend(is_late.then_some(start.seq..oldest));
        if consumer.missed.is_empty() {
            shown.iter().for_each(|(_, fields)| consumer.enter(fields));
        }
        self.counts.shown += shown.len() as u64;
        self.trace.note(format_args!("shown {shard} {} after {last:?}", shown.len()));
        consumer.seen.extend(shown);
        Ok(page.entries as u64)
    }

    /// A consumer reads on to the end of a log. If all of it is durable, its book is what the shard has.
    pub fn compare_book(&mut self, shard: u16) -> Result<(), Down> {
        while self.consume(shard, 1_000)? > 0 {}
        let Consumer { book, missed, .. } = &self.consumers[usize::from(shard)];
        let Home { shard: running, .. } = &self.process.homes[usize::from(shard)];
        if running.log().undurable_bytes() > 0 {
            return Ok(());
        }
        for account in self.judge.accounts().into_iter().filter(|account| self.knobs.shard(account) == shard) {
            let Outcome::Balance(has) = view(running.ledger(), &account, Op::Balance, 0) else { panic!("figures") };
            let booked = book.get(&account.escape_ascii().to_string()).copied().unwrap_or_default();
            let is_same = booked == [has.seq, has.balance, has.reserved];
            assert!(is_same || !missed.is_empty(), "shard {shard}: {booked:?} by the events, {has:?} by the state");
        }
        Ok(())
    }

    /// Somebody looks at some part of a stream, newest first or oldest first.
    pub fn browse(&mut self, shard: u16) -> Result<(), Down> {
        let some = |world: &mut Self| {
            let seen = &world.consumers[usize::from(shard)].seen;
            let (id, _) = seen.get(world.chance.below(seen.len() as u64 + 1) as usize)?;
            Some(EntryId { time_ms: id.time_ms, seq: id.seq + world.chance.below(2) * world.chance.below(300) })
        };
        let (start, end) = (some(self).unwrap_or(EntryId::MIN), some(self).unwrap_or(EntryId::MAX));
        let (count, newest_first) = (1 + self.chance.below(30) as usize, self.chance.percent(70));
        let query = Query { start, end, count, bytes_max: usize::MAX, newest_first };
        let page = self.page(shard, &query)?;
        assert_eq!(entries(&page.bytes), self.expected(shard, &query), "shard {shard}: {query:?}");
        Ok(())
    }

    /// At the end: every consumer reads on to the end, and has then been shown the whole log, once and in order.
    pub fn check_consumers(&mut self) -> Result<(), Down> {
        for shard in 0..self.knobs.shards {
            self.compare_book(shard)?;
            let Consumer { seen, missed, .. } = &self.consumers[usize::from(shard)];
            assert!(seen.is_sorted_by(|one, other| one.0 < other.0), "ids of shard {shard} grow");
            let is_missed = |lsn| missed.iter().any(|range| range.contains(&lsn));
            let whole = self.chronicles[usize::from(shard)].events(0..Lsn::MAX, EntryId::MIN..=EntryId::MAX);
            let kept = whole.filter(|(id, _)| !is_missed(id.seq));
            assert!(seen.iter().cloned().eq(kept), "the consumer of shard {shard} was shown the log");
            self.counts.missed += missed.len() as u64;
        }
        Ok(())
    }

    fn page(&mut self, shard: u16, query: &Query) -> Result<Page, Down> {
        let home = &mut self.process.homes[usize::from(shard)];
        let durable = home.shard.log().durable_lsn();
        match page(&mut home.blocks, durable, query) {
            Ok(page) => Ok(page),
            Err(FeedError::Read(ReadError::Journal(error))) => Err(self.down_of(&error)),
            Err(error) => panic!("what is durable can be read: {error}"),
        }
    }

    /// What the log of a shard answers to `query`.
    fn expected(&self, shard: u16, query: &Query) -> Vec<Shown> {
        let durable = self.process.homes[usize::from(shard)].shard.log().durable_lsn();
        let part = self.oldest(shard)..durable;
        let events = self.chronicles[usize::from(shard)].events(part, query.start..=query.end);
        if query.newest_first { events.rev().take(query.count).collect() } else { events.take(query.count).collect() }
    }

    fn oldest(&self, shard: u16) -> Lsn {
        self.process.homes[usize::from(shard)].blocks.oldest_lsn()
    }
}
