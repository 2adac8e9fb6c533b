//! Streams and messages: what connections read of the log (commands.md C.5).
//!
//! ```text
//!  XREAD, XRANGE, XINFO ─▶ readings ─┬ events: Asked ─▶ thread `stream` (pages) ──────────────┐
//!   (a connection's core)    ▲       ├ an account's log: HISTORY of its shard                 │
//!                            │       └ nothing yet, BLOCK: Wait ─▶ thread `tail` (follower) ──┤
//!  SUBSCRIBE, PUBLISH ─▶ subscribers ── interests ───────────────▶ thread `tail`              │
//!                            └──────────────── Fed, in the core's mailbox ◀───────────────────┘
//! ```
//! Everything comes from the log, behind what is durable: no event without its change, no change without its event.
//! A core pays one atomic store a commit; events are encoded beside the cores. Absent on purpose: consumer groups (a
//! consumer keeps its last id), messages that must not be lost (streams have them).

mod asks;
mod follower;
mod interests;
mod pages;
pub(super) mod readings;
mod shape;
pub(super) mod subscribers;
mod tails;
#[cfg(test)]
mod tests;

pub(super) use interests::Interests;
pub(super) use pages::Paged;
pub(super) use tails::Tails;

use super::access::Heard;
use super::mailbox::Mailbox;
use crate::feed::Name;
use crate::journal::Lsn;
use crossbeam_channel::{Sender, bounded};
use follower::Notice;
use pages::Asked;
use std::sync::Arc;

/// What the threads send to a core that waits for it to be taken.
pub(super) const FED_MAX: usize = 1024;

/// What comes to a core from the threads.
pub(super) enum Fed {
    /// Pages of a reading, by ask.
    Pages { reading: u32, pages: Vec<(usize, Paged)> },
    /// An account whose log a reading waits for has a new entry.
    Changed { reading: u32, index: usize },
    /// For whoever listens.
    Messages(Vec<Message>),
    /// From the thread of users.
    Access(Heard),
}

/// An event as a message.
#[derive(Clone)]
pub(super) struct Message {
    pub(super) name: Name,
    /// JSON.
    pub(super) text: Arc<[u8]>,
}

/// The way to the threads.
pub(super) struct Streams {
    pub(super) tails: Arc<Tails>,
    pub(super) interests: Arc<Interests>,
    asked: Sender<Asked>,
    notices: Sender<Notice>,
}

impl Streams {
    /// Starts the threads for the shards and cores that there are.
    pub(super) fn start(shards: u16, mailboxes: &[Arc<Mailbox>]) -> std::io::Result<Self> {
        let tails = Arc::new(Tails::new(shards));
        let interests = Arc::new(Interests::new(mailboxes.len()));
        let (asked, asked_out) = bounded(pages::ASKED_MAX);
        let (notices, notices_out) = bounded(follower::NOTICES_MAX);
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
        };
        let (for_pages, for_tail) = (tails.clone(), tails.clone());
        spawn("stream", Box::new(move || pages::serve(asked_out, for_pages)))?;
        let (heard, mailboxes) = (interests.clone(), mailboxes.to_vec());
        spawn("tail", Box::new(move || follower::serve(notices_out, for_tail, heard, mailboxes)))?;
        Ok(Self { tails, interests, asked, notices })
    }

    /// The shard's log is durable up to here.
    pub(super) fn publish(&self, shard: u16, durable: Lsn) {
        self.tails.publish(shard, durable, &self.notices);
    }
}
