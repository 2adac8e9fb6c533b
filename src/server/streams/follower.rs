//! The thread `tail`: follows the logs of shards that somebody waits for.
//!
//! ```text
//!  cores ──Notice──▶ thread `tail` ─┬ readers of events ──▶ page ─────────▶ Fed::Pages   ─┐
//!        (grown, wait, cancel,      ├ readers of accounts ▶ "look again" ─▶ Fed::Changed  ├▶ mailboxes of the cores
//!         listen)                   └ listeners ──────────▶ JSON ─────────▶ Fed::Messages ┘
//! ```
//! Whoever waits costs nothing until the log grows: a shard that nobody waits for is not looked at. Many readers at the
//! same place share one page. Invariant: a shard's `seen` is where its listeners and account readers have heard
//! everything before. Absent on purpose: the state of connections; a wait is answered once and forgotten.

use super::pages::{self, Paged};
use super::tails::{FileBlocks, Tails};
use super::{Fed, Interests, Message};
use crate::feed::{self, Query};
use crate::journal::Lsn;
use crate::ledger::codec::Record;
use crate::ledger::event::EntryId;
use crate::server::mailbox::Mailbox;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Notices that wait for the thread; beyond, cores keep theirs.
pub(super) const NOTICES_MAX: usize = 4096;

/// How often a log that grows is looked at for accounts alone: who waits for one waits for a person, and each look at
/// each record costs CPU that the shards could use.
const SOON: Duration = Duration::from_millis(5);

/// Messages that go to a core together.
const MESSAGES_MAX: usize = 512;

/// News for the thread.
pub(super) enum Notice {
    /// A watched log has grown.
    Grown,
    /// A reading has found nothing and waits.
    Wait { by: Waiter, waits: Vec<Wait> },
    /// It waits no more.
    Cancel { by: Waiter },
    /// Somebody listens who did not: to all that is not durable yet at these positions, by shard.
    Listen { from: Vec<Lsn> },
}

/// A reading of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Waiter {
    pub(super) core: u16,
    pub(super) reading: u32,
}

/// What a reading waits for.
pub(super) struct Wait {
    /// The ask of the reading.
    pub(super) index: usize,
    pub(super) shard: u16,
    pub(super) awaited: Awaited,
}

pub(super) enum Awaited {
    /// Events: the page that they will make.
    Events(Query),
    /// An entry of the account whose record is not before `from`.
    Account { account: Box<[u8]>, from: Lsn },
}

/// Serves until the last core has gone.
pub(super) fn serve(
    notices: Receiver<Notice>,
    tails: Arc<Tails>,
    interests: Arc<Interests>,
    mailboxes: Vec<Arc<Mailbox>>,
) {
    let shards = (0..tails.len()).map(|_| Followed::default()).collect();
    let mut follower = Follower { shards, tails, interests, mailboxes };
    let mut next = Next::Sleep;
    loop {
        let news = match next {
            Next::Sleep => notices.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Next::Soon => notices.recv_timeout(SOON),
            Next::Now => Err(RecvTimeoutError::Timeout),
        };
        match news {
            Ok(notice) => follower.take(notice),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        while let Ok(notice) = notices.try_recv() {
            follower.take(notice);
        }
        next = (0..follower.tails.len()).map(|shard| follower.follow(shard)).max().unwrap_or(Next::Sleep);
    }
}

/// When a log is to be looked at again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    /// When a notice comes.
    Sleep,
    Soon,
    Now,
}

struct Follower {
    shards: Vec<Followed>,
    tails: Arc<Tails>,
    interests: Arc<Interests>,
    mailboxes: Vec<Arc<Mailbox>>,
}

#[derive(Default)]
struct Followed {
    blocks: Option<FileBlocks>,
    /// Those who wait for events, by reading and ask, and what was looked at for them.
    readers: BTreeMap<(Waiter, usize), (Query, Lsn)>,
    /// Those who wait for entries of an account.
    accounts: HashMap<Box<[u8]>, BTreeSet<(Waiter, usize)>, RandomState>,
    /// Records before it were looked at for `accounts` and for listeners; `None`: there was neither.
    seen: Option<Lsn>,
}

impl Follower {
    fn take(&mut self, notice: Notice) {
        match notice {
            Notice::Grown => {}
            Notice::Wait { by, waits } => waits.into_iter().for_each(|wait| self.wait(by, wait)),
            Notice::Cancel { by } => self.shards.iter_mut().for_each(|shard| shard.forget(by)),
            Notice::Listen { from } => {
                for (shard, from) in self.shards.iter_mut().zip(from) {
                    shard.seen.get_or_insert(from);
                }
            }
        }
    }

    fn wait(&mut self, by: Waiter, Wait { index, shard, awaited }: Wait) {
        let followed = &mut self.shards[usize::from(shard)];
        match awaited {
            Awaited::Events(query) => {
                followed.readers.insert((by, index), (query, 0)); // all that is durable is news
            }
            Awaited::Account { account, from } => {
                let seen = *followed.seen.get_or_insert(from);
                if from < seen && self.has_entry(shard, from, seen, &account) {
                    return self.changed(by, index);
                }
                self.shards[usize::from(shard)].accounts.entry(account).or_default().insert((by, index));
            }
        }
    }

    /// Whether there is an entry of `account` between two positions that were followed already.
    fn has_entry(&mut self, shard: u16, from: Lsn, to: Lsn, account: &[u8]) -> bool {
        let blocks = self.shards[usize::from(shard)].blocks(shard, &self.tails);
        let mut found = false;
        let followed = feed::follow(blocks, from, to, |_, record| found |= account_of(record) == Some(account));
        found || followed.is_err() // whoever looks again hears of the fault
    }

