//! Errands on their way to the readers and back: the simulated twin of server::readers. Three actions, so that anything
//! can happen between them: time passes, holds expire, other commands run, the process dies.

use super::world::{Away, World};

impl World {
    /// A shard gives out the commands that wait for old ids.
    pub fn recall(&mut self, shard: u16) {
        let home = &mut self.process.homes[usize::from(shard)];
        let errands = home.shard.take_recalls();
        self.counts.recalls += errands.len() as u64;
        self.trace.note(format_args!("recall {shard} {}", errands.len()));
        if !errands.is_empty() {
            home.window = home.shard.reader().window();
        }
        home.away.extend(errands.into_iter().map(|errand| Away { errand, is_recall: true, has_run: false }));
    }

    /// A shard gives out a walk.
    pub fn walk(&mut self, shard: u16) {
        let home = &mut self.process.homes[usize::from(shard)];
        if let Some(errand) = home.shard.take_walk() {
            self.counts.walks += 1;
            self.trace.note(format_args!("walk {shard}"));
            home.away.push(Away { errand, is_recall: false, has_run: false });
        }
    }

    /// One of the errands of a shard reads.
    pub fn run_errand(&mut self, shard: u16) {
        let home = &mut self.process.homes[usize::from(shard)];
        let waiting: Vec<_> = home.away.iter_mut().filter(|away| !away.has_run).collect();
        if waiting.is_empty() {
            return;
        }
        let number = self.chance.below(waiting.len() as u64) as usize;
        let away = waiting.into_iter().nth(number).expect("one of them");
        if away.is_recall {
            away.errand.run(&mut home.window);
        } else {
            away.errand.run(&mut home.shard.reader().window());
        }
        away.has_run = true;
        let fault = away.errand.fault();
        assert!(fault.is_none(), "no disk is broken: {fault:?}");
    }

    /// One that has read comes back; commands that waited for it are run at once.
    pub fn return_errand(&mut self, shard: u16) {
        let home = &mut self.process.homes[usize::from(shard)];
        let ready: Vec<_> = (0..home.away.len()).filter(|number| home.away[*number].has_run).collect();
        if ready.is_empty() {
            return;
        }
        let number = ready[self.chance.below(ready.len() as u64) as usize];
        let Away { errand, .. } = home.away.swap_remove(number);
        let mut released = Vec::new();
        let again = home.shard.returned(errand, &mut released);
        self.trace.note(format_args!("return {shard}, answers {}", released.len()));
        self.hand_out(shard, released);
        if let Some(batch) = again {
            self.judge.back(&batch);
            self.run_batch(&batch);
        }
    }
}
