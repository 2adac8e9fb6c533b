//! A backup of a data directory, made while a server may be running on it.
//!
//! ```text
//!  shard-nnn/  closed segments, snapshots ── hard link, or copy ──▶  DEST.tmp/shard-nnn/ ─ verify ─▶ BACKUP ─▶ DEST
//!              newest segment ── copy, cut behind its last block ─▶
//!              what its supers know ── proven by verify              supers of its own: all up to the cut
//! ```
//!
//! A hard link is safe because nobody writes to these files again: a segment that another of its epoch follows is
//! sealed, and a snapshot is whole when it gets its name. (The last segment of an epoch may be shortened by the start
//! that follows: it is copied.) The newest segment is copied while it is written to; what stands in it
//! before its last whole block is in the backup, so everything that was acknowledged before the backup began is; but
//! shards are copied one after the other, and what claims make of that is cut back to one [`moment`](mod@super::moment).
//!
//! Invariant: what bears the name DEST was verified and holds the list `BACKUP`; anything less is called `DEST.tmp`.
//! Absent on purpose: a lock: the server goes on.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::journal::at_rest::INCOMPLETE_NAME;
use crate::journal::files::sync_dir;
use crate::journal::manifest::{MANIFEST_NAME, Manifest};
use crate::journal::repair::{REPAIRS_NAME, clear_behind, write_supers};
use crate::journal::storage::snapshot_name;
use crate::journal::{Head as Place, JournalError, Known, LogId, RestingDir, RestingLog, shard_path};
use crate::ledger::id::Lsn;

use super::failure::Failure;
use super::head::{Head, Hex};
use super::moment::{Tail, agree};
use super::verify::{Depth, Progress, verify};
use super::whole;

/// Name of the list in a backup.
pub(super) const LIST_NAME: &str = "BACKUP";

/// A server that trims or saves takes files away, and what is copied while it is written may be torn: so often a shard
/// is begun anew.
const TRIES: usize = 3;

const PIECE_LEN: usize = 1 << 20;

/// What is in a backup: the content of its file `BACKUP`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Backup {
    /// When it was begun, RFC 3339.
    pub created: String,
    /// By shard.
    pub shards: Vec<Extent>,
    /// All other files, in the order in which they are to be restored.
    pub(super) files: Vec<Kept>,
}

/// What a backup has of one shard's log.
#[derive(Debug, Serialize, Deserialize)]
pub struct Extent {
    /// Where it begins; later than 0 if a snapshot stands for what was before.
    pub from_lsn: u64,
    /// Where it ends.
    #[serde(flatten)]
    pub head: Head,
}

/// A file of a backup.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Below the backup's directory.
    pub path: PathBuf,
    pub len: u64,
    /// Of its content: 64 hexadecimal digits.
    pub blake3: String,
}

impl Backup {
    /// Length of all files in bytes.
    pub fn len(&self) -> u64 {
        self.files.iter().map(|file| file.len).sum()
    }

    /// How many bytes a restore reads and proves, about.
    pub fn work_len(&self) -> u64 {
        let is_compared = self.files.iter().any(|file| file.path.extension().is_some_and(|end| end == "snap"));
        self.len() * if is_compared { 3 } else { 2 }
    }

    /// Whether there is no file, which is never so.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// How many files.
    pub fn file_count(&self) -> usize {
        self.files.len()
    }

    /// Where each shard ends.
    pub(super) fn heads(&self) -> Vec<Head> {
        self.shards.iter().map(|shard| shard.head.clone()).collect()
    }
}

/// Makes a backup of the data directory `source`, which a server may be using, as the new directory `dest`.
/// `progress` is told every byte of the log twice: when it is kept, and when it is proved.
///
/// # Errors
/// [`Failure`].
pub fn backup(source: &Path, dest: &Path, created: String, progress: Progress<'_>) -> Result<Backup, Failure> {
    let half = half_of(dest)?;
    let Some(manifest) = Manifest::read(source)? else {
        return Err(Failure::Asked(format!("{} is no data directory: it holds no MANIFEST", source.display())));
    };
    make_private(&half)?;
    mark_incomplete(&half)?;
    let made = Making { source, half: &half, manifest: &manifest, progress }.run(created).and_then(|made| {
        mark_complete(&half)?;
        fs::rename(&half, dest).map_err(Failure::io("rename", &half))?;
        sync_parent(dest)?;
        Ok(made)
    });
    if made.is_err() {
        // Of what failed nothing is left, if that can be; its name says what it is.
        let _ = fs::remove_dir_all(&half);
    }
    made
}

