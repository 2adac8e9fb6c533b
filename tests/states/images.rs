//! Every image that a power cut can leave.
//!
//! A change that was not synced is on the platter, or not, each by itself: 2^n images of n pages and names. The cut is
//! thought of before each change of the story, in each start from such an image, and in each start from an image of that.
//! Then one page is torn: any of its 512-byte sectors, any 8 bytes to which it was written.

use super::setting;
use super::story::Story;
use creditd::journal::chance::Chance;
use creditd::journal::sim::Kept;
use creditd::journal::{Lsn, SimDisk};

/// Up to so many things that are not synced, all subsets; beyond, as many subsets at random. In a start that is cut
/// itself fewer, for there are many of those.
const ALL_SUBSETS: usize = 12;
const ALL_SUBSETS_NESTED: usize = 6;

const ALL: Kept = [!0; 8];
const NOTHING: Kept = [0; 8];

/// Images tried, by kind.
#[derive(Debug, Default)]
struct Counts {
    /// Changes before which the power went.
    cuts: u64,
    subsets: u64,
    torn: u64,
    /// Of starts that were cut themselves.
    nested: u64,
    /// Images with a tail that a start cut off.
    tails: u64,
}

struct Images {
    story: Story,
    chance: Chance,
    /// Tears tried of each page, at most.
    tears: u64,
    counts: Counts,
}

/// `CREDITD_STATES_ROUNDS` (1): so many stories, with blocks of other lengths; `CREDITD_STATES_TEARS` (4): torn images of
/// each page, 768 are all.
#[test]
fn every_image_that_a_power_cut_leaves_is_started_on() {
    let mut sum = Counts::default();
    for round in 0..setting("CREDITD_STATES_ROUNDS", 1) {
        let mut story = Story::new(round);
        story.disk.film();
        story.tell().expect("a healthy disk");
        let frames = story.disk.frames();
        assert_eq!(story.unsaved, 0);
        let (tears, chance) = (setting("CREDITD_STATES_TEARS", 4), Chance::new(round));
        let mut images = Images { story, chance, tears, counts: sum };
        for frame in frames {
            let changes = frame.changes();
            images.subsets(&frame, changes, 2);
            images.tears(&frame, changes);
            images.killed(&frame, changes);
            images.counts.cuts += 1;
        }
        sum = images.counts;
    }
    eprintln!("{sum:?}");
    assert!(sum.cuts > 80 && sum.subsets > 4_000 && sum.torn > 200 && sum.nested > 10_000 && sum.tails > 1_000);
}

impl Images {
    /// Every subset of what is not synced. Below some of them, `depth` times, a start is cut in the same way.
    fn subsets(&mut self, disk: &SimDisk, changes: u64, depth: u32) {
        let (pages, names) = disk.unsynced();
        let undecided = pages + names;
        let all = if depth == 2 { ALL_SUBSETS } else { ALL_SUBSETS_NESTED };
        for subset in 0..1u64 << undecided.min(all) {
            let image = disk.copy();
            let mut bits = if undecided <= all { subset } else { self.chance.number() };
            image.crash_keeping(|_| {
                bits = bits.rotate_right(1);
                if bits >> 63 == 1 { ALL } else { NOTHING }
            });
            let is_start_cut = depth > 0 && self.chance.percent(if depth == 2 { 2 } else { 3 });
            if is_start_cut {
                image.film();
            }
            self.start(&image, changes);
            if is_start_cut {
                for frame in image.frames() {
                    self.subsets(&frame, changes, depth - 1);
                }
            }
            if depth == 2 { self.counts.subsets += 1 } else { self.counts.nested += 1 }
        }
    }

    /// Each page torn; the others are there or not.
    fn tears(&mut self, disk: &SimDisk, changes: u64) {
        let (pages, names) = disk.unsynced();
        let all = 256 + 512;
        for torn in 0..pages {
            for nth in 0..self.tears.min(all) {
                // Most pages are written at their beginning only.
                let (from, count) = [(0, 256), (256, 24), (256, 512)][self.chance.below(3) as usize];
                let nth = if self.tears < all { from + self.chance.below(count) } else { nth };
                let tear: Kept = match nth.checked_sub(256) {
                    None => std::array::from_fn(|sector| if nth >> sector & 1 == 1 { !0 } else { 0 }),
                    Some(words) => std::array::from_fn(|sector| first(words.saturating_sub(64 * sector as u64))),
                };
                let mut left = pages + names;
                let image = disk.copy();
                let chance = &mut self.chance;
                image.crash_keeping(|_| {
                    left -= 1;
                    match pages + names - 1 - left == torn {
                        true => tear,
                        false if chance.percent(50) => ALL,
                        false => NOTHING,
                    }
                });
                self.start(&image, changes);
                self.counts.torn += 1;
            }
        }
    }

    /// Not the power goes but the process, and the power after the next start: what that has shown stays.
    fn killed(&mut self, disk: &SimDisk, changes: u64) {
        disk.kill();
        let shown = self.start(disk, changes);
        disk.crash_keeping(|_| NOTHING);
        let found = self.story.judge(disk, shown).unwrap_or_else(|error| panic!("change {changes}: {error}"));
        assert_eq!(found.next_lsn, shown, "change {changes}: a start believed what was not on the platter");
    }

    /// Starts; up to where the log is then.
    fn start(&mut self, image: &SimDisk, changes: u64) -> Lsn {
        let found = self.story.judge(image, self.story.acknowledged(changes));
        let found = found.unwrap_or_else(|error| panic!("a crash is never refused; change {changes}: {error}"));
        assert_eq!(found.bad_snapshots, [], "a power cut leaves no bad snapshot");
        self.counts.tails += u64::from(found.cut.is_some());
        found.next_lsn
    }
}

/// The first so many of 64 bits.
fn first(count: u64) -> u64 {
    if count >= 64 { !0 } else { (1 << count) - 1 }
}
