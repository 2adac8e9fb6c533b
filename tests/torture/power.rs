//! Power cuts: the file system stops under load, is mounted again, and the log is what was promised.

use super::settings;
use crate::load::{End, lives};
use crate::mount::Mount;
use crate::server::Site;

/// As in kills.rs.
const LIVES: u64 = 20;

#[test]
#[ignore = "torture"]
fn power_cuts_on_ext4() {
    cut("ext4");
}

#[test]
#[ignore = "torture"]
fn power_cuts_on_xfs() {
    cut("xfs");
}

fn cut(kind: &str) {
    let (cycles, mut chance) = settings();
    for done in (0..cycles).step_by(LIVES as usize) {
        let store = tempfile::tempdir().expect("a directory for the image");
        let Some(mount) = Mount::of(kind, 512, store.path()) else { return };
        eprintln!("cycle {done} of {cycles}: a new {kind}");
        // Only `always` promises anything about the power.
        lives(&Site::within(mount.dir()), LIVES.min(cycles - done), &["always"], &mut chance, |_, server| {
            mount.cut();
            // It may have noticed, and ended.
            drop(server);
            mount.again();
            End::PowerCut
        });
    }
}