/// The name that a backup has until it is one.
fn half_of(dest: &Path) -> Result<PathBuf, Failure> {
    let Some(name) = dest.file_name() else {
        return Err(Failure::Asked(format!("{} is no name for a new directory", dest.display())));
    };
    let mut name = name.to_owned();
    name.push(".tmp");
    let half = dest.with_file_name(name);
    if dest.symlink_metadata().is_ok() {
        return Err(Failure::Asked(format!(
            "{} exists: a backup is a new directory, choose another name",
            dest.display()
        )));
    }
    if half.symlink_metadata().is_ok() {
        let half = half.display();
        let what = format!("{half} is what an interrupted backup left: remove it (rm -r {half}) and try again");
        return Err(Failure::Asked(what));
    }
    Ok(half)
}

/// A backup being made.
struct Making<'a> {
    source: &'a Path,
    half: &'a Path,
    manifest: &'a Manifest,
    progress: Progress<'a>,
}

impl Making<'_> {
    fn run(&self, created: String) -> Result<Backup, Failure> {
        let mut made = Backup { created, shards: Vec::new(), files: Vec::new() };
        let logs = || (0..self.manifest.shards).map(|shard| self.log(shard)).collect::<Result<Vec<_>, _>>();
        // What the supers knew before anything was copied must be in the copy.
        let begins: Vec<_> =
            logs()?.iter().map(|log| log.known().expect("the log of a shard has supers").durable).collect();
        let mut copies = Vec::new();
        for shard in 0..self.manifest.shards {
            copies.push(self.shard(self.manifest.log_id(shard))?);
        }
        // One log is of one moment by itself.
        if copies.len() > 1 {
            let tails: Vec<_> = logs()?.iter().zip(&begins).map(|(log, begin)| Tail::read(log, begin.0)).collect();
            let mut ends: Vec<_> = copies.iter().map(|copy| copy.known.durable).collect();
            agree(&tails, &mut ends);
            for (copy, end) in copies.iter_mut().zip(ends) {
                copy.cut(end)?;
            }
        }
        let mut proofs = Vec::new();
        for (copy, begin) in copies.iter().zip(begins) {
            let extent = copy.extent();
            proofs.extend([extent.head.clone(), copy.head(begin)].into_iter().filter(|head| head.lsn > 0));
            made.shards.push(extent);
        }
        let manifest = self.half.join(MANIFEST_NAME);
        copy(&self.source.join(MANIFEST_NAME), &manifest)?;
        self.list(&mut made)?;
        prove(self.half, &proofs, Depth::Files, self.progress)?;
        let list = serde_json::to_vec_pretty(&made).expect("a list is JSON");
        let path = self.half.join(LIST_NAME);
        let written = new_file(&path).and_then(|mut file| {
            file.write_all(&list)?;
            file.sync_all()
        });
        written.map_err(Failure::io("write", &path))?;
        sync_dir(self.half)?;
        Ok(made)
    }

    fn log(&self, shard: u16) -> Result<RestingLog, Failure> {
        Ok(RestingLog::of_shard(&shard_path(self.source, shard), self.manifest.log_id(shard))?)
    }

    /// Keeps one shard.
    fn shard(&self, id: LogId) -> Result<KeptShard, Failure> {
        let (source, dest) = (shard_path(self.source, id.shard), shard_path(self.half, id.shard));
        let mut tries = 1;
        loop {
            make_private(&dest)?;
            let log = RestingLog::of_shard(&source, id)?;
            match keep(&log, &dest) {
                Err(failure) if tries < TRIES && may_pass(&failure) => {
                    fs::remove_dir_all(&dest).map_err(Failure::io("remove", &dest))?;
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    /// Lists the files in the order in which a restore makes them: segments first, so that a server never takes a half
    /// of it for a directory that it may make anew; the manifest last.
    fn list(&self, made: &mut Backup) -> Result<(), Failure> {
        let mut paths = Vec::new();
        for shard in 0..self.manifest.shards {
            let dir = shard_path(self.half, shard);
            let entries = fs::read_dir(&dir).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
            paths.extend(entries.map_err(Failure::io("list", &dir))?.iter().map(fs::DirEntry::path));
        }
        paths.sort_by_key(|path| (path.extension().is_none_or(|end| end != "wal"), path.clone()));
        paths.push(self.half.join(MANIFEST_NAME));
        for path in paths {
            let file = File::open(&path).map_err(Failure::io("open", &path))?;
            let (len, blake3) =
                copy_and_hash(file, &mut io::sink(), self.progress).map_err(Failure::io("read", &path))?;
            let path = path.strip_prefix(self.half).expect("it is below").to_path_buf();
            made.files.push(Kept { path, len, blake3 });
        }
        Ok(())
    }
}

/// Whether a running server may be the reason.
fn may_pass(failure: &Failure) -> bool {
    match failure {
        Failure::System(JournalError::Io { source, .. }) => source.kind() == io::ErrorKind::NotFound,
        failure => matches!(failure, Failure::Found(_)),
    }
}

/// What is kept of one shard.
struct KeptShard {
    dir: PathBuf,
    id: LogId,
    from_lsn: Lsn,
    /// What its supers know.
    known: Known,
}

impl KeptShard {
    fn head(&self, (lsn, chain): Place) -> Head {
        Head { instance: Hex(self.id.instance), shard: self.id.shard, lsn, chain: Hex(chain) }
    }

    fn extent(&self) -> Extent {
        Extent { from_lsn: self.from_lsn, head: self.head(self.known.durable) }
    }

    /// Ends the copy at `end`, where a block begins, if it is longer.
    fn cut(&mut self, end: Place) -> Result<(), Failure> {
        if end.0 == self.known.durable.0 {
            return Ok(());
        }
        let log = RestingLog::without_supers(&self.dir, self.id)?;
        let remove = |name: String| {
            let path = self.dir.join(name);
            fs::remove_file(&path).map_err(Failure::io("remove", &path))
        };
        let (kept, behind): (Vec<_>, Vec<_>) = log.segments().partition(|segment| segment.base <= end.0);
        behind.iter().try_for_each(|segment| remove(segment.to_string()))?;
        let newest = *kept.last().expect("a cut does not reach back before the copy");
        // It may share its bytes with the source.
        let (path, whole) = (self.dir.join(newest.to_string()), self.dir.join("whole"));
        fs::rename(&path, &whole).map_err(Failure::io("rename", &path))?;
        copy(&whole, &path)?;
        remove("whole".to_owned())?;
        clear_behind(&path, newest, end.0)?;
        remove_snapshots(&log, &self.dir, end.0)?;
        self.known = Known { epoch: newest.epoch, durable: end, ..self.known };
        Ok(write_supers(&self.dir, self.id, self.known)?)
    }
}

/// Removes the copies of snapshots that end behind `end`.
fn remove_snapshots(log: &RestingLog, dir: &Path, end: Lsn) -> Result<(), Failure> {
    for late in log.snapshots().iter().filter(|snapshot| snapshot.end > end) {
        let path = dir.join(snapshot_name(late.end));
        fs::remove_file(&path).map_err(Failure::io("remove", &path))?;
    }
    Ok(())
}

/// Links and copies the files of a log to `dest`, and gives them supers.
fn keep(log: &RestingLog, dest: &Path) -> Result<KeptShard, Failure> {
    let (id, known) = (log.id(), log.known().expect("the log of a shard has supers"));
    let newest = log.segments().next_back();
    for (segment, next) in log.segments().zip(log.segments().skip(1)) {
        let name = segment.to_string();
        if segment.epoch == next.epoch {
            link_or_copy(log.dir(), dest, &name)?;
        } else {
            copy(&log.dir().join(&name), &dest.join(&name))?;
        }
    }
    for snapshot in log.snapshots() {
        link_or_copy(log.dir(), dest, &snapshot_name(snapshot.end))?;
    }
    if log.dir().join(REPAIRS_NAME).exists() {
        copy(&log.dir().join(REPAIRS_NAME), &dest.join(REPAIRS_NAME))?;
    }
    let (mut end, mut epoch) = (known.durable, known.epoch);
    if let Some(newest) = newest {
        let path = dest.join(newest.to_string());
        copy(&log.dir().join(newest.to_string()), &path)?;
        let found = whole::survey(&RestingLog::without_supers(dest, id)?.newest(), &mut |_| {})?;
        (end, epoch) = (found.end, newest.epoch);
        clear_behind(&path, newest, end.0)?;
    }
    // A snapshot that was made while the list was read may end behind the newest segment of the list.
    remove_snapshots(log, dest, end.0)?;
    let known = Known { epoch, oldest_lsn: known.oldest_lsn, durable: end };
    write_supers(dest, id, known)?;
    Ok(KeptShard { dir: dest.to_path_buf(), id, from_lsn: log.first_lsn(), known })
}

/// Proves a directory that was made, and that `heads` are in it.
pub(super) fn prove(dir: &Path, heads: &[Head], depth: Depth, progress: Progress<'_>) -> Result<(), Failure> {
    let Some(found) = RestingDir::open(dir)? else {
        return Err(Failure::file("manifest", dir, "no data directory"));
    };
    let report = verify(dir.display().to_string(), &found, heads, depth, progress);
    if report.ok { Ok(()) } else { Err(Failure::Found(report.all_findings().cloned().collect())) }
}

/// Gives a file that nobody writes to any more a name in the backup, or copies it where that cannot be.
fn link_or_copy(from: &Path, to: &Path, name: &str) -> Result<(), Failure> {
    let (from, to) = (from.join(name), to.join(name));
    match fs::hard_link(&from, &to) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Failure::io("link", from)(error)),
        // Another file system, one without links, or too many: the copy fails by itself if it has to.
        Err(_) => copy(&from, &to),
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let mut file = File::open(from).map_err(Failure::io("open", from))?;
    let copied = new_file(to).and_then(|mut copy| {
        io::copy(&mut file, &mut copy)?;
        copy.sync_all()
    });
    copied.map_err(Failure::io("write", to))
}

/// Copies `from` to its end; its length and the BLAKE3 of it.
fn copy_and_hash(mut from: File, to: &mut dyn Write, progress: Progress<'_>) -> io::Result<(u64, String)> {
    let (mut hasher, mut piece, mut len) = (blake3::Hasher::new(), vec![0; PIECE_LEN], 0);
    loop {
        let filled = match from.read(&mut piece) {
            Ok(0) => return Ok((len, hasher.finalize().to_hex().to_string())),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            filled => filled?,
        };
        hasher.update(&piece[..filled]);
        to.write_all(&piece[..filled])?;
        len += filled as u64;
        progress(filled as u64);
    }
}

/// Copies `from` to the new file `to`, synced; its length and the BLAKE3 of it.
pub(super) fn copy_new(from: File, to: &Path, progress: Progress<'_>) -> io::Result<(u64, String)> {
    let mut file = new_file(to)?;
    let found = copy_and_hash(from, &mut file, progress)?;
    file.sync_all()?;
    Ok(found)
}

/// A file that is not there yet, for the owner alone.
fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

pub(super) fn make_private(path: &Path) -> Result<(), Failure> {
    DirBuilder::new().mode(0o700).create(path).map_err(Failure::io("create directory", path))
}

/// Says in the new directory that it is being made.
pub(super) fn mark_incomplete(dir: &Path) -> Result<(), Failure> {
    let path = dir.join(INCOMPLETE_NAME);
    new_file(&path).map(drop).map_err(Failure::io("create", path))
}

/// Says that it is made, when it has its manifest.
pub(super) fn mark_complete(dir: &Path) -> Result<(), Failure> {
    let path = dir.join(INCOMPLETE_NAME);
    fs::remove_file(&path).map_err(Failure::io("remove", path))?;
    Ok(sync_dir(dir)?)
}

/// Makes the name of `path` durable.
pub(super) fn sync_parent(path: &Path) -> Result<(), Failure> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    Ok(sync_dir(parent.unwrap_or(Path::new(".")))?)
}
