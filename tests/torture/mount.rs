//! File systems of the test's own: an image in a file, on a loop device.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Stops a file system as a power cut does: nothing more is written, not even its journal (NOLOGFLUSH). ext4 and XFS
/// share the number. It takes an ioctl, which is `unsafe` in Rust.
const CUT: &str =
    "import fcntl, os, struct, sys; fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";

/// A mounted file system; it goes with the value.
pub struct Mount {
    image: PathBuf,
    dir: tempfile::TempDir,
}

impl Mount {
    /// A new file system of this kind and size, with its image in `store`. `None`, and a word to whoever reads it,
    /// where that cannot be.
    pub fn new(kind: &str, mib: u64, store: &Path) -> Option<Self> {
        let image = store.join(format!("{kind}.image"));
        let file = std::fs::File::create(&image).expect("a file for the image");
        file.set_len(mib << 20).expect("a sparse file");
        let mount = Self { image, dir: tempfile::tempdir().expect("a directory to mount at") };
        let image = mount.image.to_str().expect("names are text");
        run(&[&format!("mkfs.{kind}"), "-q", image]).and_then(|()| mount.attach()).map(|()| mount)
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Stops the file system where it stands.
    pub fn cut(&self) {
        run(&["python3", "-c", CUT, self.at()]).expect("root may stop a file system");
    }

    /// Mounts it again, as after a power cut.
    pub fn again(&self) {
        run(&["umount", self.at()]).expect("nobody uses it");
        self.attach().expect("it was mounted before");
    }

    fn attach(&self) -> Option<()> {
        run(&["mount", "-o", "loop", self.image.to_str().expect("names are text"), self.at()])
    }

    fn at(&self) -> &str {
        self.path().to_str().expect("names are text")
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // It may never have been mounted. Lazily: a failed test may have left a server in it.
        let _ = Command::new("umount").args(["-l", self.at()]).output();
    }
}

/// Runs a command. `None`, and what it said, if it failed or is not there.
pub fn run(words: &[&str]) -> Option<()> {
    let said = match Command::new(words[0]).args(&words[1..]).output() {
        Ok(output) if output.status.success() => return Some(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    eprintln!("{} failed: {said}", words.join(" "));
    None
}
