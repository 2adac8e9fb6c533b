//! The data directory of one server: locked, private, with a manifest and one directory per shard.
//!
//! ```text
//!  data-dir/  LOCK  MANIFEST  shard-000/ shard-001/ ...
//! ```
//!
//! A new directory gets its shards and their supers first and the manifest last: with a manifest, a shard without
//! supers is a lost one, never a new one. An interrupted making is simply done again.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::at_rest::{self, INCOMPLETE_NAME};
use super::error::JournalError;
use super::files::{FileStorage, sync_dir};
use super::manifest::{self, Manifest};
use super::storage::Storage;
use super::super_page;

const LOCK_NAME: &str = "LOCK";

/// What a directory is made with, if there is none yet.
#[derive(Clone, Copy, Debug)]
pub struct NewDir {
    /// Number of shards: a power of two, fixed for ever.
    pub shards: u16,
    /// Random.
    pub instance: [u8; 16],
    /// Random.
    pub hash_keys: [u64; 2],
}

/// An open data directory. Dropping it lets another server have it.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    manifest: Manifest,
    /// Holds the lock.
    _lock: File,
}

impl DataDir {
    /// Opens the directory at `path`, making it as `new` says if it is not there.
    ///
    /// # Errors
    /// [`JournalError::Exposed`] (77), [`JournalError::Locked`] (73), [`JournalError::ReadOnly`] (28),
    /// [`JournalError::Format`] and [`JournalError::Refused`] (65) for the manifest, or another.
    pub fn open_or_create(path: &Path, new: NewDir) -> Result<Self, JournalError> {
        if make_private(path)? {
            sync_parent(path)?;
        }
        let metadata = fs::metadata(path).map_err(|error| JournalError::io("open", path, error))?;
        if !metadata.is_dir() {
            return Err(JournalError::io("open", path, io::ErrorKind::NotADirectory.into()));
        }
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(JournalError::Exposed { path: path.to_path_buf(), mode });
        }
        let lock = lock(path)?;
        let manifest = match Manifest::read(path)? {
            Some(manifest) => manifest,
            None => create(path, new)?,
        };
        Ok(Self { path: path.to_path_buf(), manifest, _lock: lock })
    }

    /// Opens a directory that is there, for a tool that changes it: nothing is made but the lock.
    ///
    /// # Errors
    /// [`JournalError::Locked`] (73), [`JournalError::Format`] and [`JournalError::Refused`] (65) for the manifest, or
    /// another.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        // Before the lock: a directory that is none of ours gets no LOCK file.
        let manifest = Manifest::read(path)?;
        let manifest = manifest.ok_or_else(|| manifest::refusal(format!("{} holds no MANIFEST", path.display())))?;
        Ok(Self { path: path.to_path_buf(), manifest, _lock: lock(path)? })
    }

    /// Identity and shape of the directory.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files of `shard`. To be called once for each.
    ///
    /// # Errors
    /// Those of [`FileStorage::open`].
    pub fn storage(&self, shard: u16) -> Result<FileStorage, JournalError> {
        assert!(shard < self.manifest.shards, "shard {shard} of {}", self.manifest.shards);
        FileStorage::open(&shard_path(&self.path, shard))
    }
}

/// Makes a directory for the owner alone; whether it was not there before.
fn make_private(path: &Path) -> Result<bool, JournalError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(JournalError::io("create directory", path, error)),
    }
}

/// Where the files of `shard` are in the data directory `dir`.
pub fn shard_path(dir: &Path, shard: u16) -> PathBuf {
    dir.join(format!("shard-{shard:03}"))
}

fn lock(dir: &Path) -> Result<File, JournalError> {
    let path = dir.join(LOCK_NAME);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(|error| JournalError::io("open", &path, error))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(JournalError::Locked { path: dir.to_path_buf() }),
        Err(error) => Err(JournalError::io("lock", path, error.into())),
    }
}

