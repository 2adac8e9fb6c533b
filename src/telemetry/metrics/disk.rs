//! The log, its disk, and snapshots.

use super::{Family, family};
use crate::telemetry::facts::ShardFacts;
use prometheus_client::metrics::MetricType::{Counter, Gauge};
use prometheus_client::registry::Unit;

pub(super) const FAMILIES: &[Family] = &[
    family("credit_commits", None, Counter, "shard", "Commit blocks stored", |looked, out| {
        out.count_by_shard(looked, |shard| shard.commits)
    }),
    family(
        "credit_commit_records",
        None,
        Counter,
        "shard",
        "Records in commit blocks; by credit_commits_total it is the size of a batch",
        |looked, out| out.count_by_shard(looked, |shard| shard.records),
    ),
    family("credit_commit", Some(Unit::Bytes), Counter, "shard", "Bytes of commit blocks, padding included", {
        |looked, out| out.count_by_shard(looked, |shard| shard.commit_bytes)
    }),
    family(
        "credit_sync",
        Some(Unit::Seconds),
        Counter,
        "shard",
        "Time that writing and syncing commit blocks took; by credit_commits_total it is that of a block",
        |looked, out| out.count_by_shard(looked, |shard| shard.sync_ns as f64 / 1e9),
    ),
    family("credit_inline_commits", None, Counter, "shard", "Commit blocks that the core itself has synced", {
        |looked, out| out.count_by_shard(looked, |shard| shard.inline_commits)
    }),
    family("credit_undurable", Some(Unit::Bytes), Gauge, "shard", "Bytes of the log that wait for the disk", {
        |looked, out| out.by_shard(looked, ShardFacts::undurable_bytes)
    }),
    family(
        "credit_undurable_age",
        Some(Unit::Seconds),
        Gauge,
        "shard",
        "How long the oldest change has waited for the disk; after 1 s no more are taken",
        |looked, out| out.by_shard(looked, |shard| shard.undurable_ms as f64 / 1e3),
    ),
    family("credit_log", Some(Unit::Bytes), Gauge, "shard", "Bytes of the log that are kept", |looked, out| {
        out.by_shard(looked, |shard| shard.next_lsn - shard.oldest_lsn)
    }),
    family("credit_disk_state", None, Gauge, "shard", "0 ok, 1 slow, 2 full, 3 full and the reserve used up", {
        |looked, out| out.by_shard(looked, |shard| shard.disk as u64)
    }),
    family("credit_disk_full_refusals", None, Counter, "", "Commands refused because the disk was full", {
        |looked, out| out.counter(&[], looked.view.shard_sum(|shard| shard.refused_disk_full))
    }),
    family("credit_disk_free", Some(Unit::Bytes), Gauge, "", "Left on the data directory's file system", {
        |looked, out| out.gauge(&[], looked.scrape.disk_free_bytes)
    }),
    family("credit_disk_size", Some(Unit::Bytes), Gauge, "", "Size of the data directory's file system", {
        |looked, out| out.gauge(&[], looked.scrape.disk_bytes)
    }),
    family(
        "credit_disk_full_in",
        Some(Unit::Seconds),
        Gauge,
        "",
        "When the disk is full at the pace of the log in the last 10 to 20 minutes; at most a hundred years",
        |looked, out| out.gauge(&[], looked.scrape.disk_full_in_s),
    ),
    family(
        "credit_snapshot_age",
        Some(Unit::Seconds),
        Gauge,
        "",
        "Since the newest snapshot of the shard was begun whose newest is oldest; since the start, if one has none",
        |looked, out| {
            let server = looked.view.server;
            out.gauge(&[], (server.now_us / 1_000).saturating_sub(server.last_save_ms) as f64 / 1e3)
        },
    ),
    family("credit_snapshot", Some(Unit::Bytes), Gauge, "shard", "Size of the newest snapshot", |looked, out| {
        out.by_shard(looked, |shard| shard.snapshot_bytes)
    }),
    family(
        "credit_snapshot_behind_records",
        None,
        Gauge,
        "shard",
        "Records since the newest snapshot was begun: what a start reads besides it",
        |looked, out| out.by_shard(looked, |shard| shard.changes_since_save),
    ),
    family("credit_snapshot_failed", None, Gauge, "shard", "1 if the newest save failed", |looked, out| {
        out.by_shard(looked, |shard| u64::from(shard.save_failed))
    }),
];
