//! What the journal does to the simulated device: every change is one at which the power can go.

use std::io;

use super::Lsn;
use super::block::PAGE;
use super::error::JournalError;
use super::sim::{Disk, SPARE_NAMES, SimSpareFile, SimStorage};
use super::sim_draft::SimDraft;
use super::sim_file::NameChange;
use super::storage::{
    Page, SegmentFile, SegmentName, SegmentSource, SnapshotFile, Spare, Storage, snapshot_end, snapshot_name,
};

impl Storage for SimStorage {
    type Spare = SimStorage;
    type Source = SimStorage;
    type Draft = SimDraft;

    fn draft(&self) -> SimDraft {
        SimDraft(self.clone())
    }

    fn spare(&self) -> SimStorage {
        self.clone()
    }

    fn source(&self) -> SimStorage {
        self.clone()
    }

    fn direct_io(&self) -> bool {
        true
    }

    fn segments(&mut self) -> Result<Vec<SegmentFile>, JournalError> {
        self.look("list", ".", |disk| disk.list(|name, len| Some(SegmentFile { name: SegmentName::parse(name)?, len })))
    }

    fn read(&mut self, segment: SegmentName, offset: u64, buf: &mut [u8]) -> Result<(), JournalError> {
        let name = segment.to_string();
        self.look("read", &name, |disk| disk.read(&name, offset, buf))
    }

    fn settle(&mut self, segment: SegmentName) -> Result<(), JournalError> {
        let name = segment.to_string();
        self.look("sync", &name, |disk| {
            let id = disk.names.get(&name).ok_or(io::ErrorKind::NotFound)?;
            disk.sync(id)
        })
    }

    fn roll(&mut self, segment: SegmentName, header: &Page) -> Result<(), JournalError> {
        self.current = None;
        let name = segment.to_string();
        let spare = self.look("name segment", &name, |disk| {
            Ok(disk.spare.take_if(|spare| spare.done).expect("the committer finishes the spare before it rolls"))
        })?;
        self.change("write header", &name, |disk| {
            disk.file(spare.file).write(0, header);
            Ok(())
        })?;
        self.change("sync header", &name, |disk| disk.sync(spare.file))?;
        self.change("rename", &name, |disk| {
            disk.names.change(NameChange::Rename(spare.name.to_owned(), name.clone(), spare.file));
            Ok(())
        })?;
        self.sync_dir()?;
        self.current = Some(spare.file);
        Ok(())
    }

    fn store(&mut self, offset: u64, header: &[u8], body: &[u8]) -> Result<(), JournalError> {
        let mut bytes = [header, body].concat();
        bytes.resize(bytes.len().next_multiple_of(PAGE), 0);
        let id = self.current.expect("a segment is current");
        self.change("store", "current segment", |disk| {
            let file = disk.file(id);
            assert!(offset + bytes.len() as u64 <= file.len(), "a store stays in its segment");
            file.write(offset, &bytes);
            Ok(())
        })
    }

    fn sync(&mut self) -> Result<(), JournalError> {
        let id = self.current.expect("a segment is current");
        self.change("sync", "current segment", |disk| disk.sync(id))
    }

    fn truncate(&mut self, segment: SegmentName, len: u64) -> Result<(), JournalError> {
        let name = segment.to_string();
        self.change("truncate", &name, |disk| {
            disk.named(&name)?.set_len(len);
            Ok(())
        })
    }

    fn remove(&mut self, segment: SegmentName) -> Result<(), JournalError> {
        let name = segment.to_string();
        self.change("remove", &name, |disk| {
            disk.named(&name)?;
            disk.names.change(NameChange::Remove(name.clone()));
            Ok(())
        })
    }

    fn quarantine(&mut self, segment: SegmentName, offset: u64, len: u64) -> Result<String, JournalError> {
        let (name, copy) = (segment.to_string(), format!("{segment}.{offset:x}"));
        let path = format!("quarantine/{copy}");
        let id = self.change("quarantine", &path, |disk| {
            let mut bytes = vec![0; len as usize];
            disk.named(&name)?.read_direct(offset, &mut bytes);
            let id = disk.create(&path);
            disk.file(id).set_len(len);
            disk.file(id).write(0, &bytes);
            Ok(id)
        })?;
        self.change("sync", &path, |disk| disk.sync(id))?;
        self.sync_dir()?;
        Ok(copy)
    }

