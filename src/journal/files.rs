//! The real storage: one shard's directory.
//!
//! ```text
//!  shard-000/  super.0 super.1  <base>-<epoch>.wal ...  <end>.snap ...  spare.tmp  snapshot.tmp  quarantine/
//!  store -> pwrite -> page cache -> fdatasync      read (recovery) -> O_DIRECT      read_at (readers) -> page cache
//! ```
//!
//! Why O_DIRECT: after a failed sync the page cache shows what the device does not have (journal.md 1.3). A file
//! system without it (EINVAL) is asked to drop its cache instead, and [`Storage::direct_io`] says so.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::Lsn;
use super::block::PAGE;
use super::draft::FileDraft;
use super::error::JournalError;
use super::segment::Segment;
use super::spare::FileSpare;
use super::storage::{
    Page, PageBuf, SegmentFile, SegmentName, SegmentSource, SnapshotFile, Storage, snapshot_end, snapshot_name,
};

/// The unfinished snapshot.
pub(super) const DRAFT_NAME: &str = "snapshot.tmp";
/// Of the spare and the reserve.
const SPARE_NAMES: [&str; 2] = ["spare.tmp", "reserve.tmp"];
const QUARANTINE_NAME: &str = "quarantine";
/// Bytes copied to the quarantine at a time.
const COPY_LEN: usize = 1 << 20;

/// The files of one shard.
pub struct FileStorage {
    dir: PathBuf,
    spare: FileSpare,
    current: Option<Segment>,
    /// The segment that recovery reads from.
    reading: Option<(SegmentName, File)>,
    direct_io: bool,
}

impl FileStorage {
    /// Opens a shard's directory. Once per process: spares in it are taken for what an interrupted run left.
    ///
    /// # Errors
    /// [`JournalError`] if what an interrupted run left cannot be removed.
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        let spares = SPARE_NAMES.map(|name| dir.join(name));
        for leftover in spares.iter().chain([&dir.join(DRAFT_NAME)]) {
            remove_if_there(leftover)?;
        }
        let dir = dir.to_path_buf();
        Ok(Self { dir, spare: FileSpare::new(spares), current: None, reading: None, direct_io: true })
    }

    fn path(&self, segment: SegmentName) -> PathBuf {
        self.dir.join(segment.to_string())
    }

    fn super_path(&self, which: usize) -> PathBuf {
        assert!(which < 2, "there are two supers");
        self.dir.join(format!("super.{which}"))
    }

    fn open_to_write(&self, segment: SegmentName) -> Result<(File, PathBuf), JournalError> {
        let path = self.path(segment);
        let file = OpenOptions::new().read(true).write(true).open(&path);
        file.map(|file| (file, path.clone())).map_err(|error| JournalError::io("open", path, error))
    }

    /// Fills `buf`, past the page cache if the file system can.
    fn read_uncached(&mut self, path: &Path, file: &File, offset: u64, buf: &mut [u8]) -> Result<(), JournalError> {
        let result = match file.read_exact_at(buf, offset) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                self.direct_io = false;
                self.open_uncached(path).and_then(|file| file.read_exact_at(buf, offset))
            }
            result => result,
        };
        result.map_err(|error| JournalError::io("read", path, error))
    }

    fn open_uncached(&mut self, path: &Path) -> io::Result<File> {
        if planted!("page cache trusted") {
            return File::open(path);
        }
        if self.direct_io {
            let flag = rustix::fs::OFlags::DIRECT.bits() as i32;
            match OpenOptions::new().read(true).custom_flags(flag).open(path) {
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.direct_io = false,
                result => return result,
            }
        }
        let file = File::open(path)?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        Ok(file)
    }
}

impl Storage for FileStorage {
    type Spare = FileSpare;
    type Source = FileSource;
    type Draft = FileDraft;

    fn draft(&self) -> FileDraft {
        FileDraft::new(self.dir.clone())
    }

    fn spare(&self) -> FileSpare {
        self.spare.clone()
    }

    fn source(&self) -> FileSource {
        FileSource::new(self.dir.clone())
    }

    fn direct_io(&self) -> bool {
        self.direct_io
    }

    fn segments(&mut self) -> Result<Vec<SegmentFile>, JournalError> {
        list_segments(&self.dir)
    }