    /// Gives everybody what has become durable.
    fn follow(&mut self, shard: u16) -> Next {
        let followed = &mut self.shards[usize::from(shard)];
        let durable = self.tails.durable(shard);
        let listened = self.interests.all(); // after `durable`: who listened before an event was durable hears it
        if followed.accounts.is_empty() && listened.is_empty() {
            followed.seen = None;
        }
        if followed.readers.is_empty() && followed.seen.is_none() {
            self.tails.show(shard, None);
            return Next::Sleep;
        }
        self.serve_readers(shard, durable);
        let seen = self.shards[usize::from(shard)].seen.filter(|seen| *seen < durable);
        if let Some(seen) = seen {
            self.hear(shard, seen, durable);
        }
        self.tails.show(shard, Some(durable));
        let for_accounts = listened.is_empty() && self.shards[usize::from(shard)].readers.is_empty();
        match () {
            () if for_accounts && seen.is_some() => Next::Soon,
            () if self.tails.has_grown(shard, durable) => Next::Now,
            () => Next::Sleep,
        }
    }

    fn serve_readers(&mut self, shard: u16, durable: Lsn) {
        let followed = &mut self.shards[usize::from(shard)];
        let readers: Vec<_> = followed.readers.extract_if(.., |_, (_, looked)| *looked < durable).collect();
        let mut made: Vec<(Query, Paged)> = Vec::new();
        for ((by, index), (query, _)) in readers {
            let paged = match made.iter().find(|(asked, _)| *asked == query) {
                Some((_, paged)) => paged.clone(),
                None => {
                    let paged = pages::page(followed.blocks(shard, &self.tails), shard, durable, &query);
                    made.push((query, paged.clone()));
                    paged
                }
            };
            if paged.as_ref().is_ok_and(|page| page.entries == 0) {
                // What has grown was no event, or is not after its id.
                followed.readers.insert((by, index), (query, durable));
            } else {
                let pages = vec![(index, paged)];
                self.mailboxes[usize::from(by.core)].fed(Fed::Pages { reading: by.reading, pages });
            }
        }
    }

    /// Looks at the records from `seen` to `durable` for readers of accounts and for listeners.
    fn hear(&mut self, shard: u16, seen: Lsn, durable: Lsn) {
        let Self { shards, tails, interests, mailboxes } = self;
        let followed = &mut shards[usize::from(shard)];
        followed.seen = Some(durable);
        let mut changed = Vec::new();
        let mut outboxes = Outboxes { interests, mailboxes, messages: vec![Vec::new(); mailboxes.len()] };
        let accounts = &mut followed.accounts;
        let blocks = followed.blocks.get_or_insert_with(|| tails.blocks(shard));
        let result = feed::follow(blocks, seen, durable, |id, record| {
            if !accounts.is_empty()
                && let Some(waiters) = account_of(record).and_then(|name| accounts.remove(name))
            {
                changed.extend(waiters);
            }
            outboxes.tell(shard, id, record);
        });
        outboxes.flush();
        if let Err(error) = result {
            pages::refusal(shard, &error);
            changed.extend(accounts.drain().flat_map(|(_, waiters)| waiters));
        }
        changed.into_iter().for_each(|(by, index)| self.changed(by, index));
    }

    fn changed(&self, by: Waiter, index: usize) {
        self.mailboxes[usize::from(by.core)].fed(Fed::Changed { reading: by.reading, index });
    }
}

impl Followed {
    fn blocks(&mut self, shard: u16, tails: &Tails) -> &mut FileBlocks {
        self.blocks.get_or_insert_with(|| tails.blocks(shard))
    }

    fn forget(&mut self, by: Waiter) {
        self.readers.retain(|(waiter, _), _| *waiter != by);
        self.accounts.retain(|_, waiters| {
            waiters.retain(|(waiter, _)| *waiter != by);
            !waiters.is_empty()
        });
    }
}

/// Whose trail a record belongs to.
fn account_of<'a>(record: &Record<'a>) -> Option<&'a [u8]> {
    match record {
        Record::Entry(event) => Some(event.account),
        Record::Lead(_) => None,
    }
}

/// Messages on their way to the cores.
struct Outboxes<'a> {
    interests: &'a Interests,
    mailboxes: &'a [Arc<Mailbox>],
    messages: Vec<Vec<Message>>,
}

impl Outboxes<'_> {
    /// Makes the messages of a record's events, for the cores that want them.
    fn tell(&mut self, shard: u16, id: EntryId, record: &Record<'_>) {
        for (id, name) in feed::events(id, record) {
            let mut text = None;
            for core in 0..self.mailboxes.len() {
                if !self.interests.of(core).has(name) {
                    continue;
                }
                let text = text.get_or_insert_with(|| {
                    let mut json = Vec::new();
                    feed::json(shard, id, name, record, &mut json);
                    Arc::<[u8]>::from(json)
                });
                self.messages[core].push(Message { name, text: text.clone() });
                if self.messages[core].len() == MESSAGES_MAX {
                    self.send(core);
                }
            }
        }
    }

    fn flush(&mut self) {
        for core in 0..self.messages.len() {
            if !self.messages[core].is_empty() {
                self.send(core);
            }
        }
    }

    /// What finds no room is lost: messages may be missed, the streams have them all.
    fn send(&mut self, core: usize) {
        let messages = std::mem::take(&mut self.messages[core]);
        let count = messages.len() as u64;
        if !self.mailboxes[core].try_fed(Fed::Messages(messages)) {
            self.interests.lost(count);
        }
    }
}
