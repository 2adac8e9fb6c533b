//! The journal as a whole: every case of recovery, crashes at every step, real files.

mod blocks;
mod cases;
mod crashes;
mod files;
mod full;
mod snapshots;
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

/// Recovers, and returns what the sink was given: the records of the snapshot, and those of the log behind it.
pub(super) fn open<S: Storage>(storage: S, options: &RecoveryOptions) -> Result<(Opened<S>, Records), JournalError> {
    let (mut seen, mut copied) = (Records::new(), 0);
    let mut sink = |entry: Entry<'_>| {
        match entry {
            Entry::Fresh => (seen, copied) = (Records::new(), 0),
            Entry::Part { section: ROWS, count, bytes } => {
                for row in bytes.chunks(ROW_LEN) {
                    let [lsn, len, serial] = [0, 8, 16].map(|at| block::u64_at(row, at));
                    seen.push((lsn, record(len as usize, serial)));
                }
                copied += u64::from(count);
            }
            Entry::Part { section, bytes, .. } => assert_eq!((section, bytes), (snapshot::FOOTER, &b"toy"[..])),
            Entry::Record { lsn, bytes } => seen.push((lsn, bytes.to_vec())),
            Entry::Block { .. } | Entry::End { .. } => {}
        }
        Ok(())
    };
    let opened = recover(storage, options, &mut sink, &mut |done, total| assert!(done <= total))?;
    assert_eq!(opened.recovered.records + copied, seen.len() as u64);
    assert_eq!(opened.log.durable_lsn(), opened.recovered.next_lsn);
    Ok((opened, seen))
}

/// The section of the snapshots here: records, as position, length and serial number.
const ROWS: u8 = 1;
const ROW_LEN: usize = 24;

/// Copies what `history` has below the log's end to a snapshot. `meanwhile` goes on with the log; gives where it began.
pub(super) fn save<S: Storage>(
    opened: &mut Opened<S>,
    id: LogId,
    history: &mut Records,
    meanwhile: impl FnOnce(&mut Opened<S>, &mut Records) -> Result<(), JournalError>,
) -> Result<Lsn, JournalError> {
    let begin = opened.committer.position();
    let head = SnapshotHead { id, created_ms: 2_000, begin, content: snapshot::SNAPSHOT_CONTENT };
    let mut writer = SnapshotWriter::begin(opened.committer.draft(), &head)?;
    for rows in history[..history.partition_point(|(lsn, _)| *lsn < begin.lsn)].chunks(200) {
        let row = |(lsn, bytes): &(Lsn, Vec<u8>)| [*lsn, bytes.len() as u64, block::u64_at(bytes, 8)];
        let bytes: Vec<u8> = rows.iter().flat_map(row).flat_map(u64::to_le_bytes).collect();
        writer.part(ROWS, rows.len() as u32, &bytes)?;
    }
    meanwhile(opened, history)?;
    writer.finish(SnapshotEnd { end: opened.log.next_lsn(), now_ms: 2_500, needed: begin.lsn }, b"toy")?;
    pump(opened)?;
    opened.committer.note()?;
    writer.publish()?;
    Ok(begin.lsn)
}

/// Lets go of what stands below `floor`.
pub(super) fn trim<S: Storage>(opened: &mut Opened<S>, floor: Lsn) -> Result<usize, JournalError> {
    let (draft, gone) = (opened.committer.draft(), opened.committer.let_go(floor)?);
    gone.iter().try_for_each(|name| draft.remove_segment(*name))?;
    draft.sync_dir()?;
    Ok(gone.len())
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
    log.append(2_000, |buf| {
        buf.extend_from_slice(bytes);
        1
    })
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
