//! A small file system of a test's own: ext4 in a file, on a loop device. Takes root; where it cannot be had, the tests
//! that want it say so and prove nothing.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server::Site;

/// It is gone when the value goes.
pub struct Mount {
    dir: PathBuf,
}

impl Mount {
    /// A file system of `mib` MiB. `None`, and a word to whoever reads it, where that cannot be.
    pub fn new(site: &Site, mib: u64) -> Option<Self> {
        let (image, dir) = (site.path("image"), site.path("disk"));
        File::create(&image).and_then(|file| file.set_len(mib << 20)).expect("a sparse file");
        fs::create_dir(&dir).expect("a directory to mount on");
        let made = run("mkfs.ext4", &["-q", "-F", "-m", "0"], &[&image]);
        if let Err(error) = made.and_then(|()| run("mount", &["-o", "loop"], &[&image, &dir])) {
            eprintln!("SKIPPED: no file system of its own for this test: {error}");
            return None;
        }
        Some(Self { dir })
    }

    /// A data directory on it, as a flag's value.
    pub fn data_dir(&self) -> String {
        self.dir.join("data").display().to_string()
    }

    /// Takes all room but `left` bytes, until [`Mount::drain`].
    pub fn fill(&self, left: u64) {
        let file = File::create(self.dir.join("ballast")).expect("a file");
        let free = rustix::fs::statvfs(&self.dir).map(|fs| fs.f_bavail * fs.f_frsize).expect("a file system");
        // The file system needs some for itself; how much is tried.
        let sizes = (0..1024).map(|kib| free.saturating_sub(left + (kib << 12)));
        let fits = |len: u64| rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, len).is_ok();
        assert!(sizes.take_while(|len| *len > 0).any(fits), "nothing fits into {free} bytes");
    }

    /// Gives the room back.
    pub fn drain(&self) {
        fs::remove_file(self.dir.join("ballast")).expect("it was filled");
    }

    /// Writes and syncs hang until [`Mount::thaw`].
    pub fn freeze(&self) {
        run("fsfreeze", &["-f"], &[&self.dir]).expect("a file system freezes");
    }

    /// They go on.
    pub fn thaw(&self) {
        run("fsfreeze", &["-u"], &[&self.dir]).expect("a frozen file system thaws");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = run("fsfreeze", &["-u"], &[&self.dir]); // a test that failed may have left it so
        let _ = run("umount", &["-l"], &[&self.dir]);
    }
}

fn run(program: &str, flags: &[&str], paths: &[&Path]) -> Result<(), String> {
    let output =
        Command::new(program).args(flags).args(paths).output().map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}
