//! Snapshots in the making, and the log that is let go of below them: the simulated twin of server::saving. Every step is
//! an action, so that commands, commits and the end of the process come between any two.

use super::world::{Down, World};
use creditd::journal::snapshot::{SNAPSHOT_CONTENT, SnapshotEnd, SnapshotHead, SnapshotWriter};
use creditd::journal::{Draft, JournalError, Lsn, SimStorage, Storage};
use creditd::ledger::snapshot::Copying;
use creditd::shard::CopyStep;

/// A snapshot that is not published yet.
pub struct Saving {
    writer: SnapshotWriter<<SimStorage as Storage>::Draft>,
    copying: Copying,
    begin: Lsn,
    /// All is copied.
    end: Option<SnapshotEnd>,
}

impl World {
    /// A shard begins a snapshot, or gives up the one that it was making.
    pub fn save(&mut self, shard: u16) -> Result<(), Down> {
        let now_ms = self.now_ms();
        let home = &mut self.process.homes[usize::from(shard)];
        if let Some(saving) = home.saving.take_if(|_| self.chance.percent(5)) {
            saving.writer.abandon();
            return if self.is_off() { Err(Down::Exit) } else { Ok(()) };
        }
        // As the server does: a snapshot of this state, and with this name, is not made again.
        let (end, saved) = (home.shard.log().next_lsn(), home.committer.draft().snapshots());
        let is_new = end > 0 && saved.is_ok_and(|saved| saved.last().is_none_or(|newest| newest.end < end));
        if home.saving.is_some() || !is_new || !home.is_at_home() || home.is_full() {
            return Ok(());
        }
        let begin = home.committer.position();
        let id = super::boot::log_id(shard);
        let head = SnapshotHead { id, created_ms: now_ms, begin, content: SNAPSHOT_CONTENT };
        match SnapshotWriter::begin(home.committer.draft(), &head) {
            Ok(writer) => {
                let copying = home.shard.begin_copy(begin.lsn);
                home.saving = Some(Saving { writer, copying, begin: begin.lsn, end: None });
                self.trace.note(format_args!("save {shard} from {}", begin.lsn));
                Ok(())
            }
            Err(error) => self.not_saved(&error),
        }
    }

    /// One step of a copy.
    pub fn copy(&mut self, shard: u16) -> Result<(), Down> {
        let home = &mut self.process.homes[usize::from(shard)];
        let Some(saving) = home.saving.as_mut().filter(|saving| saving.end.is_none()) else { return Ok(()) };
        let mut bytes = Vec::new();
        let step = home.shard.copy_step(&mut saving.copying, &mut bytes);
        let written = match step {
            CopyStep::Items { count: 0, .. } => Ok(()),
            CopyStep::Items { section, count } => saving.writer.part(section as u8, count, &bytes),
            CopyStep::Done { end, now_ms, needed } => {
                let end = SnapshotEnd { end, now_ms, needed };
                saving.end = Some(end);
                saving.writer.finish(end, &bytes)
            }
        };
        self.trace.note(format_args!("copy {shard} {step:?}"));
        if let Err(error) = written {
            let saving = home.saving.take().expect("it was being made");
            saving.writer.abandon();
            return self.not_saved(&error);
        }
        Ok(())
    }

    /// A snapshot whose end is durable gets its name.
    pub fn publish(&mut self, shard: u16) -> Result<(), Down> {
        let home = &mut self.process.homes[usize::from(shard)];
        let (durable, is_at_home) = (home.shard.log().durable_lsn(), home.is_at_home());
        let is_ready = |saving: &mut Saving| saving.end.is_some_and(|end| end.end <= durable) && is_at_home;
        let Some(Saving { writer, begin, end, .. }) = home.saving.take_if(is_ready) else { return Ok(()) };
        let end = end.expect("it is ready");
        if let Err(error) = home.committer.note() {
            return Err(self.down_of(&error));
        }
        match writer.publish() {
            Ok(()) => {
                home.snapshots.push(begin.min(end.needed));
                self.counts.saves += 1;
                self.trace.note(format_args!("saved {shard} {begin}..{}", end.end));
                Ok(())
            }
            Err(error) => self.not_saved(&error),
        }
    }

    /// The log lets go of what neither of the two snapshots needs.
    pub fn trim(&mut self, shard: u16) -> Result<(), Down> {
        let [.., older, newer] = self.process.homes[usize::from(shard)].snapshots[..] else { return Ok(()) };
        // Nobody is on the way to what goes: a question that is overtaken may hear either.
        self.make_room();
        self.quieten()?;
        let now_ms = self.now_ms();
        let home = &mut self.process.homes[usize::from(shard)];
        if !home.is_at_home() {
            return Ok(());
        }
        let floor = older.min(newer);
        // What memory still has would be found there, or not: the judge could not tell.
        let floor = self.chronicles[usize::from(shard)].first_in(home.shard.log()).map_or(floor, |lsn| floor.min(lsn));
        let point = home.committer.reader().trim_point(floor, now_ms).expect("headers are read");
        let point = home.shard.let_go(point);
        let names = match home.committer.let_go(point) {
            Ok(names) => names,
            Err(error) => return Err(self.down_of(&error)),
        };
        self.counts.trimmed += names.len() as u64;
        self.trace.note(format_args!("trim {shard} below {point}: {names:?}"));
        let draft = self.process.homes[usize::from(shard)].committer.draft();
        self.cut_trails(shard);
        for name in names {
            if let Err(error) = draft.remove_segment(name) {
                return self.not_saved(&error);
            }
        }
        draft.sync_dir().or_else(|error| self.not_saved(&error))
    }

    /// Tells the judge where the trails begin that a shard's log has now.
    pub fn cut_trails(&mut self, shard: u16) {
        let oldest = self.process.homes[usize::from(shard)].committer.reader().oldest_lsn();
        for (account, first) in self.chronicles[usize::from(shard)].first_kept(oldest) {
            self.judge.cut(account, first);
        }
    }

    /// A snapshot or a removal failed, which ends nothing, unless it was the power.
    fn not_saved(&mut self, error: &JournalError) -> Result<(), Down> {
        if self.is_off() || !matches!(error, JournalError::Full { .. }) {
            let down = self.down_of(error);
            return if self.is_off() { Err(down) } else { Ok(()) };
        }
        Ok(())
    }
}
