//! Writes pages that nobody will read soon: past the page cache, and synced.
//!
//! Straight to the device (O_DIRECT): no copy, an eighth of the CPU, and commits beside it do not wait for a flood of
//! written pages. A file system that cannot do that (EINVAL) takes them through its cache, which is then dropped: pages
//! that stay would come in large folios, and then a commit of 256 bytes writes 1 MiB to the device (decision 0007).

use std::fs::{File, OpenOptions};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Advice, OFlags};

/// A file that is written past the page cache, if its file system can.
pub(super) struct Uncached {
    file: File,
    direct: Option<File>,
}

impl Uncached {
    /// `file` is open for writing, and the one at `path`.
    pub(super) fn new(file: File, path: &Path) -> Self {
        let direct = OpenOptions::new().write(true).custom_flags(OFlags::DIRECT.bits() as i32).open(path).ok();
        Self { file, direct }
    }

    /// Writes whole pages from memory that is aligned like them, at the start of one, and syncs them.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn write(&mut self, offset: u64, pages: &[u8]) -> io::Result<()> {
        match self.direct.as_ref().map(|direct| direct.write_all_at(pages, offset)) {
            Some(Err(error)) if error.kind() == io::ErrorKind::InvalidInput => self.direct = None,
            Some(result) => result?,
            None => {}
        }
        if self.direct.is_none() {
            self.file.write_all_at(pages, offset)?;
        }
        rustix::fs::fdatasync(&self.file)?;
        if self.direct.is_none() {
            rustix::fs::fadvise(&self.file, offset, NonZeroU64::new(pages.len() as u64), Advice::DontNeed)?;
        }
        Ok(())
    }

    /// The file, through the page cache.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// The same, for good.
    pub(super) fn into_file(self) -> File {
        self.file
    }
}
