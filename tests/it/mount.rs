//! A small file system of a test's own, in a file, on a loop device. Takes root; where it cannot be had, the tests that
//! want it say so and prove nothing.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server::Site;

/// Stops a file system as a power cut does: nothing more is written, not even its journal (NOLOGFLUSH). ext4 and XFS
/// have the same number for it. An ioctl is `unsafe` in Rust.
const CUT: &str =
    "import fcntl, os, struct, sys; fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";

/// It is gone when the value goes.
pub struct Mount {
    image: PathBuf,
    dir: PathBuf,
}

impl Mount {
    /// An ext4 of `mib` MiB. `None`, and a word to whoever reads it, where that cannot be.
    pub fn new(site: &Site, mib: u64) -> Option<Self> {
        Self::of("ext4", mib, site.data_dir().parent().expect("it is in the site"))
    }

    /// An ext4 or xfs of `mib` MiB, that keeps its image in the directory `store`. `None` as above.
    pub fn of(kind: &str, mib: u64, store: &Path) -> Option<Self> {
        let mount = Self { image: store.join("image"), dir: store.join("disk") };
        File::create(&mount.image).and_then(|file| file.set_len(mib << 20)).expect("a sparse file");
        fs::create_dir(&mount.dir).expect("a directory to mount on");
        let flags = if kind == "ext4" { ["-q", "-F", "-m", "0"].as_slice() } else { &["-q"] };
        let made = run(&format!("mkfs.{kind}"), flags, &[&mount.image]);
        if let Err(error) = made.and_then(|()| mount.attach()) {
            eprintln!("SKIPPED: no file system of its own for this test: {error}");
            return None;
        }
        Some(mount)
    }

    /// Where it is mounted.
    pub fn dir(&self) -> &Path {
        &self.dir
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

    /// The power fails.
    pub fn cut(&self) {
        run("python3", &["-c", CUT], &[&self.dir]).expect("root stops a file system");
    }

    /// Nobody uses it any more; it is mounted again.
    pub fn again(&self) {
        run("umount", &[], &[&self.dir]).and_then(|()| self.attach()).expect("it was mounted before");
    }

    fn attach(&self) -> Result<(), String> {
        run("mount", &["-o", "loop"], &[&self.image, &self.dir])
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = run("fsfreeze", &["-u"], &[&self.dir]); // a test that failed may have left it so
        let _ = run("umount", &["-l"], &[&self.dir]);
    }
}

/// Runs a command; an error is what it said.
pub fn run(program: &str, flags: &[&str], paths: &[&Path]) -> Result<(), String> {
    let output =
        Command::new(program).args(flags).args(paths).output().map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}
