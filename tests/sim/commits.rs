//! Blocks on their way to the disk. A commit is three actions, so that anything can happen between them: the shard
//! goes on while its block is stored and synced, the process dies between the sync and the news of it.

use super::world::{Down, Flight, World};
use creditd::journal::JournalError;

impl World {
    /// The shard closes its block and lends it to the committer.
    pub fn start(&mut self, shard: u16) {
        let home = &mut self.process.homes[usize::from(shard)];
        if !matches!(home.flight, Flight::None) {
            return;
        }
        let Some(block) = home.shard.take_block() else { return };
        if home.shard.log().next_lsn() == block.end_lsn() {
            self.judge.block_ends(shard, block.end_lsn(), home.shard.ledger());
        }
        self.chronicles[usize::from(shard)].block(&block);
        self.trace.note(format_args!("start {shard} {}..{}", block.first_lsn(), block.end_lsn()));
        home.flight = Flight::Handed(block);
    }

    /// The committer stores and syncs.
    pub fn sync(&mut self, shard: u16) -> Result<(), Down> {
        let home = &mut self.process.homes[usize::from(shard)];
        let Flight::Handed(block) = &home.flight else { return Ok(()) };
        match home.committer.commit(block) {
            Ok(durable) => {
                assert_eq!(durable, block.end_lsn(), "a commit makes its block durable");
                self.trace.note(format_args!("synced {shard} to {durable}"));
                self.counts.commits += 1;
                home.flight = Flight::Synced(durable);
                Ok(())
            }
            Err(error @ JournalError::Full { .. }) => {
                // Nothing of the block is stored: it waits.
                self.trace.note(format_args!("{error}"));
                self.make_do(shard);
                Ok(())
            }
            Err(error) => Err(self.down_of(&error)),
        }
    }

    /// The shard hears of it.
    pub fn finish(&mut self, shard: u16) {
        let home = &mut self.process.homes[usize::from(shard)];
        let Flight::Synced(durable) = home.flight else { return };
        home.flight = Flight::None;
        let mut released = Vec::new();
        home.shard.committed(durable, &mut released);
        self.judge.durable(shard, durable, home.shard.ledger());
        self.trace.note(format_args!("durable {shard} {durable}, answers {}", released.len()));
        self.hand_out(shard, released);
    }

    /// Whatever of a commit is left to be done.
    pub fn commit(&mut self, shard: u16) -> Result<(), Down> {
        self.start(shard);
        self.sync(shard)?;
        self.finish(shard);
        Ok(())
    }

    /// The committer notes in the super what is durable.
    pub fn idle(&mut self, shard: u16) -> Result<(), Down> {
        let home = &mut self.process.homes[usize::from(shard)];
        if matches!(home.flight, Flight::None)
            && let Err(error) = home.committer.idle()
        {
            return Err(self.down_of(&error));
        }
        Ok(())
    }
}
