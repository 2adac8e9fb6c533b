//! Closed segments moved elsewhere: copied, proved there, and only then removed here.
//!
//! ```text
//!  DATA_DIR/shard-nnn/  closed segments ── copy to .tmp, rename, survey with the one before ──▶  DEST/shard-nnn/
//!                       those that no start needs and that are old enough ── super first ──▶ removed
//! ```
//!
//! What no start needs is told by the older of the two newest snapshots: everything below where it begins and below
//! what it refers to, or an entry behind it. Invariants: no file in DEST is ever overwritten; a segment is removed only
//! after its bytes were compared with those in DEST, and after a super says that it is not needed. Removal needs the
//! directory's lock.
//! Absent on purpose: the log of a running server getting shorter (it does that itself, by `history-retention`).

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use crate::journal::block::PAGE;
use crate::journal::files::sync_dir;
use crate::journal::repair::write_supers;
use crate::journal::{Known, Manifest, RestingLog, SegmentName, Sight, shard_path};
use crate::ledger::codec;
use crate::ledger::id::Lsn;

use super::backup::{copy_new, make_private, sync_parent};
use super::failure::Failure;
use super::report::Finding;
use super::snapshots;
use super::verify::Progress;
use super::whole;

/// Bytes compared at a time.
const PIECE_LEN: u64 = 1 << 20;

/// What was done for one shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Archived {
    /// Which.
    pub shard: u16,
    /// Segments that were copied now.
    pub copied: usize,
    /// Everything below is in the archive.
    pub to_lsn: Lsn,
    /// Segments that were removed from the data directory.
    pub removed: usize,
    /// Where its log begins now.
    pub first_lsn: Lsn,
}

/// Copies every closed segment of `source` that `dest` lacks. With `before_ms`, removes from `source` those that no start
/// needs and whose newest entry is older: the caller holds the directory's lock then.
///
/// # Errors
/// [`Failure`]. What was copied until then stays, and is proved by the next run.
pub fn archive(
    source: &Path,
    manifest: &Manifest,
    dest: &Path,
    before_ms: Option<u64>,
    progress: Progress<'_>,
) -> Result<Vec<Archived>, Failure> {
    make_if_missing(dest)?;
    (0..manifest.shards)
        .map(|shard| {
            let log = RestingLog::of_shard(&shard_path(source, shard), manifest.log_id(shard))?;
            let to = shard_path(dest, shard);
            make_if_missing(&to)?;
            let mut done = copy_all(&log, &to, progress)?;
            done.first_lsn = log.first_lsn();
            if let Some(before_ms) = before_ms {
                remove_old(&log, &to, before_ms, &mut done)?;
            }
            Ok(done)
        })
        .collect()
}

fn make_if_missing(dir: &Path) -> Result<(), Failure> {
    if dir.exists() {
        return Ok(());
    }
    make_private(dir)?;
    sync_parent(dir)
}

/// Copies what is missing, and proves it with the segment before it.
fn copy_all(log: &RestingLog, to: &Path, progress: Progress<'_>) -> Result<Archived, Failure> {
    let mut done = Archived { shard: log.id().shard, ..Archived::default() };
    let mut first_new = None;
    for (segment, next) in log.segments().zip(log.segments().skip(1)) {
        let name = segment.to_string();
        done.to_lsn = next.base;
        if to.join(&name).exists() {
            // Its header has the salt and the identity that no other segment has.
            compare(&log.dir().join(&name), &to.join(&name), PAGE as u64)?;
            continue;
        }
        copy(&log.dir().join(&name), &to.join(&name), progress)?;
        first_new = first_new.or(Some(segment));
        done.copied += 1;
    }
    let Some(first_new) = first_new else { return Ok(done) };
    let archived = RestingLog::without_supers(to, log.id())?;
    let before = archived.segments().take_while(|segment| segment.base < first_new.base).last();
    let from = before.map_or(first_new.base, |segment| segment.base);
    let found = whole::survey(&archived.between(from, done.to_lsn), &mut |_| {})?;
    if found.end.0 != done.to_lsn {
        let what = format!("the archive in {} ends at lsn {}, not {}", to.display(), found.end.0, done.to_lsn);
        return Err(Failure::Found(vec![Finding { shard: Some(done.shard), ..Finding::new("hole", what) }]));
    }
    Ok(done)
}