    fn snapshots(&mut self) -> Result<Vec<SnapshotFile>, JournalError> {
        self.look("list", ".", |disk| disk.list(|name, len| Some(SnapshotFile { end: snapshot_end(name)?, len })))
    }

    fn read_snapshot(&mut self, end: Lsn, offset: u64, buf: &mut [u8]) -> Result<(), JournalError> {
        let name = snapshot_name(end);
        self.look("read", &name, |disk| disk.read(&name, offset, buf))
    }

    fn set_snapshot_aside(&mut self, end: Lsn) -> Result<(), JournalError> {
        let name = snapshot_name(end);
        self.change("rename", &name, |disk| disk.rename(&name, &format!("quarantine/{name}")))?;
        self.sync_dir()
    }

    fn read_super(&mut self, which: usize) -> Result<Option<Box<Page>>, JournalError> {
        let name = format!("super.{which}");
        self.look("read", &name, |disk| {
            let Ok(file) = disk.named(&name) else { return Ok(None) };
            let mut page = Box::new([0; PAGE]);
            file.read_direct(0, &mut page[..]);
            Ok(Some(page))
        })
    }

    fn write_super(&mut self, which: usize, page: &Page) -> Result<(), JournalError> {
        let name = format!("super.{which}");
        let id = self.change("write", &name, |disk| {
            let id = disk.names.get(&name).unwrap_or_else(|| disk.create(&name));
            disk.file(id).set_len(PAGE as u64);
            disk.file(id).write(0, page);
            Ok(id)
        })?;
        self.change("sync", &name, |disk| disk.sync(id))
    }

    fn sync_dir(&mut self) -> Result<(), JournalError> {
        self.change("sync directory", ".", |disk| {
            disk.names.sync();
            Ok(())
        })
    }
}

impl Spare for SimStorage {
    fn step(&self, len: u64) -> Result<Option<u64>, JournalError> {
        self.make(|disk| (&mut disk.spare, disk.reserve), len)
    }

    fn is_ready(&self) -> bool {
        self.disk.locked().spare.is_some_and(|spare| spare.done)
    }

    fn step_reserve(&self, len: u64) -> Result<Option<u64>, JournalError> {
        self.make(|disk| (&mut disk.reserve, disk.spare), len)
    }

    fn has_reserve(&self) -> bool {
        self.disk.locked().reserve.is_some_and(|reserve| reserve.done)
    }

    fn take_reserve(&self) -> bool {
        let disk = &mut *self.disk.locked();
        let Some(reserve) = disk.reserve.take_if(|reserve| reserve.done) else { return false };
        if let Some(unfinished) = disk.spare.replace(reserve) {
            disk.names.change(NameChange::Remove(unfinished.name.to_owned()));
        }
        true
    }
}

impl SimStorage {
    /// One step of making the first file that `place` shows, not at the path of the second.
    fn make(
        &self,
        place: fn(&mut Disk) -> (&mut Option<SimSpareFile>, Option<SimSpareFile>),
        len: u64,
    ) -> Result<Option<u64>, JournalError> {
        let op = "make segment";
        let finished = |disk: &mut Disk| Ok(place(disk).0.filter(|made| made.done));
        if let Some(made) = self.look(op, SPARE_NAMES[0], finished)? {
            return Ok(Some(made.len));
        }
        self.change(op, SPARE_NAMES[0], |disk| {
            if let Some(mut made) = *place(disk).0 {
                disk.sync(made.file)?;
                made.done = true;
                *place(disk).0 = Some(made);
                return Ok(Some(made.len));
            }
            if disk.full {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let other = place(disk).1.map(|other| other.name);
            let name = SPARE_NAMES.into_iter().find(|name| Some(*name) != other).expect("two names for two files");
            let file = disk.create(name);
            disk.file(file).set_len(len);
            *place(disk).0 = Some(SimSpareFile { name, file, len, done: false });
            Ok(None)
        })
    }
}

impl SegmentSource for SimStorage {
    fn read_at(&mut self, segment: SegmentName, offset: u64, buf: &mut [u8]) -> Result<usize, JournalError> {
        let name = segment.to_string();
        self.look("read", &name, |disk| Ok(disk.named(&name)?.read_cached(offset, buf)))
    }
}
