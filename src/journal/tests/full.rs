//! A full disk stops nothing but the next segment, and that only until there is room.

use super::*;
use crate::journal::storage::Spare;
use std::sync::Arc;

/// Appends more than a segment takes.
fn fill_a_segment(log: &mut Log, serial: &mut u64, seen: &mut Records) {
    for _ in 0..600 {
        *serial += 1;
        let bytes = record(4096, *serial);
        seen.push((put(log, &bytes), bytes));
    }
}

/// Commits as the server does: in the reserve if there is room nowhere else. `Some`: the block that waits for room.
fn pump_or_wait(opened: &mut Opened<SimStorage>, waiting: Option<Arc<Block>>) -> Option<Arc<Block>> {
    let mut next = waiting.or_else(|| opened.log.take());
    while let Some(block) = next {
        let changes = |opened: &Opened<SimStorage>| (opened.committer.head(), opened.committer.counters());
        let before = changes(opened);
        match opened.committer.commit(&block) {
            Ok(durable) => {
                drop(block);
                opened.log.committed(durable);
                next = opened.log.take();
            }
            Err(error) => {
                assert!(matches!(error, JournalError::Full { .. }) && error.exit_code() == 28, "{error}");
                assert_eq!(changes(opened), before, "nothing was stored");
                if !opened.committer.spare().take_reserve() {
                    return Some(block);
                }
                next = Some(block);
            }
        }
    }
    None
}

fn make_reserve(opened: &Opened<SimStorage>) -> Result<(), JournalError> {
    while opened.committer.spare().step_reserve(opened.committer.segment_len())?.is_none() {}
    Ok(())
}

#[test]
fn the_reserve_takes_one_segment_and_what_waits_goes_on_when_there_is_room() {
    let disk = SimDisk::new(1, ID);
    let (mut opened, _) = open(disk.storage(), &options()).expect("a new log");
    let (mut serial, mut appended) = (0, Records::new());
    for round in 0..100 {
        make_reserve(&opened).expect("room");
        assert!(opened.committer.spare().has_reserve());
        disk.set_full(true);
        let mut waiting = None;
        while waiting.is_none() {
            fill_a_segment(&mut opened.log, &mut serial, &mut appended);
            waiting = pump_or_wait(&mut opened, waiting);
        }
        assert!(!opened.committer.spare().has_reserve(), "it was used before a block had to wait");
        assert_eq!(make_reserve(&opened).expect_err("no room").exit_code(), 28);
        waiting = pump_or_wait(&mut opened, waiting);
        let durable = opened.log.durable_lsn();
        let acknowledged = appended.partition_point(|(lsn, _)| *lsn < durable);
        if round % 10 == 9 {
            disk.crash();
            disk.set_full(false);
            let (again, seen) = open(disk.storage(), &options()).expect("room again");
            assert_eq!(again.recovered.next_lsn, durable, "what was acknowledged, and no more");
            appended.truncate(acknowledged);
            assert_eq!(seen, appended);
            opened = again;
            continue;
        }
        disk.set_full(false);
        assert!(pump_or_wait(&mut opened, waiting).is_none(), "the same block goes on");
    }
}

#[test]
fn a_finished_reserve_takes_the_place_of_an_unfinished_spare() {
    let disk = SimDisk::new(1, ID);
    let (opened, _) = open(disk.storage(), &options()).expect("a new log");
    let (spare, len) = (opened.committer.spare(), opened.committer.segment_len());
    assert!(!spare.take_reserve(), "there is none");
    assert_eq!(spare.step(len).expect("begun"), None);
    assert_eq!(spare.step_reserve(len).expect("begun"), None);
    assert!(!spare.take_reserve(), "half a file is none");
    assert_eq!(spare.step_reserve(len).expect("made"), Some(len));
    assert!(spare.take_reserve() && spare.is_ready() && !spare.has_reserve());
    assert_eq!(spare.step_reserve(len).expect("begun, at the other path"), None);
    let spares = disk.file_names().into_iter().filter(|name| name.ends_with(".tmp")).collect::<Vec<_>>();
    assert_eq!(spares, ["reserve.tmp", "spare.tmp"]);
}
