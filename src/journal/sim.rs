//! The simulated storage: one shard's files in memory, with page cache and platter apart, power cuts and faults.
//!
//! ```text
//!  store -> dirty pages --sync--> platter          failed sync: dirty -> stale (the cache shows it, the platter
//!  create, rename, remove -> pending --sync_dir--> durable names                 never gets it, syncs say OK again)
//!  crash: of every dirty page nothing, all, or some 512-byte sectors; of every pending name change nothing or all
//! ```
//!
//! Deterministic: a seed decides every die. Meant for tests, of this module and of all that stands above it; a public
//! module because integration tests use it too. A [`SimDisk`] is the test's handle, a [`SimStorage`] the journal's;
//! after a crash or a kill the old storage is dead and a new one is taken from the disk.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use super::LogId;
use super::block::PAGE;
use super::chance::Chance;
use super::error::JournalError;
use super::files::DRAFT_NAME;
pub use super::sim_file::Kept;
use super::sim_file::{NameChange, Names, SimFile};
use super::super_page;

/// Of the spare and the reserve, either way round.
pub(super) const SPARE_NAMES: [&str; 2] = ["spare.tmp", "reserve.tmp"];

const EIO: i32 = rustix::io::Errno::IO.raw_os_error();

/// The device, as a test sees it.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<Disk>>);

/// The device, as the journal sees it, from power-on (or process start) to the next crash or kill.
#[derive(Clone)]
pub struct SimStorage {
    pub(super) disk: SimDisk,
    generation: u64,
    pub(super) current: Option<u64>,
}

#[derive(Clone)]
pub(super) struct Disk {
    chance: Chance,
    files: BTreeMap<u64, SimFile>,
    next_file: u64,
    pub(super) names: Names,
    pub(super) spare: Option<SimSpareFile>,
    pub(super) reserve: Option<SimSpareFile>,
    /// Counts power cuts and kills: storages of before are dead.
    generation: u64,
    /// Changes made so far, and the one at which the power goes.
    changes: u64,
    cut_at: Option<u64>,
    off: bool,
    pub(super) full: bool,
    read_only: bool,
    failing_syncs: u32,
    /// By number of the file.
    bad_pages: Vec<(u64, u64)>,
    /// Calls so far, and those that fail.
    calls: u64,
    fault: Option<SimFault>,
    /// The disk before each change, if anybody wants it.
    frames: Option<Vec<SimDisk>>,
}

/// Calls that fail.
#[derive(Clone, Copy, Debug)]
pub struct SimFault {
    /// The first of them, counted by [`SimDisk::calls`].
    pub call: u64,
    /// All later ones fail too.
    pub lasting: bool,
    /// What the system says.
    pub errno: i32,
    /// It fails half-way: the change is made all the same; what a sync should have written is lost.
    pub half_way: bool,
}

/// What a power cut decides about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsynced {
    /// A page of a file.
    Page,
    /// A new name, another name, or a name that is removed.
    Name,
}

#[derive(Clone, Copy)]
pub(super) struct SimSpareFile {
    pub(super) name: &'static str,
    pub(super) file: u64,
    pub(super) len: u64,
    pub(super) done: bool,
}

impl SimDisk {
    /// A new shard's directory, as [`super::DataDir`] makes it.
    pub fn new(seed: u64, id: LogId) -> Self {
        let disk = Self(Arc::new(Mutex::new(Disk {
            chance: Chance::new(seed),
            files: BTreeMap::new(),
            next_file: 0,
            names: Names::default(),
            spare: None,
            reserve: None,
            generation: 0,
            changes: 0,
            cut_at: None,
            off: false,
            full: false,
            read_only: false,
            failing_syncs: 0,
            bad_pages: Vec::new(),
            calls: 0,
            fault: None,
            frames: None,
        })));
        super_page::initialise(&mut disk.storage(), id).expect("a healthy disk");
        disk
    }

