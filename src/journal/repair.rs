//! What tools write into a shard's directory: a segment cut short, supers, and a line that says so.
//!
//! ```text
//!  shard-000/  REPAIRS                      a line for each repair, for ever
//!              quarantine/<name>[.n]        every file that was cut or set aside, whole
//!              <segment>.tmp ─ rename ─▶ <segment>
//! ```
//!
//! Invariants: no byte of a log is thrown away, it moves; whatever step is the last one before a crash, the same
//! repair can be done again. The caller holds the directory's lock, or the directory is its own. Absent on purpose:
//! what to cut, and whether that may be lost (archive, and the operator).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::at_rest::{Known, read_header};
use super::error::JournalError;
use super::files::{FileStorage, quarantine_dir, sync_dir};
use super::storage::SegmentName;
use super::super_page::Super;
use super::{LogId, Lsn};

/// Name of the file that says what was repaired.
pub const REPAIRS_NAME: &str = "REPAIRS";

/// Writes both supers of a shard, so that the log goes on at `known.durable`.
///
/// # Errors
/// [`JournalError`].
pub fn write_supers(dir: &Path, id: LogId, known: Known) -> Result<(), JournalError> {
    let (instance, shard, (durable_lsn, chain)) = (id.instance, id.shard, known.durable);
    let Known { epoch, oldest_lsn, .. } = known;
    let mut storage = FileStorage::open(dir)?;
    for no in 0..2 {
        Super { no, instance, shard, epoch, oldest_lsn, durable_lsn, chain }.write(&mut storage)?;
    }
    sync_dir(dir)
}

/// Takes all from `end` on out of a segment's file, which no other name must share. The file keeps the length that it
/// was made with, as the newest segment of a log must.
///
/// # Errors
/// [`JournalError`], also if the header is damaged.
pub fn clear_behind(path: &Path, segment: SegmentName, end: Lsn) -> Result<(), JournalError> {
    let len = read_header(path)?.len;
    let file = OpenOptions::new().write(true).open(path);
    let cleared = file.and_then(|file| {
        file.set_len(segment.offset_of(end))?;
        file.set_len(len)?;
        file.sync_all()
    });
    cleared.map_err(|error| JournalError::io("truncate", path, error))
}

/// Cuts a segment at `end`. The whole file, as it was, goes to the quarantine; gives its name there.
///
/// # Errors
/// [`JournalError`]; the segment is then as it was.
pub fn cut(dir: &Path, segment: SegmentName, end: Lsn) -> Result<String, JournalError> {
    let (path, shorter) = (dir.join(segment.to_string()), dir.join(format!("{segment}.tmp")));
    let copied = File::open(&path).and_then(|from| {
        let to = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&shorter);
        // Not one byte more: what stands behind may be what cannot be read.
        io::copy(&mut from.take(segment.offset_of(end)), &mut to?)
    });
    copied.map_err(|error| JournalError::io("copy", &path, error))?;
    clear_behind(&shorter, segment, end)?;
    let kept = keep(dir, &segment.to_string())?;
    fs::rename(&shorter, &path).map_err(|error| JournalError::io("replace", &path, error))?;
    sync_dir(dir)?;
    Ok(kept)
}

/// Moves a file of the shard to the quarantine; gives its name there.
///
/// # Errors
/// [`JournalError`].
pub fn set_aside(dir: &Path, name: &str) -> Result<String, JournalError> {
    let kept = keep(dir, name)?;
    let path = dir.join(name);
    fs::remove_file(&path).map_err(|error| JournalError::io("remove", path, error))?;
    sync_dir(dir)?;
    Ok(kept)
}

/// Adds a line to what was repaired here.
///
/// # Errors
/// [`JournalError`].
pub fn note(dir: &Path, line: &str) -> Result<(), JournalError> {
    let path = dir.join(REPAIRS_NAME);
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
    let written = file.and_then(|mut file| {
        file.write_all(format!("{line}\n").as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| JournalError::io("write", path, error))?;
    sync_dir(dir)
}

/// What was repaired in a shard's directory, the oldest first: an object of JSON each.
pub fn repairs(dir: &Path) -> Vec<String> {
    // A file that cannot be read is no reason to judge the log otherwise.
    fs::read_to_string(dir.join(REPAIRS_NAME)).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Gives a file a second name, in the quarantine, that no other file has there.
fn keep(dir: &Path, name: &str) -> Result<String, JournalError> {
    let (path, quarantine) = (dir.join(name), quarantine_dir(dir)?);
    let names = std::iter::once(name.to_owned()).chain((1..).map(|n| format!("{name}.{n}")));
    for name in names {
        let kept = quarantine.join(&name);
        match fs::hard_link(&path, &kept) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !is_same(&path, &kept) => {}
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(JournalError::io("link to the quarantine", path, error));
            }
            // Linked now, or by a repair that was interrupted.
            _ => {
                sync_dir(&quarantine)?;
                sync_dir(dir)?;
                return Ok(name);
            }
        }
    }
    unreachable!("there is a number for every file")
}

fn is_same(a: &Path, b: &Path) -> bool {
    let inode = |path: &Path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
    inode(a).is_some_and(|found| Some(found) == inode(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_aside_never_takes_the_place_of_another() {
        let dir = tempfile::tempdir().expect("a directory");
        let write = |text: &str| fs::write(dir.path().join("x"), text).expect("written");
        let kept = |name: &str| fs::read_to_string(dir.path().join("quarantine").join(name)).expect("kept");
        write("first");
        assert_eq!(keep(dir.path(), "x").expect("linked"), "x");
        assert_eq!(set_aside(dir.path(), "x").expect("again, after a crash"), "x");
        write("second");
        assert_eq!(set_aside(dir.path(), "x").expect("another file"), "x.1");
        assert_eq!(
            (kept("x").as_str(), kept("x.1").as_str(), dir.path().join("x").exists()),
            ("first", "second", false)
        );
    }

    #[test]
    fn notes_are_kept_in_order() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(repairs(dir.path()).is_empty());
        note(dir.path(), "{\"n\":1}").expect("written");
        note(dir.path(), "{\"n\":2}").expect("written");
        assert_eq!(repairs(dir.path()), ["{\"n\":1}", "{\"n\":2}"]);
    }
}
