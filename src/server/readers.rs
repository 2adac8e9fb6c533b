//! The threads that read old records, so that no core waits for a disk.
//!
//! ```text
//!  core ──errands──▶ recalls ──▶ recall      one thread: a few reads each, many together
//!               └──▶ walks ────▶ walk-0 ...  `history-threads`: long ways along a trail
//!  core ◀──mailbox── errands, run
//! ```
//! Two lanes, so that an AUDIT of a million entries never stands before a client's retry. Both are bounded by what a
//! shard gives out at a time. The threads end with the last core.

use super::engine::Engine;
use super::mailbox::Mailbox;
use crate::journal::{FileStorage, Reader, Storage};
use crate::shard::WALKS_AWAY_MAX;
use crate::shard::errand::Errand;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::Arc;

/// The way to the threads; clones lead to the same.
#[derive(Clone)]
pub(super) struct Readers {
    recalls: Sender<Job>,
    walks: Sender<Job>,
}

/// Errands of one shard.
pub(super) struct Job {
    /// Which of its core's shards.
    pub(super) place: usize,
    pub(super) errands: Vec<Errand>,
    pub(super) reader: Reader<<FileStorage as Storage>::Source>,
    /// Of its core.
    pub(super) mailbox: Arc<Mailbox>,
}

/// Errands on their way back.
pub(super) struct Returned {
    /// Which of the core's shards.
    pub(super) place: usize,
    pub(super) errands: Vec<Errand>,
}

/// Most jobs of `shards` shards that are under way: a batch of recalls each, and some walks.
pub(super) fn jobs_max(shards: usize) -> usize {
    shards * (1 + WALKS_AWAY_MAX)
}

impl Readers {
    /// Starts the threads for a server of `shards` shards.
    pub(super) fn start(shards: u16, walk_threads: usize) -> std::io::Result<Self> {
        let (recalls, recall_jobs) = bounded(usize::from(shards));
        let (walks, walk_jobs) = bounded(usize::from(shards) * WALKS_AWAY_MAX);
        start_thread("recall".to_owned(), recall_jobs)?;
        for number in 0..walk_threads {
            start_thread(format!("walk-{number}"), walk_jobs.clone())?;
        }
        Ok(Self { recalls, walks })
    }

    pub(super) fn recall(&self, job: Job) {
        self.recalls.try_send(job).expect("one batch of recalls a shard is under way");
    }

    pub(super) fn walk(&self, job: Job) {
        self.walks.try_send(job).expect("a shard gives out so many walks and no more");
    }
}

impl Engine {
    /// Takes back the commands for which old records were read, before any that came later.
    pub(super) fn take_errands(&mut self) {
        while let Some(returned) = self.mailbox().next_errands() {
            for errand in returned.errands {
                let (ticket, command) = errand.command();
                self.was_away(self.now_ms().saturating_sub(errand.since_ms()), ticket, &command);
                let again = self.homes[returned.place].shard.returned(errand, &mut self.released);
                if let Some(mut batch) = again {
                    batch.opened_at_ns = self.boot_ns;
                    self.run(&batch);
                }
            }
        }
    }

    /// Has old records read for the commands that wait for them.
    pub(super) fn send_errands(&mut self) {
        let mailbox = self.shared.mailboxes[usize::from(self.id())].clone();
        for (place, home) in self.homes.iter_mut().enumerate() {
            let job = |errands, reader| Job { place, errands, reader, mailbox: mailbox.clone() };
            let recalls = home.shard.take_recalls();
            if !recalls.is_empty() {
                self.counters.recalls += recalls.len() as u64;
                self.readers.recall(job(recalls, home.shard.reader().clone()));
            }
            while let Some(walk) = home.shard.take_walk() {
                self.counters.walks += 1;
                self.readers.walk(job(vec![walk], home.shard.reader().clone()));
            }
        }
    }
}

fn start_thread(name: String, jobs: Receiver<Job>) -> std::io::Result<()> {
    let work = move || {
        while let Ok(Job { place, mut errands, reader, mailbox }) = jobs.recv() {
            let mut window = reader.window();
            for errand in &mut errands {
                errand.run(&mut window);
                if let Some(fault) = errand.fault() {
                    tracing::error!(%fault, "an old record cannot be used; a client was refused: run `creditd verify`");
                }
            }
            mailbox.errands_done(Returned { place, errands });
        }
    };
    std::thread::Builder::new().name(name).spawn(work).map(drop)
}
