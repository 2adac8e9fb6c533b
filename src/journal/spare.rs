//! Makes the next segment's file: allocated, zeroed and synced, so that a commit only overwrites.
//!
//! One step is 1 MiB of zeros past the page cache ([`super::uncached`]) and their sync, so that commits beside it do not
//! feel it. The file under construction stands behind a lock that is held for one step: a helper thread works at it, and
//! the committer finishes what is missing when it needs it.
//!
//! ```text
//!  step ─────────▶ spare ──(name)──▶ the next segment
//!                    ▲ take_reserve: the disk is full, and no spare can be made
//!  step_reserve ─▶ reserve
//! ```
//! Two paths are enough, for there are never more than two such files: either may be the spare.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use super::block::PAGE;
use super::error::JournalError;
use super::storage::{Page, PageBuf, Spare};
use super::uncached::Uncached;

/// Bytes zeroed and synced in one step.
const STEP_LEN: usize = 1 << 20;

/// Makes one shard's spares. Clones work on the same files.
#[derive(Clone)]
pub struct FileSpare {
    paths: [PathBuf; 2],
    files: Arc<Mutex<Files>>,
}

/// What there is.
#[derive(Default)]
struct Files {
    spare: Option<Making>,
    reserve: Option<Making>,
}

/// A file under construction, or finished.
struct Making {
    path: PathBuf,
    file: Uncached,
    zeros: PageBuf,
    len: u64,
    zeroed: u64,
}

impl FileSpare {
    /// Makes spares at `paths`, where no files are.
    pub(super) fn new(paths: [PathBuf; 2]) -> Self {
        Self { paths, files: Arc::default() }
    }

    /// Writes the first page of the finished spare, syncs it and gives it its name: from then on it is no spare. Under the
    /// lock, for a helper that comes late begins the next one at the same path.
    ///
    /// # Errors
    /// The system's. "No room" is only said of the new name; then the spare is as finished as before.
    ///
    /// # Panics
    /// If no spare is finished.
    pub(super) fn name(&self, path: &Path, header: &Page) -> io::Result<(File, u64)> {
        let spare = &mut self.locked().spare;
        let made = spare.as_ref().filter(|made| made.is_finished()).expect("the committer finishes the spare");
        // A page that was allocated and zeroed needs no room: if it cannot be written, that is a fault of the device.
        let sync = |file| if planted!("header not synced") { Ok(()) } else { Ok(rustix::fs::fdatasync(file)?) };
        let file = made.file.file();
        let written = file.write_all_at(header, 0).and_then(|()| sync(file));
        written.map_err(io::Error::other)?;
        std::fs::rename(&made.path, path)?;
        let made = spare.take().expect("just seen");
        Ok((made.file.into_file(), made.len))
    }

    fn locked(&self) -> MutexGuard<'_, Files> {
        self.files.lock().expect("no panic under this lock")
    }

    /// Does one step of making the file of `slot`; `other` is the one beside it.
    fn make(&self, slot: &mut Option<Making>, other: Option<&Making>, len: u64) -> Result<Option<u64>, JournalError> {
        assert!(len.is_multiple_of(PAGE as u64), "a segment is made of pages");
        let is_free = |path: &&PathBuf| other.is_none_or(|other| other.path != **path);
        let path = self.paths.iter().find(is_free).expect("one file is beside it, or none");
        let result = match slot.as_mut() {
            Some(made) if made.is_finished() => return Ok(Some(made.len)),
            Some(made) => made.step(),
            None => Making::begin(path.clone(), len).map(|made| *slot = Some(made)),
        };
        result.map_err(|source| {
            let path = slot.take().map_or_else(|| path.clone(), Making::give_up);
            JournalError::io("make segment", path, source)
        })?;
        Ok(slot.as_ref().filter(|made| made.is_finished()).map(|made| made.len))
    }
}

impl Making {
    /// Creates the file and allocates it, if there is room for all of it: what tries and fails takes the last bytes from
    /// everybody else for a moment.
    fn begin(path: PathBuf, len: u64) -> io::Result<Self> {
        let free = path.parent().map(rustix::fs::statvfs).transpose()?;
        let free = free.filter(|fs| fs.f_blocks > 0).map_or(u64::MAX, |fs| fs.f_bavail.saturating_mul(fs.f_frsize));
        if free < len {
            let needed = format!("{len} bytes are needed and {free} are free");
            return Err(io::Error::new(io::ErrorKind::StorageFull, needed));
        }
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        let file = Uncached::new(file, &path);
        let made = Self { path, file, zeros: PageBuf::new(STEP_LEN), len, zeroed: 0 };
        match rustix::fs::fallocate(made.file.file(), rustix::fs::FallocateFlags::empty(), 0, len) {
            // A file system that cannot allocate ahead still does so for the zeros that follow.
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => Ok(made),
            Err(error) => {
                made.give_up();
                Err(error.into())
            }
        }
    }

