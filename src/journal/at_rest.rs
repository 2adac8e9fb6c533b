//! A data directory as its files stand, without a server: only read, never locked, never changed.
//!
//! ```text
//!  data-dir/ MANIFEST, shard-nnn/      every shard that the manifest names
//!  shard-nnn/ or any directory of      one log; whose it is, its segments say
//!  copied segments
//!  one segment                         the same
//! ```
//!
//! The server may be running: supers are read before the segments are listed, so what a super proves stands in the
//! segments of the list; and once more after it, for which of them are needed: a server that trims its log says so in
//! a super before it removes a file. Reads go through the page cache. A direct read would make the kernel write a running server's
//! dirty pages first, and a warm cache is several times faster than any disk; what the disk holds after an I/O error
//! is recovery's question.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use super::block::PAGE;
use super::data_dir::shard_path;
use super::error::{Case, JournalError, Refusal};
use super::files::{FileSource, list_segments, list_snapshots};
use super::manifest::{self, Manifest};
use super::reader::Reader;
use super::segment_header::{HeaderFault, SEGMENT_FORMAT, SegmentHeader};
use super::storage::{Page, Pages, SegmentFile, SegmentName, SnapshotFile};
use super::super_page::{self, Super};
use super::survey::Head;
use super::{LogId, Lsn};

/// Name of the file that says, where there is no manifest yet, that the directory is being made: what has no manifest is
/// otherwise taken for copied segments.
pub const INCOMPLETE_NAME: &str = "INCOMPLETE";

/// A live server may be writing the super that is read: so often it is read again before it counts as damaged.
const SUPER_TRIES: usize = 3;

/// What is found at a path.
#[derive(Debug)]
pub struct RestingDir {
    /// Identity and shape; `None` for segments without a manifest, or if it is damaged.
    pub manifest: Option<Manifest>,
    /// What is wrong with the manifest.
    pub manifest_fault: Option<JournalError>,
    /// The logs, by shard: those that can be opened, and why others cannot.
    pub logs: Vec<Result<RestingLog, JournalError>>,
}

/// The log of one shard.
#[derive(Clone, Debug)]
pub struct RestingLog {
    pub(super) dir: PathBuf,
    pub(super) id: LogId,
    pub(super) files: Vec<SegmentFile>,
    /// `None`: copied segments have none.
    pub(super) last_super: Option<Super>,
    /// Its snapshots, the oldest first.
    snapshots: Vec<SnapshotFile>,
    /// Segments that are not needed any more, and still there.
    leftovers: usize,
}

/// What a super knows of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Of the newest segment; 0 before the first start.
    pub epoch: u64,
    /// Where the first segment that is needed begins.
    pub oldest_lsn: Lsn,
    /// All below it is on disk, and the chain there.
    pub durable: Head,
}

impl RestingDir {
    /// Looks at `path`: a data directory, a directory of segments, or a segment. `None` if it is none of these.
    ///
    /// # Errors
    /// [`JournalError::Io`] if the path cannot be looked at. What is damaged is no error here.
    pub fn open(path: &Path) -> Result<Option<Self>, JournalError> {
        let metadata = fs::metadata(path).map_err(|error| JournalError::io("open", path, error))?;
        if !metadata.is_dir() {
            let log = RestingLog::of_segment(path)?;
            return Ok(log.map(|log| Self { manifest: None, manifest_fault: None, logs: vec![Ok(log)] }));
        }
        let (manifest, manifest_fault) = match Manifest::read(path) {
            Ok(manifest) => (manifest, None),
            Err(error @ JournalError::Io { .. }) => return Err(error),
            Err(fault) => (None, Some(fault)),
        };
        if let Some(manifest) = manifest {
            let log = |shard| RestingLog::of_shard(&shard_path(path, shard), manifest.log_id(shard));
            let logs = (0..manifest.shards).map(log).collect();
            return Ok(Some(Self { manifest: Some(manifest), manifest_fault, logs }));
        }
        let mut logs = Vec::new();
        for dir in directories(path)? {
            logs.extend(RestingLog::of_segments(&dir).transpose());
        }
        let is_half = path.join(INCOMPLETE_NAME).exists();
        let manifest_fault = manifest_fault.or_else(|| is_half.then(|| incomplete(path)));
        let is_one = !logs.is_empty() || manifest_fault.is_some();
        Ok(is_one.then_some(Self { manifest, manifest_fault, logs }))
    }
}

impl RestingDir {
    /// Length of all segments in bytes.
    pub fn len(&self) -> u64 {
        self.logs.iter().flatten().map(RestingLog::len).sum()
    }