    fn read(&mut self, segment: SegmentName, offset: u64, buf: &mut [u8]) -> Result<(), JournalError> {
        assert!(offset.is_multiple_of(PAGE as u64) && buf.len().is_multiple_of(PAGE), "direct reads are of pages");
        let path = self.path(segment);
        let file = match self.reading.take() {
            Some((name, file)) if name == segment => file,
            _ => self.open_uncached(&path).map_err(|error| JournalError::io("open", &path, error))?,
        };
        self.read_uncached(&path, &file, offset, buf)?;
        self.reading = Some((segment, file));
        Ok(())
    }

    fn settle(&mut self, segment: SegmentName) -> Result<(), JournalError> {
        let path = self.path(segment);
        let synced = File::open(&path).and_then(|file| Ok(rustix::fs::fdatasync(file)?));
        synced.map_err(|error| JournalError::io("sync", path, error))
    }

    fn roll(&mut self, segment: SegmentName, header: &Page) -> Result<(), JournalError> {
        // First of all: nothing may be stored to a closed segment.
        self.current = None;
        self.reading = None;
        let path = self.path(segment);
        let named = self.spare.name(&path, header);
        let (file, len) = named.map_err(|error| JournalError::io("name segment", &path, error))?;
        if !planted!("no directory sync") {
            self.sync_dir()?;
        }
        self.current = Some(Segment::new(file, len));
        Ok(())
    }

    fn store(&mut self, offset: u64, header: &[u8], body: &[u8]) -> Result<(), JournalError> {
        let stored = self.current.as_ref().expect("a segment is current").store(offset, header, body);
        stored.map_err(|error| JournalError::io("write segment in", &self.dir, error))
    }

    fn sync(&mut self) -> Result<(), JournalError> {
        let current = self.current.as_ref().expect("a segment is current");
        current.sync().map_err(|error| JournalError::io("sync segment in", &self.dir, error))
    }

    fn truncate(&mut self, segment: SegmentName, len: u64) -> Result<(), JournalError> {
        let (file, path) = self.open_to_write(segment)?;
        let cut = file.set_len(len).and_then(|()| file.sync_all());
        cut.map_err(|error| JournalError::io("truncate", path, error))
    }

    fn remove(&mut self, segment: SegmentName) -> Result<(), JournalError> {
        let path = self.path(segment);
        fs::remove_file(&path).map_err(|error| JournalError::io("remove", path, error))
    }

    fn quarantine(&mut self, segment: SegmentName, offset: u64, len: u64) -> Result<String, JournalError> {
        let dir = quarantine_dir(&self.dir)?;
        let name = format!("{segment}.{offset:x}");
        let path = dir.join(&name);
        let failed = |error| JournalError::io("write", &path, error);
        let copy =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).map_err(failed)?;
        let mut piece = PageBuf::new(COPY_LEN);
        let mut done = 0;
        while done < len {
            let piece = &mut piece.bytes_mut()[..(len - done).min(COPY_LEN as u64) as usize];
            self.read(segment, offset + done, piece)?;
            copy.write_all_at(piece, done).map_err(failed)?;
            done += piece.len() as u64;
        }
        copy.sync_all().map_err(failed)?;
        sync_dir(&dir)?;
        self.sync_dir()?;
        Ok(name)
    }

    fn snapshots(&mut self) -> Result<Vec<SnapshotFile>, JournalError> {
        list_snapshots(&self.dir)
    }

    fn read_snapshot(&mut self, end: Lsn, offset: u64, buf: &mut [u8]) -> Result<(), JournalError> {
        let path = self.dir.join(snapshot_name(end));
        let file = self.open_uncached(&path).map_err(|error| JournalError::io("open", &path, error))?;
        self.read_uncached(&path, &file, offset, buf)
    }

    fn set_snapshot_aside(&mut self, end: Lsn) -> Result<(), JournalError> {
        let (dir, name) = (quarantine_dir(&self.dir)?, snapshot_name(end));
        let path = self.dir.join(&name);
        fs::rename(&path, dir.join(&name)).map_err(|error| JournalError::io("rename", path, error))?;
        sync_dir(&dir)?;
        self.sync_dir()
    }

    fn read_super(&mut self, which: usize) -> Result<Option<Box<Page>>, JournalError> {
        let path = self.super_path(which);
        let file = match self.open_uncached(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            result => result.map_err(|error| JournalError::io("open", &path, error))?,
        };
        let len = file.metadata().map_err(|error| JournalError::io("read", &path, error))?.len();
        if len < PAGE as u64 {
            return Ok(None);
        }
        let mut buf = PageBuf::new(PAGE);
        self.read_uncached(&path, &file, 0, buf.bytes_mut())?;
        let mut page = Box::new([0; PAGE]);
        page.copy_from_slice(buf.bytes());
        Ok(Some(page))
    }

    fn write_super(&mut self, which: usize, page: &Page) -> Result<(), JournalError> {
        let path = self.super_path(which);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let written = file.and_then(|file| {
            file.write_all_at(page, 0)?;
            Ok(rustix::fs::fdatasync(&file)?)
        });
        written.map_err(|error| JournalError::io("write", path, error))
    }

    fn sync_dir(&mut self) -> Result<(), JournalError> {
        sync_dir(&self.dir)
    }
}

