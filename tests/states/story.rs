//! The story that is told to a disk, and what it must be afterwards, wherever it was interrupted.

use creditd::journal::snapshot::{SNAPSHOT_CONTENT, SnapshotEnd, SnapshotHead, SnapshotWriter};
use creditd::journal::{
    BlockKind, Committer, Draft, JournalError, LogId, Lsn, PAGE, Recovered, RecoveryOptions, SimDisk, SimStorage,
    SyncPolicy, recover,
};
use creditd::ledger::command::{Command, LeadOp, Op};
use creditd::ledger::{Ledger, Limits, Seeds};
use creditd::shard::batch::{Reply, Ticket};
use creditd::shard::{CopyStep, Patience, Rebuild, Shard};
use std::collections::BTreeMap;

/// Whose log.
pub const ID: LogId = LogId { instance: [7; 16], shard: 0 };

/// Room for a few small blocks: then a segment is sealed, for the longest block would not fit any more.
const SEGMENT_LEN: u64 = 261 * PAGE as u64;

const LIMITS: Limits = Limits {
    holds_per_account_max: 100,
    accounts_max: 100,
    leads_max: 100,
    lead_slots_max: 100,
    tx_index_bytes_max: 1 << 24,
    tx_retention_ms: u64::MAX,
};

const SEEDS: Seeds = Seeds { index_key: [11, 13], map_seed: 1 };

/// A shard that lives on a disk.
struct Life {
    shard: Shard<SimStorage>,
    committer: Committer<SimStorage>,
}

/// What is known of a disk's log: told as the story goes on, asked by those who interrupt it.
pub struct Story {
    /// The disk.
    pub disk: SimDisk,
    /// The digest of the state at each position at which a block ends.
    known: BTreeMap<Lsn, u128>,
    /// The newest of them.
    digest: u128,
    /// Positions that were acknowledged, and how many changes the disk had seen then.
    acknowledged: Vec<(u64, Lsn)>,
    now_ms: u64,
    /// Of the newest command.
    serial: u32,
    /// How long the longest block is.
    pages: usize,
    /// Snapshots that a fault prevented.
    pub unsaved: u32,
}

impl Story {
    /// A story about a new disk.
    pub fn new(seed: u64) -> Self {
        let digest = Ledger::new(LIMITS, SEEDS).digest();
        let (known, acknowledged) = (BTreeMap::from([(0, digest)]), Vec::new());
        let (disk, pages) = (SimDisk::new(seed, ID), 13 - seed as usize % 12);
        Self { disk, known, digest, acknowledged, now_ms: 1_000_000, serial: 0, pages, unsaved: 0 }
    }

    /// Tells all of it: two starts, every verb, blocks of one page and of twelve (fewer, by the seed), rolls, two snapshots, a
    /// trim, a clean stop.
    pub fn tell(&mut self) -> Result<(), JournalError> {
        let mut life = self.start()?;
        self.verbs(&mut life)?;
        life.committer.idle()?;
        self.fill(&mut life, self.pages)?;
        self.save(&mut life, None)?;
        self.now_ms += 5_000;
        self.verbs(&mut life)?;
        self.fill(&mut life, 3)?;
        let floor = life.committer.position().lsn;
        self.save(&mut life, Some(floor))?;
        self.fill(&mut life, 2)?;
        life.shard.mark(BlockKind::CleanStop, self.now_ms);
        self.commit(&mut life)?;
        let mut life = self.start()?;
        self.verbs(&mut life)?;
        life.committer.idle()
    }

    /// Something shorter: one segment. If `saved`, a snapshot in the middle; if `noted`, the super knows all of it.
    pub fn tell_little(&mut self, saved: bool, noted: bool) -> Result<(), JournalError> {
        let mut life = self.start()?;
        self.run(&mut life, Op::Grant { amount: 100 }, "", "");
        self.run(&mut life, Op::Reserve { amount: 30, ttl_ms: 5_000 }, "", "");
        self.commit(&mut life)?;
        if saved {
            self.save(&mut life, None)?;
        }
        self.run(&mut life, Op::Debit { amount: 7 }, "", "");
        self.commit(&mut life)?;
        if noted { life.committer.idle() } else { Ok(()) }
    }