/// Removes the oldest segments, as far as no start needs them and the next one was begun before `before_ms`.
fn remove_old(log: &RestingLog, to: &Path, before_ms: u64, done: &mut Archived) -> Result<(), Failure> {
    let floor = floor(log)?;
    let mut gone: Vec<SegmentName> = Vec::new();
    for (segment, next) in log.segments().zip(log.segments().skip(1)) {
        if next.base > floor || log.created_ms(next)? >= before_ms {
            break;
        }
        let name = segment.to_string();
        compare(&log.dir().join(&name), &to.join(&name), u64::MAX)?;
        gone.push(segment);
        done.first_lsn = next.base;
    }
    if gone.is_empty() {
        return Ok(());
    }
    let known = log.known().expect("the log of a shard has supers");
    write_supers(log.dir(), log.id(), Known { oldest_lsn: done.first_lsn, ..known })?;
    for segment in &gone {
        let path = log.dir().join(segment.to_string());
        fs::remove_file(&path).map_err(Failure::io("remove", &path))?;
    }
    done.removed = gone.len();
    Ok(sync_dir(log.dir())?)
}

/// All below it no start needs, not even one that finds the newest snapshot bad.
fn floor(log: &RestingLog) -> Result<Lsn, Failure> {
    let [.., older, newest] = log.snapshots() else { return Ok(0) };
    let (mut floor, mut tail) = (Lsn::MAX, 0);
    for file in [older, newest] {
        let (begin, end) = snapshots::read(log, file, None).map_err(|(kind, what)| {
            Failure::Found(vec![Finding { shard: Some(log.id().shard), ..Finding::new(kind, what) }])
        })?;
        floor = floor.min(begin.0).min(end.needed);
        tail = begin.0;
    }
    // Since then, a REFUND may have come that points further back.
    whole::survey(&log.between(tail, Lsn::MAX), &mut |sight| {
        let Sight::Block(block) = sight else { return };
        for (_, record) in block.records() {
            floor = floor.min(match codec::decode_any(record) {
                Ok(codec::Record::Entry(event)) => event.opened_lsn().unwrap_or(Lsn::MAX),
                Ok(codec::Record::Lead(_)) => Lsn::MAX,
                Err(_) => 0,
            });
        }
    })?;
    Ok(floor)
}

fn copy(from: &Path, to: &Path, progress: Progress<'_>) -> Result<(), Failure> {
    let unnamed = to.with_extension("tmp");
    // What an interrupted run left.
    let _ = fs::remove_file(&unnamed);
    let source = File::open(from).map_err(Failure::io("open", from))?;
    let copied = copy_new(source, &unnamed, progress);
    copied.and_then(|_| fs::rename(&unnamed, to)).map_err(Failure::io("write", to))?;
    sync_parent(to)
}

/// Whether two files are the same in their first `len` bytes, as far as both go: a start may have cut zeros off one.
fn compare(here: &Path, there: &Path, len: u64) -> Result<(), Failure> {
    let open = |path: &Path| File::open(path).map_err(Failure::io("open", path));
    let (mut a, mut b) = (open(here)?.take(len), open(there)?.take(len));
    let (mut piece, mut other) = (Vec::new(), Vec::new());
    loop {
        piece.clear();
        other.clear();
        a.by_ref().take(PIECE_LEN).read_to_end(&mut piece).map_err(Failure::io("read", here))?;
        b.by_ref().take(PIECE_LEN).read_to_end(&mut other).map_err(Failure::io("read", there))?;
        let both = piece.len().min(other.len());
        if piece[..both] != other[..both] {
            return Err(Failure::file("archive", there, &format!("not the segment that {} is", here.display())));
        }
        if (both as u64) < PIECE_LEN {
            return Ok(());
        }
    }
}
