//! Replies about streams: what readings have found, in the shapes of Redis.
//!
//! Entries are the same bytes in RESP2 and RESP3; an XREAD is an array of pairs in the one and a map in the other.

use super::asks::Ask;
use super::pages::Paged;
use crate::commands::reply::{Encoder, Proto};
use crate::commands::streams::NO_SUCH_KEY;
use crate::feed::Page;
use crate::ledger::event::EntryId;
use crate::ledger::outcome::Outcome;
use crate::net::replies::Answer;
use std::sync::Arc;

/// What is known of a stream.
pub(super) enum Found {
    /// No entry, or not heard of yet.
    Nothing,
    Entries(Arc<Page>),
    Count(u64),
    /// The shard's "no".
    Rejected(Box<Outcome>),
    /// The error that the client hears.
    Failed(String),
}

impl Found {
    pub(super) fn page(paged: Paged) -> Self {
        match paged {
            Ok(page) if page.entries == 0 => Self::Nothing,
            Ok(page) => Self::Entries(page),
            Err(text) => Self::Failed(text),
        }
    }

    /// What a shard has said.
    pub(super) fn outcome(outcome: Outcome) -> Self {
        match outcome {
            Outcome::History(entries) => {
                let mut bytes = Vec::new();
                Encoder::new(&mut bytes, Proto::Resp2).entries(&entries);
                let last = entries.iter().last().map(|event| event.id());
                Self::page(Ok(Arc::new(Page { entries: entries.len(), bytes, last })))
            }
            Outcome::Balance(figures) => Self::Count(figures.seq),
            Outcome::EventCount(count) => Self::Count(count),
            other => Self::Rejected(Box::new(other)),
        }
    }

    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Rejected(_) | Self::Failed(_))
    }

    /// The id of the last entry.
    pub(super) fn last(&self) -> Option<EntryId> {
        if let Self::Entries(page) = self { page.last } else { None }
    }

    pub(super) fn count(&self) -> u64 {
        if let Self::Count(count) = self { *count } else { 0 }
    }
}

/// Which command is answered.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// XREAD.
    Streams,
    /// XRANGE, XREVRANGE.
    Entries,
    /// XLEN.
    Length,
    /// XINFO STREAM: the count, the first and the last entry.
    Info,
}

impl Shape {
    /// The reply. `kept_from`: of which `seq` on the entries of a stream are kept, given the first of them.
    pub(super) fn encode(self, proto: Proto, asks: &[Ask], kept_from: impl Fn(&Ask, EntryId) -> u64) -> Answer {
        let mut bytes = Vec::new();
        if let Some(refused) = asks.iter().find(|ask| ask.found.is_refusal()) {
            return match &refused.found {
                Found::Rejected(outcome) => Answer::Outcome((**outcome).clone()),
                Found::Failed(text) => Answer::Error(text.clone()),
                _ => unreachable!("a refusal is one of these"),
            };
        }
        let mut encoder = Encoder::new(&mut bytes, proto);
        match (self, asks) {
            (Self::Streams, asks) => encoder.found_streams(asks),
            (Self::Entries, asks) => encoder.page(&asks[0].found),
            (Self::Length, asks) => encoder.integer(asks[0].found.count()),
            (Self::Info, [count, first, last]) => {
                if !count.is_of_stream() {
                    return Answer::Error(NO_SUCH_KEY.to_owned());
                }
                let gone = first.found.last().and_then(|id| match kept_from(first, id) {
                    0 | 1 => None,
                    kept_from => Some(EntryId { seq: kept_from - 1, ..id }),
                });
                encoder.stream_info(count.found.count(), &first.found, &last.found, gone);
            }
            (Self::Info, _) => unreachable!("an XINFO has three asks"),
        }
        Answer::Encoded(bytes)
    }
}

impl Encoder<'_> {
    fn found_streams(&mut self, asks: &[Ask]) {
        let found = || asks.iter().filter(|ask| !matches!(ask.found, Found::Nothing));
        match found().count() {
            0 => return self.null_array(),
            streams => self.streams(streams),
        }
        for ask in found() {
            self.stream(&ask.key);
            self.page(&ask.found);
        }
    }

    /// An array of entries.
    fn page(&mut self, found: &Found) {
        match found {
            Found::Entries(page) => {
                self.array(page.entries);
                self.encoded(&page.bytes);
            }
            _ => self.array(0),
        }
    }

    /// What Redis 7 tells of a stream. `gone`: where it was trimmed, the last id that may be among that.
    fn stream_info(&mut self, count: u64, first: &Found, last: &Found, gone: Option<EntryId>) {
        self.map(10);
        self.number("length", count);
        self.number("radix-tree-keys", 0);
        self.number("radix-tree-nodes", 0);
        for (key, id) in [("last-generated-id", last.last()), ("max-deleted-entry-id", gone)] {
            self.text(key);
            self.entry_id(id.unwrap_or(EntryId::MIN));
        }
        self.number("entries-added", count);
        self.text("recorded-first-entry-id");
        self.entry_id(first.last().unwrap_or(EntryId::MIN));
        self.number("groups", 0);
        for (key, found) in [("first-entry", first), ("last-entry", last)] {
            self.text(key);
            match found {
                Found::Entries(page) => self.encoded(&page.bytes),
                _ => self.null(),
            }
        }
    }
}
