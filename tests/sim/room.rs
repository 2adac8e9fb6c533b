//! Full and slow disks, as the server treats them (server::room): what may still be done, and how it ends by itself.

use super::world::{Down, World};
use creditd::journal::JournalError;
use creditd::journal::storage::Spare;
use creditd::shard::Admission;

impl World {
    /// A step at the next segment's file, or at the reserve. A failure is not the end: it is tried again.
    pub fn spare(&mut self, shard: u16) -> Result<(), Down> {
        let home = &mut self.process.homes[usize::from(shard)];
        let (spare, len) = (home.committer.spare(), home.committer.segment_len());
        let is_full = home.is_full();
        if !is_full && !home.committer.wants_spare() && spare.has_reserve() {
            return Ok(());
        }
        let made = if (is_full || home.committer.wants_spare()) && !spare.is_ready() {
            spare.step(len)
        } else {
            spare.step_reserve(len)
        };
        match made {
            Ok(_) if is_full && spare.is_ready() && spare.has_reserve() => self.admit(shard, Admission::All),
            Ok(_) => {}
            Err(JournalError::Full { .. }) if !is_full => self.admit(shard, Admission::Endings),
            Err(JournalError::Full { .. }) => {}
            Err(error) => {
                let down = self.down_of(&error);
                return if self.is_off() { Err(down) } else { Ok(()) };
            }
        }
        Ok(())
    }

    /// There was no room for a segment when a block needed one: the reserve, or the block waits.
    pub fn make_do(&mut self, shard: u16) {
        self.counts.full += 1;
        let reserve = self.process.homes[usize::from(shard)].committer.spare().take_reserve();
        self.admit(shard, if reserve { Admission::Endings } else { Admission::Nothing });
    }

    /// A commit takes long, or is over.
    pub fn slow(&mut self, shard: u16) {
        match self.process.homes[usize::from(shard)].shard.admission() {
            Admission::All if self.chance.percent(30) => self.admit(shard, Admission::Later),
            Admission::Later => self.admit(shard, Admission::All),
            _ => {}
        }
    }

    /// There is room again on all disks; the shards notice by themselves.
    pub fn make_room(&mut self) {
        self.disks.iter().for_each(|disk| disk.set_full(false));
    }

    fn admit(&mut self, shard: u16, admission: Admission) {
        self.trace.note(format_args!("admit {shard} {admission:?}"));
        self.process.homes[usize::from(shard)].shard.set_admission(admission);
    }
}
