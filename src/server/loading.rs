//! Reads snapshots and logs of all shards, side by side, before the server serves.
//!
//! ```text
//!  shard 0, 1, 2, ..  ──▶ recovery (a thread a core) ──▶ snapshot ▸ tail of the log ▸ new segment ──▶ ledger, committer
//! ```
//! Absent on purpose: what is refused and what is cut (the journal knows), bringing the shards home (`start`).

use super::saving::Newest;
use super::shared::Shared;
use super::start::StartError;
use crate::config::Appendfsync;
use crate::journal::data_dir::shard_path;
use crate::journal::files::FileStorage;
use crate::journal::repair::repairs;
use crate::journal::{
    DataDir, JournalError, LogId, Opened, RECENT_LEN, Recovered, RecoveryOptions, SyncPolicy, recover,
};
use crate::ledger::{Ledger, Limits, Seeds};
use crate::shard::Rebuild;
use crate::telemetry::ProcessFigures;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

/// Least memory of a shard's transaction index: what the setting `tx-index-memory` allows.
const INDEX_BYTES_MIN: u64 = 1 << 20;

/// One shard, recovered.
pub(super) struct RecoveredShard {
    pub(super) number: u16,
    pub(super) opened: Opened<FileStorage>,
    pub(super) ledger: Ledger,
    pub(super) newest: Newest,
}

/// Recovers all shards, as many at a time as there are cores.
///
/// # Errors
/// The first shard's that cannot be recovered.
pub(super) async fn recover_all(shared: &Arc<Shared>, dir: &DataDir) -> Result<Vec<RecoveredShard>, StartError> {
    let shards = shared.router.shards();
    let next = Arc::new(AtomicU16::new(0));
    let (results, mut arrived) = tokio::sync::mpsc::channel(usize::from(shards));
    let manifest = Arc::new(dir.manifest().clone());
    for shard in 0..shards {
        for repair in repairs(&shard_path(dir.path(), shard)) {
            tracing::warn!(shard, repair, "this shard's log was repaired once: what was lost then is lost");
        }
    }
    let storages = (0..shards).map(|shard| dir.storage(shard).map(Some)).collect::<Result<Vec<_>, _>>()?;
    let storages = Arc::new(Mutex::new(storages));
    for _ in 0..shared.router.cores() {
        let (shared, next, results) = (shared.clone(), next.clone(), results.clone());
        let (manifest, storages) = (manifest.clone(), storages.clone());
        std::thread::Builder::new().name("recovery".to_owned()).spawn(move || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let storage = storages.lock().ok().and_then(|mut all| all.get_mut(usize::from(number))?.take());
                let Some(storage) = storage else { return };
                let recovered = recover_shard(&shared, storage, manifest.log_id(number), manifest.hash_keys);
                if results.blocking_send(recovered).is_err() {
                    return; // another shard has refused
                }
            }
        })?;
    }
    drop(results);
    let mut recovered = Vec::new();
    while let Some(result) = arrived.recv().await {
        recovered.push(result?);
    }
    assert_eq!(recovered.len(), usize::from(shards), "every shard is recovered or refused");
    Ok(recovered)
}

/// Recovers one shard.
///
/// # Errors
/// As [`recover`], and if its accounts do not add up.
pub(super) fn recover_shard(
    shared: &Shared,
    storage: FileStorage,
    id: LogId,
    index_key: [u64; 2],
) -> Result<RecoveredShard, JournalError> {
    let config = &shared.config;
    let limits = Limits {
        leads_max: u32::try_from(config.leads_max).unwrap_or(u32::MAX),
        lead_slots_max: config.lead_slots_max,
        holds_per_account_max: config.holds_per_account_max,
        accounts_max: u32::try_from(config.accounts_max).unwrap_or(u32::MAX),
        tx_index_bytes_max: config.tx_index_bytes_max.unwrap_or_else(|| default_index_bytes(shared.router.shards())),
        tx_retention_ms: config.tx_retention_ms.unwrap_or(u64::MAX),
    };
    let options = RecoveryOptions {
        id,
        policy: match config.appendfsync {
            Appendfsync::Always => SyncPolicy::Always,
            Appendfsync::No => SyncPolicy::No,
        },
        segment_len: config.segment_bytes,
        salt_seed: getrandom::u64().expect("the system gives random bytes"),
        now_ms: shared.clock.wall_ms(),
        recent_len: RECENT_LEN,
    };
    let mut rebuild = Rebuild::new(limits, Seeds { index_key, map_seed: index_key[0] ^ u64::from(id.shard) });
    let mut seen = (0, 0);
    let mut progress = |done: u64, total: u64| {
        shared.loading_moved(seen, (done, total));
        seen = (done, total);
    };
    let opened = recover(storage, &options, &mut |entry| rebuild.take(entry), &mut progress)?;
    let shard = id.shard;
    tell(shard, &opened.recovered);
    let ledger = rebuild.into_ledger();
    let newest = newest(id, &opened.recovered, ledger.totals().entries);
    if let Some(saved_at_ms) = newest.end.map(|_| newest.saved_at_ms) {
        shared.saves.saved(shard, saved_at_ms);
    }
    Ok(RecoveredShard { number: shard, opened, ledger, newest })
}

/// The snapshot that the replay of a log with so many `entries` started from.
fn newest(id: LogId, found: &Recovered, entries: u64) -> Newest {
    let Some(used) = &found.snapshot else {
        return Newest { id, begin: 0, entries: 0, end: None, floor: 0, bytes: 0, saved_at_ms: 0 };
    };
    Newest {
        id,
        begin: used.begin,
        entries: entries - found.records,
        end: Some(used.end),
        floor: used.begin.min(used.needed),
        bytes: used.bytes,
        saved_at_ms: used.created_ms,
    }
}

/// Says what recovery found.
fn tell(shard: u16, found: &Recovered) {
    for bad in &found.bad_snapshots {
        tracing::warn!(shard, quarantine = bad.quarantine, "{bad}; the one before it, or the log, was read instead");
    }
    if let Some(cut) = &found.cut {
        tracing::warn!(
            shard,
            bytes = cut.bytes(),
            from_lsn = cut.from,
            to_lsn = cut.to,
            quarantine = cut.quarantine,
            "cut a torn tail that was not proven acknowledged; a copy is in the quarantine directory"
        );
    }
    if !found.direct_io && found.blocks > 0 {
        tracing::warn!(
            shard,
            "the file system cannot be read past the page cache: what was read may not be what is on the device"
        );
    }
    tracing::info!(
        shard,
        snapshot_bytes = found.snapshot.map_or(0, |used| used.bytes),
        from_lsn = found.snapshot.map_or(0, |used| used.begin),
        records = found.records,
        tail_bytes = found.tail_bytes,
        end_lsn = found.next_lsn,
        clean = found.clean,
        "log read"
    );
}

/// A shard's part of the memory for transaction ids, a quarter of the machine's (security.md 2).
fn default_index_bytes(shards: u16) -> u64 {
    (ProcessFigures::now().machine_bytes / 4 / u64::from(shards)).max(INDEX_BYTES_MIN)
}