    /// Another device with the same content and the same dice, which goes its own way from here on.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.locked().clone())))
    }

    /// Opens the directory. Leftovers of spares or a snapshot are removed, as the real one does.
    pub fn storage(&self) -> SimStorage {
        let mut disk = self.locked();
        for name in SPARE_NAMES.into_iter().chain([DRAFT_NAME]) {
            disk.remove(name);
        }
        SimStorage { disk: self.clone(), generation: disk.generation, current: None }
    }

    /// Power cut: what was not synced survives in part. Every storage is dead; the power is on again.
    pub fn crash(&self) {
        let mut chance = self.locked().chance.clone();
        self.crash_keeping(|what| match what {
            Unsynced::Page => {
                let (keep_all, tear) = (chance.percent(33), chance.percent(50));
                std::array::from_fn(|_| if keep_all || (tear && chance.percent(50)) { !0 } else { 0 })
            }
            Unsynced::Name => [if chance.percent(50) { !0 } else { 0 }; 8],
        });
        self.locked().chance = chance;
    }

    /// As [`Self::crash`]; what survives of each page, by file, and then of each change of a name is what `keep` says.
    pub fn crash_keeping(&self, mut keep: impl FnMut(Unsynced) -> Kept) {
        let disk = &mut *self.locked();
        for file in disk.files.values_mut() {
            file.crash(|| keep(Unsynced::Page));
        }
        disk.names.crash(|| keep(Unsynced::Name) != [0; 8]);
        disk.files.retain(|id, _| disk.names.holds(*id));
        disk.restart();
    }

    /// How many pages and changes of names a power cut would decide about.
    pub fn unsynced(&self) -> (usize, usize) {
        let disk = self.locked();
        (disk.files.values().map(SimFile::unsynced).sum(), disk.names.unsynced())
    }

    /// From now on, keeps the disk as it is before each change.
    pub fn film(&self) {
        self.locked().frames = Some(Vec::new());
    }

    /// The disk as it was before each change since [`Self::film`].
    pub fn frames(&self) -> Vec<SimDisk> {
        self.locked().frames.take().expect("it was filmed")
    }

    /// Calls so far, reads too.
    pub fn calls(&self) -> u64 {
        self.locked().calls
    }

    /// Lets these calls fail, or no more.
    pub fn set_fault(&self, fault: Option<SimFault>) {
        self.locked().fault = fault;
    }

    /// The process ends: nothing is lost, but every storage is dead.
    pub fn kill(&self) {
        self.locked().restart();
    }

    /// Cuts the power in the middle of the `count`th change from now (1 = the next). From then on every call fails.
    pub fn cut_power_after(&self, count: u64) {
        assert!(count > 0, "the past is over");
        let mut disk = self.locked();
        disk.cut_at = Some(disk.changes + count);
    }

    /// Whether the power is off.
    pub fn is_off(&self) -> bool {
        self.locked().off
    }

    /// Changes made so far: a sequence for [`Self::cut_power_after`].
    pub fn changes(&self) -> u64 {
        self.locked().changes
    }

    /// Lets the next `count` syncs of file data fail with EIO; what they should have written never gets to the platter.
    pub fn fail_syncs(&self, count: u32) {
        self.locked().failing_syncs = count;
    }

    /// Whether there is no room for new files.
    pub fn set_full(&self, full: bool) {
        self.locked().full = full;
    }

    /// Whether the file system takes no writes.
    pub fn set_read_only(&self, read_only: bool) {
        self.locked().read_only = read_only;
    }

    /// Makes the page at `offset` of a file unreadable, for as long as there is the file.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn break_page(&self, name: &str, offset: u64) {
        let mut disk = self.locked();
        let id = disk.names.get(name).expect("there is such a file");
        disk.bad_pages.push((id, offset / PAGE as u64));
    }

    /// Names of all files, sorted.
    pub fn file_names(&self) -> Vec<String> {
        self.locked().names.live().map(str::to_owned).collect()
    }

    /// Bytes of a file, as a direct read shows them.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn contents(&self, name: &str, offset: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.locked().named(name).expect("there is such a file").read_direct(offset, &mut bytes);
        bytes
    }

    /// Changes bytes of a file on the platter, as rot, a stray write or an editor would.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn patch(&self, name: &str, offset: u64, bytes: &[u8]) {
        let mut disk = self.locked();
        let file = disk.named(name).expect("there is such a file");
        file.write(offset, bytes);
        file.sync();
    }

    /// Length of a file in bytes.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn len(&self, name: &str) -> u64 {
        self.locked().named(name).expect("there is such a file").len()
    }

    /// Makes a file of these bytes, durably, as an operator who copies it there does.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut disk = self.locked();
        let id = disk.create(name);
        let file = disk.file(id);
        file.set_len(bytes.len() as u64);
        file.write(0, bytes);
        file.sync();
        disk.names.sync();
    }

    /// Sets the length of a file, durably.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn set_len(&self, name: &str, len: u64) {
        self.locked().named(name).expect("there is such a file").set_len(len);
    }

    /// Removes a file, durably.
    pub fn delete(&self, name: &str) {
        let mut disk = self.locked();
        disk.names.change(NameChange::Remove(name.to_owned()));
        disk.names.sync();
    }

    pub(super) fn locked(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().expect("no panic under this lock")
    }
}

