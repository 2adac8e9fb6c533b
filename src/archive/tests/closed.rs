//! Logs of several lives, archived: what is copied, what may be removed, and what is left alone.

use super::snapshots::{save_from, snapshots};
use super::*;
use crate::journal::Manifest;

const ACCOUNTS: [&str; 4] = ["ann", "bob", "cy", "dee"];

/// A log of four segments, each the life of one account; ends of the lives.
fn lives(path: &Path) -> Vec<Lsn> {
    let live = |account| {
        let mut author = Author::new(path);
        author.write(account, "g1", 10, Change::Grant);
        author.write(account, "d1", 1, Change::Debit);
        author.stop();
        head(open(path).logs.remove(0).expect("a log")).expect("a head").lsn
    };
    ACCOUNTS.map(live).to_vec()
}

fn archived(path: &Path, dest: &Path, before_ms: Option<u64>) -> Result<Archived, Failure> {
    let manifest = Manifest::read(path).expect("readable").expect("there");
    archive(path, &manifest, dest, before_ms, &|_| {}).map(|done| done[0])
}

#[test]
fn closed_segments_are_copied_once_and_proved_where_they_are() {
    let (parent, path) = data();
    let (ends, dest) = (lives(&path), parent.path().join("archive"));
    let expected = |copied| Archived { copied, to_lsn: ends[2], ..Archived::default() };
    assert_eq!(archived(&path, &dest, None).expect("archived"), expected(3));
    assert_eq!(archived(&path, &dest, None).expect("nothing to do"), expected(0));
    let report = proved(&dest, &[]);
    assert!(report.ok && report.shards[0].records == 6, "{report}");
    fs::remove_file(dest.join("shard-000").join(segments(&path)[1].file_name().expect("a name"))).expect("lost");
    assert_eq!(archived(&path, &dest, None).expect("mended"), expected(1));
}

#[test]
fn another_file_of_the_same_name_is_never_overwritten() {
    let (parent, path) = data();
    lives(&path);
    let dest = parent.path().join("archive");
    archived(&path, &dest, None).expect("archived");
    let other = &segments(&dest)[1];
    flip(other, 20);
    let before = fs::read(other).expect("there");
    let Err(Failure::Found(findings)) = archived(&path, &dest, None) else { panic!("archived") };
    assert_eq!(findings[0].kind, "archive");
    assert!(fs::read(other).expect("there") == before);
}

#[test]
fn damaged_segments_are_not_taken_for_archived() {
    let (parent, path) = data();
    lives(&path);
    flip(&segments(&path)[1], 4096 + 20);
    let Err(Failure::Found(findings)) = archived(&path, &parent.path().join("archive"), None) else {
        panic!("archived")
    };
    assert_eq!(findings[0].kind, "damaged");
}

#[test]
fn what_no_start_needs_is_removed_when_it_is_old_and_in_the_archive() {
    let (parent, path) = data();
    let (ends, dest) = (lives(&path), parent.path().join("archive"));
    let done = archived(&path, &dest, Some(u64::MAX)).expect("archived");
    assert_eq!((done.removed, done.first_lsn), (0, 0), "without two snapshots every segment is needed");
    // Both begin behind the third life; the fourth has four blocks at most.
    save_from(&path, 2, ends[2], |_| {});
    let mut author = Author::new(&path);
    author.write("eve", "g1", 10, Change::Grant);
    author.stop();
    save_from(&path, 1, ends[2], |_| {});
    assert_eq!(snapshots(&path).len(), 2);
    assert_eq!(archived(&path, &dest, Some(0)).expect("archived").removed, 0, "nothing is that old");
    let done = archived(&path, &dest, Some(u64::MAX)).expect("archived");
    assert_eq!((done.removed, done.first_lsn), (3, ends[2]), "the fourth is needed");
    assert_eq!(segments(&path).len(), 2);
    let report = proved(&path, &[]);
    assert!(report.ok && report.to_string().contains("older segments are not here"), "{report}");
    drop(Author::new(&path));
    assert_eq!(proved(&dest, &[]).shards[0].records, 8, "and all of it is in the archive");
}

#[test]
fn what_an_entry_behind_the_snapshots_points_to_is_not_removed() {
    let (parent, path) = data();
    let mut author = Author::new(&path);
    author.write("eve", "g1", 10, Change::Grant);
    let debited = author.write("eve", "d1", 3, Change::Debit);
    author.stop();
    let ends = lives(&path);
    save_from(&path, 2, ends[2], |_| {});
    Author::new(&path).stop();
    save_from(&path, 1, ends[2], |_| {});
    let mut author = Author::new(&path);
    let refund = Change::Refund { of: b"d1", opened_lsn: debited, refunded_total: 2, refundable: 1 };
    author.write("eve", "f1", 2, refund);
    author.stop();
    let done = archived(&path, &parent.path().join("archive"), Some(u64::MAX)).expect("archived");
    assert_eq!((done.copied, done.removed, done.first_lsn), (6, 0, 0), "a retry of the debit is answered from there");
}
