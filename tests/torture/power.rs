//! Power cuts: the file system stops under load, is mounted again, and the log is what was promised.

use super::mount::Mount;
use super::settings;
use crate::load::{End, lives};
use crate::server::Site;

/// As in kills.rs.
const LIVES: u64 = 20;

#[test]
#[ignore = "torture"]
fn power_cuts_on_ext4() {
    cut("ext4", 512);
}

#[test]
#[ignore = "torture"]
fn power_cuts_on_xfs() {
    cut("xfs", 512);
}

fn cut(kind: &str, mib: u64) {
    let (cycles, mut chance) = settings();
    for done in (0..cycles).step_by(LIVES as usize) {
        let store = tempfile::tempdir().expect("a directory for the image");
        let Some(mount) = Mount::new(kind, mib, store.path()) else {
            eprintln!("SKIPPED: {kind} cannot be mounted here, no power was cut");
            return;
        };
        eprintln!("cycle {done} of {cycles}: a new {kind}");
        // Only `always` promises anything about the power.
        lives(&Site::within(mount.path()), LIVES.min(cycles - done), &["always"], &mut chance, |_, server| {
            mount.cut();
            // It may have noticed, and ended.
            drop(server);
            mount.again();
            End::PowerCut
        });
    }
}
