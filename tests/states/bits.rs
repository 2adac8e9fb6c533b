//! Each bit of a small log, its supers and its snapshot is wrong: the start is refused, or it has the very same state.

use super::setting;
use super::story::Story;
use creditd::journal::{JournalError, Lsn, SimDisk};

/// Starts, by what they said.
#[derive(Debug, Default)]
struct Counts {
    refused: u64,
    /// The state is there; the log was not concerned.
    same: u64,
    /// The state is there; a snapshot was bad, and was told of.
    snapshot: u64,
    /// Bytes behind the log's end were cut off, and told of.
    tails: u64,
    /// The last block was, which nothing had proven.
    cut: u64,
}

/// The super knows of everything: nothing that was acknowledged is ever cut off.
#[test]
fn a_flipped_bit_of_a_log_is_refused_or_meant_nothing() {
    let counts = flip(false, true);
    assert!(counts.refused > 4_000 && counts.same > 1_000, "{counts:?}");
    assert_eq!((counts.cut, counts.snapshot), (0, 0), "all of the log was proven");
}

#[test]
fn a_flipped_bit_of_a_snapshot_is_told_of_and_not_needed() {
    let counts = flip(true, true);
    assert!(counts.refused > 3_000 && counts.snapshot > 5_000, "{counts:?}");
    assert_eq!(counts.cut, 0, "all of the log was proven");
}

/// The process ended before it could note its last block: if that is damaged, the start says what it cuts off.
#[test]
fn a_flipped_bit_of_a_block_that_nothing_proves_is_told_of() {
    let counts = flip(false, false);
    assert!(counts.refused > 3_000 && counts.cut > 1_000, "{counts:?}");
}

/// `CREDITD_STATES_ZEROS` (4001): of bits in padding and in pages that were never written, every so manieth.
fn flip(saved: bool, noted: bool) -> Counts {
    let mut story = Story::new(1);
    story.tell_little(saved, noted).expect("a healthy disk");
    story.disk.kill();
    let (disk, stride) = (story.disk.copy(), setting("CREDITD_STATES_ZEROS", 4001));
    let (begin, end) = story.last_block();
    let proven = if noted { end } else { begin };
    let mut counts = Counts::default();
    for name in disk.file_names().iter().filter(|name| !name.ends_with(".tmp")) {
        let right = disk.contents(name, 0, disk.len(name) as usize);
        for (at, byte) in (0..).zip(&right) {
            for bit in 0..8 {
                // A zero far from other bytes is padding, or a page that was never written.
                let is_padding = !right[(at as usize).saturating_sub(32)..].iter().take(64).any(|byte| *byte != 0);
                if !is_padding || (8 * at + bit) % stride == 0 {
                    let image = disk.copy();
                    image.patch(name, at, &[byte ^ 1 << bit]);
                    judge(&story, &image, &format!("{name}, byte {at}, bit {bit}"), proven, &mut counts);
                }
            }
        }
    }
    eprintln!("saved {saved}, noted {noted}: {counts:?}");
    counts
}

fn judge(story: &Story, image: &SimDisk, place: &str, proven: Lsn, counts: &mut Counts) {
    let (_, end) = story.last_block();
    match story.judge(image, proven) {
        Err(JournalError::Refused(_) | JournalError::Format { .. }) => counts.refused += 1,
        Err(error) => panic!("{place}: {error}"),
        Ok(found) if found.next_lsn < end => {
            let cut = found.cut.unwrap_or_else(|| panic!("{place}: cut off, and nothing said"));
            assert!(cut.from >= proven, "{place}: cut off, though proven: {cut}");
            counts.cut += 1;
        }
        Ok(found) if found.cut.is_some() => counts.tails += 1,
        Ok(found) if !found.bad_snapshots.is_empty() => counts.snapshot += 1,
        Ok(_) => counts.same += 1,
    }
}
