//! A data directory from a backup.
//!
//! ```text
//!  BACKUP ─▶ segments, snapshots, supers ── copy, compare with the list ──▶ data-dir ─▶ MANIFEST last ─▶ verify
//! ```
//!
//! Always a copy, never a link: a server changes the directory, and the backup stays what it is. Invariant: until the
//! manifest has its name no server starts on the directory, since it holds segments and no manifest. Absent on
//! purpose: part of a backup, a mix of two, a directory that holds something.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path};

use crate::journal::files::sync_dir;
use crate::journal::manifest::MANIFEST_NAME;

use super::backup::{
    Backup, Kept, LIST_NAME, copy_new, make_private, mark_complete, mark_incomplete, prove, sync_parent,
};
use super::failure::Failure;
use super::verify::{Depth, Progress};

/// What is in the backup at `path`.
///
/// # Errors
/// [`Failure`]: also for one that is not complete.
pub fn read_backup(path: &Path) -> Result<Backup, Failure> {
    let list = path.join(LIST_NAME);
    let text = match fs::read(&list) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let path = path.display();
            return Err(Failure::Asked(format!(
                "{path} is no backup, or one that was interrupted: it holds no file {LIST_NAME}; take another, or make a \
                 new one"
            )));
        }
        text => text.map_err(Failure::io("read", &list))?,
    };
    let made: Backup =
        serde_json::from_slice(&text).map_err(|error| Failure::file("backup", &list, &error.to_string()))?;
    let is_below = |kept: &Kept| kept.path.components().all(|part| matches!(part, Component::Normal(_)));
    if !made.files.iter().all(is_below) || made.files.last().is_none_or(|kept| kept.path != Path::new(MANIFEST_NAME)) {
        return Err(Failure::file("backup", &list, "not a list that a backup makes"));
    }
    Ok(made)
}

/// Makes the data directory `dir`, which must not be there or be empty, from a backup. `progress` is told every byte
/// when it is copied, when it is proved, and when snapshots are compared with it.
///
/// # Errors
/// [`Failure`].
pub fn restore(path: &Path, made: &Backup, dir: &Path, progress: Progress<'_>) -> Result<(), Failure> {
    let is_new = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_private(dir)?;
            true
        }
        entries => {
            if entries.map_err(Failure::io("list", dir))?.next().is_some() {
                let dir = dir.display();
                let what =
                    format!("{dir} is not empty: move it away first (mv {dir} {dir}.old); nothing is overwritten");
                return Err(Failure::Asked(what));
            }
            false
        }
    };
    let result = fill(path, made, dir, progress);
    if result.is_err() {
        // Nothing else was in it. What cannot be removed has no manifest, or was just proved wrong.
        let _ = fs::remove_file(dir.join(MANIFEST_NAME));
        let _ = if is_new { fs::remove_dir_all(dir) } else { empty(dir) };
    }
    result
}

fn fill(path: &Path, made: &Backup, dir: &Path, progress: Progress<'_>) -> Result<(), Failure> {
    mark_incomplete(dir)?;
    for (i, kept) in made.files.iter().enumerate() {
        let to = dir.join(&kept.path);
        let parent = to.parent().expect("it is below the directory");
        if !parent.exists() {
            make_private(parent)?;
        }
        if i + 1 < made.files.len() {
            copy(&path.join(&kept.path), kept, &to, progress)?;
            continue;
        }
        let shards = fs::read_dir(dir).map_err(Failure::io("list", dir))?;
        for shard in shards {
            let path = shard.map_err(Failure::io("list", dir))?.path();
            if path.is_dir() {
                sync_dir(&path)?;
            }
        }
        sync_dir(dir)?;
        let unnamed = to.with_extension("tmp");
        copy(&path.join(&kept.path), kept, &unnamed, progress)?;
        fs::rename(&unnamed, &to).map_err(Failure::io("rename", &unnamed))?;
    }
    sync_dir(dir)?;
    mark_complete(dir)?;
    sync_parent(dir)?;
    prove(dir, &made.heads().into_iter().filter(|head| head.lsn > 0).collect::<Vec<_>>(), Depth::Replay, progress)
}

/// Copies one file; it must be the one that was listed.
fn copy(from: &Path, kept: &Kept, to: &Path, progress: Progress<'_>) -> Result<(), Failure> {
    let source = match File::open(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Failure::file("backup", from, "it is on the list and not there"));
        }
        source => source.map_err(Failure::io("open", from))?,
    };
    let found = copy_new(source, to, progress).map_err(Failure::io("copy to", to))?;
    if found != (kept.len, kept.blake3.clone()) {
        return Err(Failure::file(
            "backup",
            from,
            "not what was backed up: length or BLAKE3 are others than on the list",
        ));
    }
    Ok(())
}

fn empty(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
    }
    Ok(())
}
