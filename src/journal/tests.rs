//! The journal as a whole: every case of recovery, crashes at every step, real files.

mod cases;
mod crashes;
mod files;
mod surveys;

use super::*;

pub(super) const ID: LogId = LogId { instance: [7; 16], shard: 3 };

pub(super) fn options() -> RecoveryOptions {
    RecoveryOptions {
        id: ID,
        policy: SyncPolicy::Always,
        segment_len: (2 << 20) + PAGE as u64,
        salt_seed: 42,
        now_ms: 1_000,
        recent_len: 1 << 20,
    }
}

/// Records with their positions.
pub(super) type Records = Vec<(Lsn, Vec<u8>)>;

/// Recovers, and returns what the sink was given.
pub(super) fn open<S: Storage>(storage: S, options: &RecoveryOptions) -> Result<(Opened<S>, Records), JournalError> {
    let mut seen = Records::new();
    let mut sink = |entry: Entry<'_>| {
        if let Entry::Record { lsn, bytes } = entry {
            seen.push((lsn, bytes.to_vec()));
        }
        Ok(())
    };
    let opened = recover(storage, options, &mut sink, &mut |done, total| assert!(done <= total))?;
    assert_eq!(opened.recovered.records, seen.len() as u64);
    assert_eq!(opened.log.durable_lsn(), opened.recovered.next_lsn);
    Ok((opened, seen))
}

/// A record of `len` bytes that no other record equals.
pub(super) fn record(len: usize, serial: u64) -> Vec<u8> {
    assert!(len >= 16 && len.is_multiple_of(8));
    let mut bytes = vec![serial as u8 ^ 0x5a; len];
    bytes[..2].copy_from_slice(&(len as u16).to_le_bytes());
    bytes[8..16].copy_from_slice(&serial.to_le_bytes());
    bytes
}

/// Appends a record.
pub(super) fn put(log: &mut Log, bytes: &[u8]) -> Lsn {
    log.append(2_000, |buf| buf.extend_from_slice(bytes))
}

/// Commits all that waits.
pub(super) fn pump<S: Storage>(opened: &mut Opened<S>) -> Result<(), JournalError> {
    while let Some(block) = opened.log.take() {
        let durable = opened.committer.commit(&block)?;
        drop(block);
        opened.log.committed(durable);
    }
    Ok(())
}
