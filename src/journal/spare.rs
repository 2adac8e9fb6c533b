//! Makes the next segment's file: allocated, zeroed and synced, so that a commit only overwrites.
//!
//! Zeros go straight to the device (O_DIRECT), a MiB at a time: no copy, no page cache that nobody will read, an eighth
//! of the CPU. A file system that cannot do that (EINVAL) takes them through its cache, which is then dropped: pages
//! that stay would come in large folios, and then a commit of 256 bytes writes 1 MiB to the device (decision 0007).
//! One step is 1 MiB and its sync, so that commits beside it do not feel it. The file under construction stands behind a
//! lock that is held for one step: a helper thread works at it, and the committer finishes what is missing when it needs it.

use std::fs::{File, OpenOptions};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use rustix::fs::Advice;

use super::block::PAGE;
use super::error::JournalError;
use super::storage::{Page, PageBuf, Spare};

/// Bytes zeroed and synced in one step.
const STEP_LEN: usize = 1 << 20;

/// Makes one shard's spares. Clones work on the same file.
#[derive(Clone)]
pub struct FileSpare {
    path: PathBuf,
    making: Arc<Mutex<Option<Making>>>,
}

/// The file under construction.
struct Making {
    file: File,
    /// The same file past the page cache, if the file system can.
    direct: Option<File>,
    zeros: PageBuf,
    len: u64,
    zeroed: u64,
}

impl FileSpare {
    /// Makes spares at `path`, where no file is.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, making: Arc::default() }
    }

    /// Writes the first page of the finished spare, syncs it and gives it its name: from then on it is no spare. Under the
    /// lock, for a helper that comes late begins the next one at the same path.
    ///
    /// # Panics
    /// If no spare is finished.
    pub(super) fn name(&self, path: &Path, header: &Page) -> io::Result<(File, u64)> {
        let mut making = self.locked();
        let made = making.as_ref().filter(|made| made.zeroed == made.len).expect("the committer finishes the spare");
        made.file.write_all_at(header, 0)?;
        rustix::fs::fdatasync(&made.file)?;
        std::fs::rename(&self.path, path)?;
        let made = making.take().expect("just seen");
        Ok((made.file, made.len))
    }

    /// Removes the file. Best effort: what stays behind is removed at the next start.
    fn give_up(&self) {
        let _ = std::fs::remove_file(&self.path);
    }

    fn locked(&self) -> MutexGuard<'_, Option<Making>> {
        self.making.lock().expect("no panic under this lock")
    }

    fn begin(&self, len: u64) -> io::Result<Making> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&self.path)?;
        match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, len) {
            // A file system that cannot allocate ahead still does so for the zeros that follow.
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => {}
            Err(error) => {
                self.give_up();
                return Err(error.into());
            }
        }
        let flag = rustix::fs::OFlags::DIRECT.bits() as i32;
        let direct = OpenOptions::new().write(true).custom_flags(flag).open(&self.path).ok();
        Ok(Making { file, direct, zeros: PageBuf::new(STEP_LEN), len, zeroed: 0 })
    }
}

impl Making {
    fn step(&mut self) -> io::Result<()> {
        let zeros = &self.zeros.bytes()[..(self.len - self.zeroed).min(STEP_LEN as u64) as usize];
        match self.direct.as_ref().map(|direct| direct.write_all_at(zeros, self.zeroed)) {
            Some(Err(error)) if error.kind() == io::ErrorKind::InvalidInput => self.direct = None,
            Some(result) => result?,
            None => {}
        }
        if self.direct.is_none() {
            self.file.write_all_at(zeros, self.zeroed)?;
        }
        rustix::fs::fdatasync(&self.file)?;
        if self.direct.is_none() {
            rustix::fs::fadvise(&self.file, self.zeroed, NonZeroU64::new(zeros.len() as u64), Advice::DontNeed)?;
        }
        self.zeroed += zeros.len() as u64;
        Ok(())
    }
}

impl Spare for FileSpare {
    fn step(&self, len: u64) -> Result<Option<u64>, JournalError> {
        assert!(len.is_multiple_of(PAGE as u64), "a segment is made of pages");
        let mut making = self.locked();
        let result = match making.as_mut() {
            Some(made) if made.zeroed == made.len => return Ok(Some(made.len)),
            Some(made) => made.step(),
            None => self.begin(len).map(|made| *making = Some(made)),
        };
        result.map_err(|source| {
            if making.take().is_some() {
                self.give_up();
            }
            JournalError::io("make segment", &self.path, source)
        })?;
        Ok(making.as_ref().filter(|made| made.zeroed == made.len).map(|made| made.len))
    }

    fn is_ready(&self) -> bool {
        self.locked().as_ref().is_some_and(|made| made.zeroed == made.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spare_grows_in_steps_and_is_named_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let spare = FileSpare::new(dir.path().join("spare.tmp"));
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
    fn a_file_in_the_way_is_an_error_not_a_segment() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("gone").join("spare.tmp");
        let spare = FileSpare::new(path);
        assert_eq!(spare.step(1 << 20).expect_err("no such directory").exit_code(), 70);
        assert!(!spare.is_ready());
        let path = dir.path().join("somebody's");
        std::fs::write(&path, b"mine").expect("written");
        assert_eq!(FileSpare::new(path.clone()).step(1 << 20).expect_err("in the way").exit_code(), 70);
        assert_eq!(std::fs::read(&path).expect("still there"), b"mine");
    }
}
