//! What a data directory is: made once, never changed while its format lasts.
//!
//! Two copies of one page in one file, each with its checksum. The slots of the hash space are fixed to shards here, so
//! the same directory starts on any number of cores.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::LogId;
use super::block::PAGE;
use super::cold::{self, ColdFault};
use super::error::{Case, JournalError, Refusal};
use super::files::sync_dir;
use super::storage::Page;

/// Number of hash slots, as in Redis Cluster.
pub const SLOTS: u16 = 16_384;
/// Most shards of a directory: their slot ranges must fit the manifest's page.
pub const SHARDS_MAX: u16 = 256;

pub(super) const MAGIC: u32 = 0x464d_7263; // "crMF"
pub(super) const FORMAT: u16 = 1;
/// Name of its file in the data directory.
pub const MANIFEST_NAME: &str = "MANIFEST";
const NEW_NAME: &str = "MANIFEST.tmp";

/// Identity and shape of a data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Random, made with the directory; every file in it carries this.
    pub instance: [u8; 16],
    /// Number of shards: a power of two.
    pub shards: u16,
    /// Random keys of the transaction index's hash, so that it survives restarts and nobody can aim at it.
    pub hash_keys: [u64; 2],
    /// Which slots are whose, by first slot, without gaps.
    pub slots: Vec<SlotRange>,
}

/// Slots that belong to one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotRange {
    /// First slot.
    pub first: u16,
    /// Last slot, inclusive.
    pub last: u16,
    /// Whose.
    pub shard: u16,
}

impl Manifest {
    /// A manifest with equal ranges of slots.
    ///
    /// # Panics
    /// If `shards` is not a power of two up to [`SHARDS_MAX`].
    pub fn new(instance: [u8; 16], shards: u16, hash_keys: [u64; 2]) -> Self {
        assert!(shards.is_power_of_two() && shards <= SHARDS_MAX, "{shards} shards");
        let len = SLOTS / shards;
        let range = |shard| SlotRange { first: shard * len, last: shard * len + (len - 1), shard };
        Self { instance, shards, hash_keys, slots: (0..shards).map(range).collect() }
    }

    /// The shard of every slot.
    pub fn slot_map(&self) -> Vec<u16> {
        self.slots.iter().flat_map(|range| (range.first..=range.last).map(|_| range.shard)).collect()
    }

    /// The name that the files of `shard` carry.
    pub fn log_id(&self, shard: u16) -> LogId {
        assert!(shard < self.shards, "shard {shard} of {}", self.shards);
        LogId { instance: self.instance, shard }
    }

    /// Reads the manifest of `dir`; `None` if there is none.
    ///
    /// # Errors
    /// [`JournalError::Format`], or [`JournalError::Refused`] if both copies are bad.
    pub fn read(dir: &Path) -> Result<Option<Self>, JournalError> {
        let path = dir.join(MANIFEST_NAME);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            result => result.map_err(|error| JournalError::io("open", &path, error))?,
        };
        for copy in 0..2u64 {
            let mut page: Page = [0; PAGE];
            match file.read_exact_at(&mut page, copy * PAGE as u64) {
                Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                    return Err(JournalError::io("read", path, error));
                }
                _ => {}
            }
            match cold::from_page::<Self>(MAGIC, FORMAT, &page) {
                Ok(manifest) if manifest.is_sound() => return Ok(Some(manifest)),
                Ok(_) | Err(ColdFault::Damaged) => {}
                Err(ColdFault::Format(found)) => {
                    return Err(JournalError::Format { what: path.display().to_string(), found, known: FORMAT });
                }
            }
        }
        Err(refusal(format!("neither copy in {} is valid", path.display())))
    }

    /// Writes the manifest of a new directory: from then on the directory is one.
    pub(super) fn write(&self, dir: &Path) -> Result<(), JournalError> {
        assert!(self.is_sound(), "a manifest is sound");
        let (path, new_path) = (dir.join(MANIFEST_NAME), dir.join(NEW_NAME));
        let page = cold::to_page(MAGIC, FORMAT, self);
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new_path)
            .and_then(|file| {
                file.write_all_at(&page[..], 0)?;
                file.write_all_at(&page[..], PAGE as u64)?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&new_path, &path));
        written.map_err(|error| JournalError::io("write", &path, error))?;
        sync_dir(dir)
    }

    /// Every slot belongs to one shard that exists.
    pub(super) fn is_sound(&self) -> bool {
        let mut next = 0;
        for range in &self.slots {
            if range.first != next || range.last < range.first || range.last >= SLOTS || range.shard >= self.shards {
                return false;
            }
            next = range.last + 1;
        }
        next == SLOTS && self.shards.is_power_of_two() && self.shards <= SHARDS_MAX
    }
}

/// The refusal of a directory without a valid manifest.
pub(super) fn refusal(detail: String) -> JournalError {
    Box::new(Refusal { case: Case::Manifest, shard: None, segment: None, offset: 0, lost: None, detail }).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifest_bytes_are_the_ones_promised() {
        let page = cold::to_page(MAGIC, FORMAT, &Manifest::new(*b"0123456789abcdef", 2, [1, 2]));
        let hex: String = page[..70].iter().map(|b| format!("{b:02x}")).collect();
        let golden = "63724d46\
            10a749ae\
            010000003600000030313233343536373839616263646566\
            02000100000000000000020000000000000002000000000000000000ff1f00000020ff3f0100";
        assert_eq!(hex, golden);
    }

    #[test]
    fn the_largest_manifest_fits_and_every_slot_has_its_shard() {
        for shards in [1, 2, 8, SHARDS_MAX] {
            let manifest = Manifest::new([7; 16], shards, [1, 2]);
            let page = cold::to_page(MAGIC, FORMAT, &manifest);
            assert_eq!(cold::from_page(MAGIC, FORMAT, &page), Ok(manifest.clone()));
            let map = manifest.slot_map();
            assert_eq!(map.len(), usize::from(SLOTS));
            assert_eq!((map[0], map[map.len() - 1]), (0, shards - 1));
        }
    }

    #[test]
    fn one_bad_copy_is_survived_two_are_not() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(Manifest::read(dir.path()).expect("readable"), None);
        let manifest = Manifest::new([7; 16], 4, [1, 2]);
        manifest.write(dir.path()).expect("written");
        let file = OpenOptions::new().write(true).open(dir.path().join(MANIFEST_NAME)).expect("there");
        file.write_all_at(b"x", 20).expect("damaged");
        assert_eq!(Manifest::read(dir.path()).expect("the second copy"), Some(manifest));
        file.write_all_at(b"x", 20 + PAGE as u64).expect("damaged");
        let error = Manifest::read(dir.path()).expect_err("both bad");
        assert_eq!(error.exit_code(), 65);
        assert!(error.to_string().contains("manifest is gone or damaged"), "{error}");
    }

    #[test]
    fn a_manifest_from_the_future_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let page = cold::to_page(MAGIC, FORMAT + 1, &Manifest::new([7; 16], 4, [1, 2]));
        fs::write(dir.path().join(MANIFEST_NAME), [&page[..], &page[..]].concat()).expect("written");
        let error = Manifest::read(dir.path()).expect_err("unknown");
        assert_eq!(error.exit_code(), 65);
        assert!(error.to_string().contains("written by a newer version of creditd: format 2"), "{error}");
    }
}