    /// The same, and what has to be read again, or nearly so, to compare snapshots with the log.
    pub fn replayed_len(&self) -> u64 {
        self.logs.iter().flatten().map(|log| log.len() * if log.snapshots.is_empty() { 1 } else { 2 }).sum()
    }

    /// Whether there is no segment.
    pub fn is_empty(&self) -> bool {
        self.logs.iter().flatten().all(RestingLog::is_empty)
    }
}

impl RestingLog {
    /// The log of a shard whose identity is known.
    ///
    /// # Errors
    /// [`JournalError`] if the directory cannot be listed, or no super is valid.
    pub fn of_shard(dir: &Path, id: LogId) -> Result<Self, JournalError> {
        let known = read_super(dir, id)?;
        let log = Self::without_supers(dir, id)?;
        let oldest_lsn = read_super(dir, id)?.oldest_lsn;
        let (files, old): (Vec<_>, Vec<_>) = log.files.iter().partition(|file| file.name.base >= oldest_lsn);
        Ok(Self { files, last_super: Some(Super { oldest_lsn, ..known }), leftovers: old.len(), ..log })
    }

    /// The same, with no look at the supers.
    ///
    /// # Errors
    /// [`JournalError`] if the directory cannot be listed.
    pub fn without_supers(dir: &Path, id: LogId) -> Result<Self, JournalError> {
        // In this order: the log of a snapshot on the list is then in the segments of the list.
        let (snapshots, files) = (list_snapshots(dir)?, list_segments(dir)?);
        Ok(Self { dir: dir.to_path_buf(), id, files, last_super: None, snapshots, leftovers: 0 })
    }

    /// The log of a directory that holds segments, and supers or not. `None` if there are no segments.
    fn of_segments(dir: &Path) -> Result<Option<Self>, JournalError> {
        let files = list_segments(dir)?;
        let Some(first) = files.first() else { return Ok(None) };
        let headers = files.iter().map(|file| read_header(&dir.join(file.name.to_string())));
        let Some(header) = headers.filter_map(Result::ok).next() else {
            return Err(damaged_header(Some(first.name)));
        };
        if super_path(dir, 0).exists() || super_path(dir, 1).exists() {
            return Self::of_shard(dir, header.id).map(Some);
        }
        Self::without_supers(dir, header.id).map(Some)
    }

    /// The log that one segment is, whatever its file is called. `None` if the file cannot be one.
    ///
    /// # Errors
    /// [`JournalError`] if its header is damaged or cannot be read: without its salt no block can be checked.
    pub fn of_segment(path: &Path) -> Result<Option<Self>, JournalError> {
        let header = match read_header(path) {
            Ok(header) => header,
            Err(_) if SegmentName::parse(&file_name(path)).is_none() => return Ok(None),
            Err(error) => return Err(error),
        };
        let len = fs::metadata(path).map_err(|error| JournalError::io("open", path, error))?.len();
        let files = vec![SegmentFile { name: header.name, len }];
        let (dir, id, snapshots) = (path.to_path_buf(), header.id, Vec::new());
        Ok(Some(Self { dir, id, files, last_super: None, snapshots, leftovers: 0 }))
    }

    /// Whose log.
    pub fn id(&self) -> LogId {
        self.id
    }

    /// The directory that it is in, or the one file that it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The segments that are needed, the oldest first.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = SegmentName> + ExactSizeIterator {
        self.files.iter().map(|file| file.name)
    }

    /// Its snapshots, the oldest first.
    pub fn snapshots(&self) -> &[SnapshotFile] {
        &self.snapshots
    }

    /// How many segments are there that the super does not need any more: a trim did not come to its end.
    pub fn leftovers(&self) -> usize {
        self.leftovers
    }

    /// What the newest super knows; `None` if there are no supers.
    pub fn known(&self) -> Option<Known> {
        let found = self.last_super.as_ref()?;
        let durable = (found.durable_lsn, found.chain);
        Some(Known { epoch: found.epoch, oldest_lsn: found.oldest_lsn, durable })
    }

    /// The same without what the supers know of it.
    #[must_use]
    pub fn alone(&self) -> Self {
        Self { last_super: None, ..self.clone() }
    }

    /// The segments that hold what is between two positions, without what the supers know.
    #[must_use]
    pub fn between(&self, from: Lsn, to: Lsn) -> Self {
        let mut part = self.alone();
        part.files.truncate(part.files.partition_point(|file| file.name.base < to));
        part.files.drain(..part.files.partition_point(|file| file.name.base <= from).saturating_sub(1));
        part
    }

    /// The newest segment alone: what tells the log's head.
    #[must_use]
    pub fn newest(mut self) -> Self {
        self.files.drain(..self.files.len().saturating_sub(1));
        if let Some((file, known)) = self.files.first().zip(self.last_super.as_mut()) {
            known.oldest_lsn = file.name.base;
            if known.durable_lsn < file.name.base {
                self.last_super = None;
            }
        }
        self
    }

    /// Length of all segments in bytes.
    pub fn len(&self) -> u64 {
        self.files.iter().map(|file| file.len).sum()
    }

    /// Whether there is no segment.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Where the oldest segment begins; 0 if there is none.
    pub fn first_lsn(&self) -> Lsn {
        self.files.first().map_or(0, |file| file.name.base)
    }

    /// Number of segments.
    pub fn segment_count(&self) -> usize {
        self.files.len()
    }

    /// Shard time when the segment was begun, in unix milliseconds: later than every entry before it.
    ///
    /// # Errors
    /// [`JournalError`] if its header is damaged or cannot be read.
    pub fn created_ms(&self, segment: SegmentName) -> Result<u64, JournalError> {
        read_header(&self.path(segment)).map(|header| header.created_ms)
    }

    /// A reader of single records.
    pub fn reader(&self) -> Reader<FileSource> {
        let segments = self.files.iter().map(|file| file.name).collect();
        Reader::new(FileSource::new(self.dir.clone()), Arc::new(RwLock::new(segments)))
    }

    /// Where the segment stands: its name in the directory, or the one file that the log is.
    pub(super) fn path(&self, segment: SegmentName) -> PathBuf {
        if self.dir.is_dir() { self.dir.join(segment.to_string()) } else { self.dir.clone() }
    }
}