impl Disk {
    fn restart(&mut self) {
        self.generation += 1;
        (self.spare, self.reserve) = (None, None);
        self.cut_at = None;
        self.off = false;
    }

    pub(super) fn named(&mut self, name: &str) -> io::Result<&mut SimFile> {
        let id = self.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.files.get_mut(&id).expect("a name has its file"))
    }

    pub(super) fn file(&mut self, id: u64) -> &mut SimFile {
        self.files.get_mut(&id).expect("an open file")
    }

    pub(super) fn create(&mut self, name: &str) -> u64 {
        self.next_file += 1;
        self.files.insert(self.next_file, SimFile::default());
        self.names.change(NameChange::Put(name.to_owned(), self.next_file));
        self.next_file
    }

    /// Removes a name that may not be there.
    pub(super) fn remove(&mut self, name: &str) {
        if self.names.get(name).is_some() {
            self.names.change(NameChange::Remove(name.to_owned()));
        }
    }

    /// Gives a file another name.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let file = self.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        self.names.change(NameChange::Rename(from.to_owned(), to.to_owned(), file));
        Ok(())
    }

    /// What `known` makes of the names and lengths, by name.
    pub(super) fn list<T>(&mut self, known: impl Fn(&str, u64) -> Option<T>) -> io::Result<Vec<T>> {
        let names: Vec<String> = self.names.live().map(str::to_owned).collect();
        let mut found = Vec::new();
        for name in names {
            let len = self.named(&name)?.len();
            found.extend(known(&name, len));
        }
        Ok(found)
    }

    /// Fills `buf` from the platter.
    pub(super) fn read(&mut self, name: &str, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let aligned = buf.as_ptr().align_offset(PAGE) == 0 && buf.len().is_multiple_of(PAGE);
        assert!(aligned && offset.is_multiple_of(PAGE as u64), "direct reads are of pages, into pages");
        let pages = offset / PAGE as u64..(offset + buf.len() as u64) / PAGE as u64;
        let id = self.names.get(name);
        if self.bad_pages.iter().any(|(bad, page)| Some(*bad) == id && pages.contains(page)) {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        self.named(name)?.read_direct(offset, buf);
        Ok(())
    }

    pub(super) fn sync(&mut self, id: u64) -> io::Result<()> {
        if self.failing_syncs > 0 {
            self.failing_syncs -= 1;
            self.file(id).fail_sync();
            return Err(io::Error::from_raw_os_error(EIO));
        }
        self.file(id).sync();
        Ok(())
    }

    fn alive(&self, generation: u64) -> io::Result<()> {
        if self.off || self.generation != generation {
            return Err(io::Error::other("the power is off"));
        }
        Ok(())
    }

    /// One more call; why it fails, if it does.
    fn call(&mut self) -> Option<io::Error> {
        self.calls += 1;
        let fails = |fault: &SimFault| self.calls == fault.call || fault.lasting && self.calls > fault.call;
        Some(io::Error::from_raw_os_error(self.fault.filter(fails)?.errno))
    }
}

impl SimStorage {
    /// Does one change; if the power goes in its middle, it is done or not, and nobody is told.
    pub(super) fn change<T>(
        &self,
        op: &'static str,
        name: &str,
        change: impl FnOnce(&mut Disk) -> io::Result<T>,
    ) -> Result<T, JournalError> {
        let attempt = |disk: &mut Disk| {
            disk.alive(self.generation)?;
            if disk.read_only {
                return Err(io::ErrorKind::ReadOnlyFilesystem.into());
            }
            if let Some(error) = disk.call() {
                if disk.fault.is_some_and(|fault| fault.half_way) {
                    let syncs = std::mem::replace(&mut disk.failing_syncs, 1);
                    let _ = change(disk);
                    disk.failing_syncs = syncs;
                }
                return Err(error);
            }
            if let Some(mut frames) = disk.frames.take() {
                frames.push(SimDisk(Arc::new(Mutex::new(disk.clone()))));
                disk.frames = Some(frames);
            }
            disk.changes += 1;
            if disk.cut_at != Some(disk.changes) {
                return change(disk);
            }
            if disk.chance.percent(50) {
                let _ = change(disk);
            }
            disk.off = true;
            Err(io::Error::other("the power went"))
        };
        attempt(&mut self.disk.locked()).map_err(|error| JournalError::io(op, name, error))
    }