    /// Removes the file. Best effort: what stays behind is removed at the next start.
    fn give_up(self) -> PathBuf {
        let _ = std::fs::remove_file(&self.path);
        self.path
    }

    fn is_finished(&self) -> bool {
        self.zeroed == self.len
    }

    fn step(&mut self) -> io::Result<()> {
        let zeros = &self.zeros.bytes()[..(self.len - self.zeroed).min(STEP_LEN as u64) as usize];
        self.file.write(self.zeroed, zeros)?;
        self.zeroed += zeros.len() as u64;
        Ok(())
    }
}

impl Spare for FileSpare {
    fn step(&self, len: u64) -> Result<Option<u64>, JournalError> {
        let Files { spare, reserve } = &mut *self.locked();
        self.make(spare, reserve.as_ref(), len)
    }

    fn is_ready(&self) -> bool {
        self.locked().spare.as_ref().is_some_and(Making::is_finished)
    }

    fn step_reserve(&self, len: u64) -> Result<Option<u64>, JournalError> {
        let Files { spare, reserve } = &mut *self.locked();
        self.make(reserve, spare.as_ref(), len)
    }

    fn has_reserve(&self) -> bool {
        self.locked().reserve.as_ref().is_some_and(Making::is_finished)
    }

    fn take_reserve(&self) -> bool {
        let Files { spare, reserve } = &mut *self.locked();
        let Some(made) = reserve.take_if(|made| made.is_finished()) else { return false };
        if let Some(unfinished) = spare.replace(made) {
            unfinished.give_up();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(dir: &Path) -> [PathBuf; 2] {
        ["spare.tmp", "reserve.tmp"].map(|name| dir.join(name))
    }

    #[test]
    fn a_spare_grows_in_steps_and_is_named_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let spare = FileSpare::new(paths(dir.path()));
        let helper = spare.clone();
        assert_eq!(spare.step(3 << 20).expect("begun"), None);
        assert_eq!(helper.step(3 << 20).expect("1 MiB"), None);
        assert!(!spare.is_ready());
        assert_eq!(spare.step(9 << 20).expect("2 MiB"), None);
        assert_eq!(helper.step(3 << 20).expect("3 MiB"), Some(3 << 20), "as it was begun");
        assert_eq!(spare.step(9 << 20).expect("nothing to do"), Some(3 << 20));
        let path = dir.path().join("segment");
        let (file, len) = spare.name(&path, &[7; PAGE]).expect("named");
        assert_eq!((file.metadata().expect("a file").len(), len), (3 << 20, 3 << 20));
        let bytes = std::fs::read(&path).expect("under its name");
        assert!(bytes[..PAGE] == [7; PAGE] && bytes[PAGE..].iter().all(|byte| *byte == 0));
        assert!(!helper.is_ready());
        assert_eq!(helper.step(1 << 20).expect("the next one, though nobody waits for it"), None);
        assert_eq!((helper.step(1 << 20).expect("made"), bytes.len()), (Some(1 << 20), 3 << 20));
    }

    #[test]
    fn a_reserve_is_a_spare_of_its_own_until_it_is_taken() {
        let dir = tempfile::tempdir().expect("a directory");
        let spare = FileSpare::new(paths(dir.path()));
        assert_eq!(spare.step_reserve(1 << 20).expect("begun"), None);
        assert!(!spare.take_reserve(), "half a file is none");
        assert_eq!(spare.step_reserve(1 << 20).expect("made"), Some(1 << 20));
        assert_eq!(spare.step(2 << 20).expect("begun beside it"), None);
        assert!(spare.take_reserve() && spare.is_ready() && !spare.has_reserve());
        assert_eq!(spare.step_reserve(1 << 20).expect("the next one, at the path that is free"), None);
        let (_, len) = spare.name(&dir.path().join("segment"), &[7; PAGE]).expect("named");
        assert_eq!((len, std::fs::read_dir(dir.path()).expect("a directory").count()), (1 << 20, 2));
        assert_eq!(spare.step(1 << 50).expect_err("no disk has a pebibyte").exit_code(), 28);
        assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 2, "nothing is left of it");
    }

    #[test]
    fn a_file_in_the_way_is_an_error_not_a_segment() {
        let dir = tempfile::tempdir().expect("a directory");
        let spare = FileSpare::new(paths(&dir.path().join("gone")));
        assert_eq!(spare.step(1 << 20).expect_err("no such directory").exit_code(), 70);
        assert!(!spare.is_ready());
        let [path, _] = paths(dir.path());
        std::fs::write(&path, b"mine").expect("written");
        assert_eq!(FileSpare::new(paths(dir.path())).step(1 << 20).expect_err("in the way").exit_code(), 70);
        assert_eq!(std::fs::read(&path).expect("still there"), b"mine");
    }
}
