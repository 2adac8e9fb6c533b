//! What the admin port shows: the figures of all cores, gathered for each scrape.
//!
//! ```text
//!  admin thread ── Request::Facts ──▶ mailbox of every core ── copy between two batches ──▶ channel ──▶ text
//! ```
//! A core that does not answer in time (it waits for its disk) is shown as it was: no counter goes back.

use super::mailbox::Request;
use super::shared::Shared;
use crate::admin::{Observed, Readiness};
use crate::telemetry::{CoreFacts, Growth, Scrape, SystemFigures, openmetrics};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

/// How long a scrape waits for the cores.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// The server as the admin port sees it; clones see the same.
#[derive(Clone)]
pub(super) struct Observer {
    shared: Arc<Shared>,
    stopping: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
}

/// What earlier scrapes have seen.
struct Seen {
    /// By core, its newest answer.
    cores: Vec<Option<CoreFacts>>,
    growth: Growth,
}

impl Observer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let cores = shared.mailboxes.iter().map(|_| None).collect();
        let seen = Seen { cores, growth: Growth::since(shared.started_ms) };
        Self { shared, stopping: Arc::default(), seen: Arc::new(Mutex::new(seen)) }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The server begins to stop.
    pub(super) fn stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// The answers of the cores that give one in time.
    async fn ask_cores(&self) -> Vec<CoreFacts> {
        let (answer, mut answers) = mpsc::channel(self.shared.mailboxes.len());
        for mailbox in &self.shared.mailboxes {
            let _ = mailbox.request(Request::Facts(answer.clone())); // no room: that core is silent
        }
        drop(answer); // the channel ends with the last core's
        let mut given = Vec::new();
        let gather = async {
            while let Some(facts) = answers.recv().await {
                given.push(facts);
            }
        };
        let _ = tokio::time::timeout(ANSWER_WITHIN, gather).await; // what is there by then will do
        given
    }

    /// All figures, those of silent cores as they were.
    fn scrape(&self, given: Vec<CoreFacts>) -> Scrape {
        let silent_cores = (self.shared.mailboxes.len() - given.len()) as u64;
        let mut seen = self.seen.lock().expect("no scrape panics while it looks");
        for facts in given {
            let core = facts.core;
            seen.cores[core] = Some(facts);
        }
        let cores: Vec<CoreFacts> = seen.cores.iter().flatten().cloned().collect();
        let calls = cores.iter().map(|facts| facts.counters.calls()).sum();
        let server = self.shared.facts(calls);
        let log_bytes = cores.iter().flat_map(|facts| &facts.shards).map(|shard| shard.commit_bytes).sum();
        let (disk_free_bytes, disk_bytes) = self.disk();
        let disk_full_in_s = seen.growth.full_in_s(self.shared.now_ms(), log_bytes, disk_free_bytes);
        let system = SystemFigures::now();
        Scrape { server, cores, silent_cores, system, disk_free_bytes, disk_bytes, disk_full_in_s }
    }

    /// Bytes left for us and bytes in all on the data directory's file system; zeros if it does not say.
    fn disk(&self) -> (u64, u64) {
        let figures = rustix::fs::statvfs(&self.shared.config.data_dir);
        figures.map_or((0, 0), |disk| (disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize))
    }
}

impl Observed for Observer {
    async fn metrics(&self) -> String {
        let given = self.ask_cores().await;
        openmetrics(self.scrape(given))
    }

    fn readiness(&self) -> Readiness {
        match self.shared.loading() {
            _ if self.stopping.load(Ordering::Relaxed) => Readiness::Stopping,
            Some(loading) => Readiness::Loading(loading),
            None => Readiness::Ready,
        }
    }
}
