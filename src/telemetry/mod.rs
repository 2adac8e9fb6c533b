//! Counters, latencies, the text of INFO and that of /metrics.
//!
//! ```text
//! core 0: CoreCounters ──┐ clone, on request     ServerFacts ─┐
//! core 1: CoreCounters ──┼──► [CoreFacts] ────────────────────┴──► info(), openmetrics() ──► text
//! shards:  ShardFacts ───┘    merged here, by whoever asks
//! ```
//!
//! Each core owns its counters: plain numbers, no atomics, no locks, nothing allocated per command. Whoever wants
//! figures asks every core for a copy and merges the copies. Inner layers return figures, they do not count by
//! themselves; the cores do. Absent on purpose: any use of the rest of the crate, clocks, a global registry.

mod counters;
mod durations;
mod facts;
mod growth;
mod info;
mod latency;
mod metrics;
mod process;
mod rate;
mod slow;
mod system;

pub use counters::{CommandCounter, CoreCounters, ErrorCounter, WRITES};
pub use durations::Durations;
pub use facts::{CoreFacts, CreditTotals, DiskState, FeedFacts, LeadFacts, Loading, ServerFacts, ShardFacts, TlsFacts};
pub use growth::Growth;
pub use info::info;
pub use latency::{Latencies, Stage};
pub use metrics::{Scrape, catalog, openmetrics};
pub use process::ProcessFigures;
pub use rate::Rate;
pub use slow::{SlowEntry, SlowLog, Spikes};
pub use system::SystemFigures;
