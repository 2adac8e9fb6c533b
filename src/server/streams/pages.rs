//! The thread `stream`: reads pages of events for connections, so that no core waits for a disk or encodes an event.
//!
//! ```text
//!  core ──Asked──▶ [queue] ──▶ thread `stream`: feed::page over the shard's files ──Fed::Pages──▶ core's mailbox
//! ```
//! Bounded: a connection has one request under way, and a page has at most so many entries and bytes.

use super::Fed;
use super::tails::{FileBlocks, Tails};
use crate::feed::{self, FeedError, Page, Query};
use crate::journal::Lsn;
use crate::server::mailbox::Mailbox;
use crossbeam_channel::Receiver;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Requests for pages that wait for the thread; beyond, cores keep theirs.
pub(super) const ASKED_MAX: usize = 4096;

/// What a reading wants of the streams of events.
pub(super) struct Asked {
    /// Of the asking core.
    pub(super) mailbox: Arc<Mailbox>,
    /// The reading on that core.
    pub(super) reading: u32,
    pub(super) pages: Vec<AskedPage>,
}

/// One page.
pub(super) struct AskedPage {
    /// The ask of the reading.
    pub(super) index: usize,
    pub(super) shard: u16,
    /// Nothing at or after it is shown.
    pub(super) durable: Lsn,
    pub(super) query: Query,
}

/// A page, or the error that the client hears.
pub(in crate::server) type Paged = Result<Arc<Page>, String>;

/// Serves until the last core has gone.
pub(super) fn serve(asked: Receiver<Asked>, tails: Arc<Tails>) {
    let mut blocks = BTreeMap::new();
    while let Ok(Asked { mailbox, reading, pages }) = asked.recv() {
        let read = |AskedPage { index, shard, durable, query }| {
            let blocks = blocks.entry(shard).or_insert_with(|| tails.blocks(shard));
            (index, page(blocks, shard, durable, &query))
        };
        let pages = pages.into_iter().map(read).collect();
        mailbox.fed(Fed::Pages { reading, pages });
    }
}

/// A page of the shard's events.
pub(super) fn page(blocks: &mut FileBlocks, shard: u16, durable: Lsn, query: &Query) -> Paged {
    feed::page(blocks, durable, query).map(Arc::new).map_err(|error| refusal(shard, &error))
}

/// Tells the operator what is wrong with the log. Returns what the client hears.
pub(super) fn refusal(shard: u16, error: &FeedError) -> String {
    tracing::error!(shard, %error, "events cannot be read; their readers were refused: run `creditd verify`");
    "ERR the log cannot be read; the operator's log says why".to_owned()
}