    pub(super) fn look<T>(
        &self,
        op: &'static str,
        name: &str,
        look: impl FnOnce(&mut Disk) -> io::Result<T>,
    ) -> Result<T, JournalError> {
        let mut disk = self.disk.locked();
        let result = disk.alive(self.generation).and_then(|()| match disk.call() {
            Some(error) => Err(error),
            None => look(&mut disk),
        });
        result.map_err(|error| JournalError::io(op, name, error))
    }
}

#[cfg(test)]
mod tests {
    use super::super::storage::{SegmentName, SegmentSource, Spare, Storage};
    use super::*;

    const ID: LogId = LogId { instance: [1; 16], shard: 0 };
    const NAME: SegmentName = SegmentName { base: 0, epoch: 1 };

    fn rolled(disk: &SimDisk) -> SimStorage {
        let mut storage = disk.storage();
        while storage.step(8 * PAGE as u64).expect("room").is_none() {}
        storage.roll(NAME, &[9; PAGE]).expect("rolled");
        storage
    }

    #[test]
    fn synced_pages_survive_and_others_are_lost_kept_or_torn_by_sectors() {
        let (mut lost, mut kept, mut torn) = (0, 0, 0);
        for seed in 0..100 {
            let disk = SimDisk::new(seed, ID);
            let mut storage = rolled(&disk);
            storage.store(4096, &[1; PAGE], &[]).expect("stored");
            storage.sync().expect("synced");
            storage.store(8192, &[2; PAGE], &[]).expect("stored");
            disk.crash();
            assert!(storage.sync().is_err(), "the old storage is dead");
            assert_eq!(disk.contents(&NAME.to_string(), 4096, PAGE), [1; PAGE]);
            let page = disk.contents(&NAME.to_string(), 8192, PAGE);
            assert!(page.chunks(512).all(|sector| sector == [0; 512] || sector == [2; 512]));
            match page.iter().filter(|byte| **byte == 2).count() {
                0 => lost += 1,
                PAGE => kept += 1,
                _ => torn += 1,
            }
        }
        assert!(lost > 10 && kept > 10 && torn > 10, "lost {lost} kept {kept} torn {torn}");
    }

    #[test]
    fn after_a_failed_sync_the_cache_lies_and_the_next_sync_says_ok() {
        let disk = SimDisk::new(1, ID);
        let mut storage = rolled(&disk);
        storage.store(4096, &[1; PAGE], &[]).expect("stored");
        disk.fail_syncs(1);
        assert!(storage.sync().is_err());
        assert!(storage.sync().is_ok());
        let (mut cached, mut direct) = ([0; PAGE], super::super::storage::PageBuf::new(PAGE));
        assert_eq!(storage.read_at(NAME, 4096, &mut cached).expect("cached"), PAGE);
        storage.read(NAME, 4096, direct.bytes_mut()).expect("direct");
        assert_eq!((cached[0], direct.bytes()[0]), (1, 0));
    }

    #[test]
    fn a_killed_process_loses_nothing() {
        let disk = SimDisk::new(1, ID);
        let mut storage = rolled(&disk);
        storage.store(4096, &[1; PAGE], &[]).expect("stored");
        disk.kill();
        let mut read = [0; PAGE];
        disk.storage().read_at(NAME, 4096, &mut read).expect("there");
        assert_eq!(read, [1; PAGE]);
    }

    #[test]
    fn names_that_were_not_synced_may_be_gone() {
        let mut gone = 0;
        for seed in 0..40 {
            let disk = SimDisk::new(seed, ID);
            let mut storage = rolled(&disk);
            storage.remove(NAME).expect("removed");
            disk.crash();
            gone += usize::from(!disk.file_names().contains(&NAME.to_string()));
        }
        assert!((5..35).contains(&gone), "{gone} of 40");
    }
}