/// Makes the shards of a new directory, then its manifest.
fn create(dir: &Path, new: NewDir) -> Result<Manifest, JournalError> {
    let manifest = Manifest::new(new.instance, new.shards, new.hash_keys);
    refuse_orphans(dir)?;
    for shard in 0..new.shards {
        let path = shard_path(dir, shard);
        make_private(&path)?;
        let mut storage = FileStorage::open(&path)?;
        super_page::initialise(&mut storage, manifest.log_id(shard))?;
    }
    sync_dir(dir)?;
    manifest.write(dir)?;
    Ok(manifest)
}

/// Segments without a manifest are a directory that lost it, or half a one, not a new one.
fn refuse_orphans(dir: &Path) -> Result<(), JournalError> {
    if dir.join(INCOMPLETE_NAME).exists() {
        return Err(at_rest::incomplete(dir));
    }
    let failed = |error| JournalError::io("list", dir, error);
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_shard = entry.file_name().to_str().is_some_and(|name| name.starts_with("shard-"));
        if is_shard && !FileStorage::open(&entry.path())?.segments()?.is_empty() {
            let path = entry.path();
            return Err(manifest::refusal(format!("{} holds segments, but there is no manifest", path.display())));
        }
    }
    Ok(())
}

fn sync_parent(path: &Path) -> Result<(), JournalError> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        _ => sync_dir(Path::new(".")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: NewDir = NewDir { shards: 2, instance: [7; 16], hash_keys: [1, 2] };

    #[test]
    fn a_directory_keeps_what_it_was_made_with() {
        let parent = tempfile::tempdir().expect("a directory");
        let path = parent.path().join("data");
        let made = DataDir::open_or_create(&path, NEW).expect("made");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o700);
        let locked = DataDir::open_or_create(&path, NEW).expect_err("held");
        assert_eq!(locked.exit_code(), 73);
        let manifest = made.manifest().clone();
        drop(made);
        let other = NewDir { shards: 8, instance: [8; 16], hash_keys: [3, 4] };
        assert_eq!(DataDir::open_or_create(&path, other).expect("free again").manifest(), &manifest);
    }

    #[test]
    fn what_others_can_enter_is_refused() {
        let parent = tempfile::tempdir().expect("a directory");
        let path = parent.path().join("data");
        drop(DataDir::open_or_create(&path, NEW).expect("made"));
        for mode in [0o750, 0o701, 0o740] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
            let error = DataDir::open_or_create(&path, NEW).expect_err("exposed");
            assert_eq!(error.exit_code(), 77);
            assert!(error.to_string().contains("chmod 700"), "{error}");
        }
    }

    #[test]
    fn segments_without_a_manifest_are_not_taken_for_a_new_directory() {
        let parent = tempfile::tempdir().expect("a directory");
        let path = parent.path().join("data");
        drop(DataDir::open_or_create(&path, NEW).expect("made"));
        fs::remove_file(path.join("MANIFEST")).expect("lost");
        drop(DataDir::open_or_create(&path, NEW).expect("an interrupted making is done again"));
        fs::remove_file(path.join("MANIFEST")).expect("lost");
        fs::write(path.join("shard-001/0000000000000000-00000001.wal"), []).expect("a segment");
        let error = DataDir::open_or_create(&path, NEW).expect_err("orphans");
        assert_eq!(error.exit_code(), 65);
    }

    #[test]
    fn a_lost_shard_is_not_taken_for_a_new_one() {
        let parent = tempfile::tempdir().expect("a directory");
        let path = parent.path().join("data");
        let dir = DataDir::open_or_create(&path, NEW).expect("made");
        fs::remove_dir_all(path.join("shard-001")).expect("lost");
        let mut storage = dir.storage(1).expect("not looked at yet");
        let error = super_page::newest(&mut storage, dir.manifest().log_id(1)).expect_err("refused");
        assert_eq!((error.exit_code(), path.join("shard-001").exists()), (65, false), "{error}");
    }

    #[test]
    fn a_file_in_the_way_is_an_error() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        assert!(DataDir::open_or_create(file.path(), NEW).is_err());
    }
}