/// One open segment, read through the page cache.
pub(super) struct RestingFile {
    path: PathBuf,
    file: File,
}

impl RestingFile {
    pub fn open(path: PathBuf) -> Result<Self, JournalError> {
        let file = File::open(&path).map_err(|error| JournalError::io("open", &path, error))?;
        // Only advice: a file system that does not take it reads all the same.
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Sequential);
        Ok(Self { path, file })
    }
}

impl Pages for RestingFile {
    /// From the page cache: what the processor's own cache holds while it is copied, hashed and decoded.
    const READ_LEN_MAX: usize = 256 << 10;

    fn read_pages(&mut self, _: SegmentName, offset: u64, buf: &mut [u8]) -> Result<(), JournalError> {
        self.file.read_exact_at(buf, offset).map_err(|error| JournalError::io("read", &self.path, error))
    }
}

pub(super) fn incomplete(path: &Path) -> JournalError {
    manifest::refusal(format!("{} is what an interrupted backup or restore left: remove it", path.display()))
}

/// `path` if it holds segments, else its subdirectories, by name.
fn directories(path: &Path) -> Result<Vec<PathBuf>, JournalError> {
    if !list_segments(path)?.is_empty() {
        return Ok(vec![path.to_path_buf()]);
    }
    let failed = |error| JournalError::io("list", path, error);
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?.path();
        if entry.is_dir() {
            found.push(entry);
        }
    }
    found.sort();
    Ok(found)
}

fn read_super(dir: &Path, id: LogId) -> Result<Super, JournalError> {
    let mut tries = 1;
    loop {
        let pages = [page(&super_path(dir, 0))?, page(&super_path(dir, 1))?];
        match super_page::newest_of(pages, id) {
            Err(_) if tries < SUPER_TRIES => tries += 1,
            result => return result,
        }
    }
}

pub(super) fn read_header(path: &Path) -> Result<SegmentHeader, JournalError> {
    let name = SegmentName::parse(&file_name(path));
    let page = page(path)?.ok_or_else(|| damaged_header(name))?;
    SegmentHeader::from_page(&page[..]).map_err(|fault| match fault {
        HeaderFault::Damaged => damaged_header(name),
        HeaderFault::Format(found) => {
            JournalError::Format { what: path.display().to_string(), found, known: SEGMENT_FORMAT }
        }
    })
}

fn damaged_header(segment: Option<SegmentName>) -> JournalError {
    let detail = "the segment header is damaged, and with it the salt of every block's checksum".to_owned();
    Box::new(Refusal { case: Case::Damaged, shard: None, segment, offset: 0, lost: None, detail }).into()
}

fn super_path(dir: &Path, which: usize) -> PathBuf {
    dir.join(format!("super.{which}"))
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// The first page of a file; `None` if there is no such file, or not a page of it.
fn page(path: &Path) -> Result<Option<Box<Page>>, JournalError> {
    let mut page = Box::new([0; PAGE]);
    match File::open(path).and_then(|file| file.read_exact_at(&mut page[..], 0)) {
        Ok(()) => Ok(Some(page)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => Ok(None),
        Err(error) => Err(JournalError::io("read", path, error)),
    }
}