    /// Starts on what became of the disk, where the log must reach to `acknowledged` at least.
    pub fn judge(&self, disk: &SimDisk, acknowledged: Lsn) -> Result<Recovered, JournalError> {
        let (ledger, _, recovered) = open(disk, self.now_ms)?;
        let end = recovered.next_lsn;
        assert!(end >= acknowledged, "the log ends at {end}, acknowledged was {acknowledged}");
        ledger.check().unwrap_or_else(|violation| panic!("{violation}"));
        let known = self.known.get(&end).unwrap_or_else(|| panic!("no block ended at {end}"));
        assert_eq!(ledger.digest(), *known, "the state at {end} is another one");
        Ok(recovered)
    }

    /// Up to where the log was acknowledged after `changes` of the disk.
    pub fn acknowledged(&self, changes: u64) -> Lsn {
        let before = self.acknowledged.iter().take_while(|(at, _)| *at <= changes);
        before.last().map_or(0, |(_, lsn)| *lsn)
    }

    /// Where the last block begins, and where it ends.
    pub fn last_block(&self) -> (Lsn, Lsn) {
        let mut ends = self.known.keys().rev().copied();
        let end = ends.next().expect("the log begins somewhere");
        (ends.next().unwrap_or(end), end)
    }

    fn start(&mut self) -> Result<Life, JournalError> {
        let (ledger, opened, recovered) = open(&self.disk, self.now_ms)?;
        assert_eq!(ledger.digest(), self.digest, "a start changes nothing");
        let reader = opened.reader();
        let patience = Patience { walk_max: 1_000, claim_timeout_ms: 5_000 };
        let shard = Shard::new(0, ledger, opened.log, reader, recovered.last_now_ms, patience);
        let mut life = Life { shard, committer: opened.committer };
        life.shard.resume_claims();
        self.pass_on(&mut life, Vec::new());
        Ok(life)
    }

    /// Every verb, one account's holds that expire, declines; in three blocks.
    fn verbs(&mut self, life: &mut Life) -> Result<(), JournalError> {
        self.run(life, Op::Grant { amount: 1_000 }, "", "");
        let debit = self.run(life, Op::Debit { amount: 300 }, "", "");
        let hold = self.run(life, Op::Reserve { amount: 200, ttl_ms: 60_000 }, "", "");
        self.run(life, Op::Reserve { amount: 50, ttl_ms: 1_000 }, "", "");
        self.commit(life)?;
        self.run(life, Op::Capture { amount: Some(150) }, &hold, "");
        self.run(life, Op::Refund { amount: Some(100) }, "", &debit);
        self.run(life, Op::Refund { amount: None }, "", &debit);
        self.run(life, Op::Debit { amount: 1_000_000 }, "", "");
        self.run(life, Op::Debit { amount: 300 }, &debit, "");
        self.commit(life)?;
        self.claims(life)?;
        self.now_ms += 2_000;
        while life.shard.expire(self.now_ms, 10, &mut Vec::new()) {}
        self.run(life, Op::Release, "", "");
        self.commit(life)
    }

    /// A lead with one slot, and two accounts that want it: every step of a claim stands in a block of its own.
    fn claims(&mut self, life: &mut Life) -> Result<(), JournalError> {
        let name = format!("l{}", self.serial);
        let open = Op::Lead(LeadOp::Open { max: 1, ttl_ms: Some(60_000) });
        self.execute(life, self.ticket(), &Command::of_lead(name.as_bytes(), open));
        for (account, op) in
            [(b"b", Op::Grant { amount: 9 }), (b"a", Op::Claim { cost: 5 }), (b"b", Op::Claim { cost: 5 })]
        {
            self.serial += 1;
            let tx = format!("t{}", self.serial);
            let command = Command { lead: name.as_bytes(), ..Command::new(account, tx.as_bytes(), op) };
            self.execute(life, self.ticket(), &command);
        }
        self.commit(life)
    }

    /// A block of so many pages.
    fn fill(&mut self, life: &mut Life, pages: usize) -> Result<(), JournalError> {
        for _ in 0..pages * PAGE / 1_200 {
            self.run(life, Op::Grant { amount: 1 }, "", "");
        }
        self.commit(life)
    }

    /// Executes a command. `tx`: its id, or else a new one, which is returned.
    fn run(&mut self, life: &mut Life, op: Op, tx: &str, of: &str) -> String {
        self.serial += 1;
        let tx = if tx.is_empty() { format!("t{}", self.serial) } else { tx.to_owned() };
        let meta = [b'm'; 1_000];
        let meta = if op == (Op::Grant { amount: 1 }) { &meta[..] } else { b"" };
        let command = Command { of: of.as_bytes(), meta, ..Command::new(b"a", tx.as_bytes(), op) };
        self.execute(life, self.ticket(), &command);
        tx
    }

