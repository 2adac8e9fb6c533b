//! How far each shard's log is durable, for threads beside the cores.
//!
//! ```text
//!  core: commit done ─▶ publish(durable): stored, and a notice if `tail` sleeps ([`Doorbell`])
//!  thread `tail`: durable() ─▶ reads the log up to there ─▶ has_grown()? again : sleeps
//! ```
//! Absent on purpose: records; who watches reads them from the log.

use super::follower::Notice;
use crate::journal::{BlockReader, FileStorage, Lsn, Reader, Storage};
use crate::server::doorbell::Doorbell;
use crossbeam_channel::Sender;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Reads the blocks of a shard's files.
pub(in crate::server) type FileBlocks = BlockReader<<FileStorage as Storage>::Source>;

type FileReader = Reader<<FileStorage as Storage>::Source>;

/// The ends of all shards' logs, by shard.
pub(in crate::server) struct Tails(Box<[Tail]>);

struct Tail {
    /// Set when the shard is recovered.
    reader: OnceLock<FileReader>,
    durable: AtomicU64,
    /// What is below was shown to those who wait or listen; [`Lsn::MAX`]: nobody does.
    shown: AtomicU64,
    bell: Doorbell,
}

impl Tails {
    /// Those of so many shards, which are not recovered yet.
    pub(super) fn new(shards: u16) -> Self {
        let tail = |_| Tail {
            reader: OnceLock::new(),
            durable: AtomicU64::new(0),
            shown: AtomicU64::new(Lsn::MAX),
            bell: Doorbell::new(),
        };
        Self((0..shards).map(tail).collect())
    }

    /// The shard is recovered, and durable so far.
    pub(in crate::server) fn install(&self, shard: u16, reader: FileReader, durable: Lsn) {
        let tail = &self.0[usize::from(shard)];
        tail.durable.store(durable, Ordering::Release);
        assert!(tail.reader.set(reader).is_ok(), "a shard is recovered once");
    }

    /// The shard's log is durable up to here.
    pub(super) fn publish(&self, shard: u16, durable: Lsn, notices: &Sender<Notice>) {
        let tail = &self.0[usize::from(shard)];
        tail.durable.store(durable, Ordering::Release);
        if tail.bell.must_ring() {
            // A full queue will be emptied after this, and then all tails are looked at.
            let _ = notices.try_send(Notice::Grown);
        }
    }

    /// What is below is durable.
    pub(super) fn durable(&self, shard: u16) -> Lsn {
        self.0[usize::from(shard)].durable.load(Ordering::SeqCst)
    }

    /// What is below was shown; `None`: nobody waits or listens.
    pub(super) fn show(&self, shard: u16, shown: Option<Lsn>) {
        self.0[usize::from(shard)].shown.store(shown.unwrap_or(Lsn::MAX), Ordering::Relaxed);
    }

    /// Bytes that are durable and not yet shown to those who wait or listen.
    pub(in crate::server) fn lag_bytes(&self, shard: u16) -> u64 {
        let tail = &self.0[usize::from(shard)];
        tail.durable.load(Ordering::Relaxed).saturating_sub(tail.shown.load(Ordering::Relaxed))
    }

    /// Whether more than this is durable; else a notice comes when it is.
    pub(super) fn has_grown(&self, shard: u16, durable: Lsn) -> bool {
        !self.0[usize::from(shard)].bell.may_sleep(|| self.durable(shard) == durable)
    }

    /// Where what is kept of the log begins.
    pub(super) fn oldest(&self, shard: u16) -> Lsn {
        self.0[usize::from(shard)].reader.get().map_or(0, Reader::oldest_lsn)
    }

    /// Reads the shard's blocks, on one thread.
    pub(super) fn blocks(&self, shard: u16) -> FileBlocks {
        self.0[usize::from(shard)].reader.get().expect("commands come after recovery").blocks()
    }

    /// How many shards there are.
    pub(super) fn len(&self) -> u16 {
        self.0.len() as u16
    }
}
