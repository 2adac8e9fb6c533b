//! Counters, latencies, and the text of INFO.
//!
//! ```text
//! core 0: CoreCounters ──┐ clone, on request     ServerFacts ─┐
//! core 1: CoreCounters ──┼──► [CoreFacts] ────────────────────┴──► info() ──► text
//! shards:  ShardFacts ───┘    merged here, by whoever asks
//! ```
//!
//! Each core owns its counters: plain numbers, no atomics, no locks, nothing allocated per command. Whoever wants
//! figures asks every core for a copy and merges the copies. Inner layers return figures, they do not count by
//! themselves; the cores do. Absent on purpose: any use of the rest of the crate, clocks, a global registry.

mod counters;
mod facts;
mod info;
mod latency;
mod process;
mod rate;

pub use counters::{CommandCounter, CoreCounters};
pub use facts::{CoreFacts, CreditTotals, DiskState, FeedFacts, LeadFacts, Loading, ServerFacts, ShardFacts};
pub use info::info;
pub use latency::{Latencies, Stage};
pub use process::ProcessFigures;
pub use rate::Rate;