    fn ticket(&self) -> Ticket {
        Ticket { core: 0, connection: 0, generation: 0, slot: self.serial }
    }

    fn execute(&self, life: &mut Life, ticket: Ticket, command: &Command<'_>) {
        let mut released = Vec::new();
        let sought = life.shard.prepare(command);
        let _ = life.shard.execute(self.now_ms, ticket, command, sought, &mut released);
        self.pass_on(life, released);
    }

    /// What claims and leads say to each other, who are all here.
    fn pass_on(&self, life: &mut Life, mut released: Vec<Reply>) {
        while let Some(reply) = released.pop() {
            if reply.ticket.claim().is_some() {
                life.shard.step(self.now_ms, reply, &mut released);
            }
        }
        let steps = life.shard.take_steps().unwrap_or_default();
        steps.iter().for_each(|(_, ticket, command)| self.execute(life, ticket, &command));
    }

    /// Commits all that was executed. A full disk is tried again, as the server does, and then given up.
    fn commit(&mut self, life: &mut Life) -> Result<(), JournalError> {
        while let Some(block) = life.shard.take_block() {
            // A FENCE goes before what was executed; it shows the state of before.
            if life.shard.log().next_lsn() == block.end_lsn() {
                self.digest = life.shard.ledger().digest();
            }
            self.known.insert(block.end_lsn(), self.digest);
            let mut done = life.committer.commit(&block);
            if matches!(done, Err(JournalError::Full { .. })) {
                done = life.committer.commit(&block);
            }
            let durable = done?;
            let mut released = Vec::new();
            life.shard.committed(durable, &mut released);
            self.acknowledged.push((self.disk.changes(), durable));
            self.pass_on(life, released);
        }
        Ok(())
    }

    /// Makes a snapshot with a command in its middle. With `floor`, lets go of the log below it afterwards.
    fn save(&mut self, life: &mut Life, floor: Option<Lsn>) -> Result<(), JournalError> {
        match self.copy(life) {
            Ok(None) => {}
            Ok(Some(writer)) => {
                self.commit(life)?;
                life.committer.note()?;
                self.unsaved += u32::from(writer.publish().is_err());
            }
            Err(_) => self.unsaved += 1,
        }
        self.commit(life)?;
        let Some(floor) = floor.filter(|_| self.unsaved == 0) else { return Ok(()) };
        let draft = life.committer.draft();
        let gone = life.committer.let_go(floor)?;
        // What cannot be removed now is at the next start.
        let _ = gone.into_iter().try_for_each(|name| draft.remove_segment(name)).and_then(|()| draft.sync_dir());
        Ok(())
    }

    fn copy(&mut self, life: &mut Life) -> Result<Option<Writer>, JournalError> {
        let begin = life.committer.position();
        let head = SnapshotHead { id: ID, created_ms: self.now_ms, begin, content: SNAPSHOT_CONTENT };
        let mut writer = SnapshotWriter::begin(life.committer.draft(), &head)?;
        let mut copying = life.shard.begin_copy(begin.lsn);
        loop {
            let mut bytes = Vec::new();
            match life.shard.copy_step(&mut copying, &mut bytes) {
                CopyStep::Items { count: 0, .. } => {}
                CopyStep::Items { section, count } => writer.part(section as u8, count, &bytes)?,
                CopyStep::Done { end, now_ms, needed } => {
                    writer.finish(SnapshotEnd { end, now_ms, needed }, &bytes)?;
                    return Ok(Some(writer));
                }
            }
            self.run(life, Op::Debit { amount: 2 }, "", "");
        }
    }
}

type Writer = SnapshotWriter<<SimStorage as creditd::journal::Storage>::Draft>;

fn open(
    disk: &SimDisk,
    now_ms: u64,
) -> Result<(Ledger, creditd::journal::Opened<SimStorage>, Recovered), JournalError> {
    let options = RecoveryOptions {
        id: ID,
        policy: SyncPolicy::Always,
        segment_len: SEGMENT_LEN,
        salt_seed: 42,
        now_ms,
        recent_len: 1 << 20,
    };
    let mut rebuild = Rebuild::new(LIMITS, SEEDS);
    let opened = recover(disk.storage(), &options, &mut |entry| rebuild.take(entry), &mut |_, _| {})?;
    let ledger = rebuild.into_ledger();
    let recovered = opened.recovered.clone();
    Ok((ledger, opened, recovered))
}