/// The segments in `dir`, by base and epoch.
pub(super) fn list_segments(dir: &Path) -> Result<Vec<SegmentFile>, JournalError> {
    let mut found = list(dir, |name, len| Some(SegmentFile { name: SegmentName::parse(name)?, len }))?;
    found.sort_unstable_by_key(|file| file.name);
    Ok(found)
}

/// The snapshots in `dir`, oldest first.
pub(super) fn list_snapshots(dir: &Path) -> Result<Vec<SnapshotFile>, JournalError> {
    let mut found = list(dir, |name, len| Some(SnapshotFile { end: snapshot_end(name)?, len }))?;
    found.sort_unstable_by_key(|file| file.end);
    Ok(found)
}

/// What `known` makes of the names and lengths in `dir`, in no order.
fn list<T>(dir: &Path, known: impl Fn(&str, u64) -> Option<T>) -> Result<Vec<T>, JournalError> {
    let failed = |error| JournalError::io("list", dir, error);
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        match entry.metadata() {
            Ok(metadata) => found.extend(entry.file_name().to_str().and_then(|name| known(name, metadata.len()))),
            // Somebody removed it since: a running server lets go of what it does not need.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(found)
}

/// Removes a file that may not be there.
pub(super) fn remove_if_there(path: &Path) -> Result<(), JournalError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(JournalError::io("remove", path, error)),
        _ => Ok(()),
    }
}

/// The quarantine of the shard whose directory is `dir`, made if it is not there.
pub(super) fn quarantine_dir(dir: &Path) -> Result<PathBuf, JournalError> {
    let dir = dir.join(QUARANTINE_NAME);
    match DirBuilder::new().mode(0o700).create(&dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(JournalError::io("create directory", dir, error))
        }
        _ => Ok(dir),
    }
}

/// Makes the names in a directory durable.
///
/// # Errors
/// [`JournalError`].
pub fn sync_dir(dir: &Path) -> Result<(), JournalError> {
    let synced = File::open(dir).and_then(|file| file.sync_all());
    synced.map_err(|error| JournalError::io("sync directory", dir, error))
}

/// Reads a shard's segments through the page cache. Keeps the newest one open; a clone opens its own.
#[derive(Debug)]
pub struct FileSource {
    dir: PathBuf,
    /// The segment that was read last.
    open: Option<(SegmentName, File)>,
}

impl Clone for FileSource {
    fn clone(&self) -> Self {
        Self::new(self.dir.clone())
    }
}

impl FileSource {
    /// Reads the segments in `dir`.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, open: None }
    }
}

impl SegmentSource for FileSource {
    fn read_at(&mut self, segment: SegmentName, offset: u64, buf: &mut [u8]) -> Result<usize, JournalError> {
        let path = || self.dir.join(segment.to_string());
        let failed = |error| JournalError::io("read", path(), error);
        let file = match &self.open {
            Some((name, file)) if *name == segment => file,
            _ => &self.open.insert((segment, File::open(path()).map_err(failed)?)).1,
        };
        let mut filled = 0;
        while filled < buf.len() {
            match file.read_at(&mut buf[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(more) => filled += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(filled)
    }
}
