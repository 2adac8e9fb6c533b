//! Tells a story to shards with real files: no sockets, no threads, a clock that only moves when it is told to.
//!
//! Whatever a server draws at random is fixed here: instance, keys, salts. So the same story gives the same bytes.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

use creditd::archive::unescaped;
use creditd::commands::arguments::{Arguments, Span};
use creditd::commands::{Defaults, Request, parse};
use creditd::journal::{
    BlockKind, Committer, DataDir, FileStorage, JournalError, NewDir, Opened, PAGE, RECENT_LEN, RecoveryOptions,
    Storage, SyncPolicy, recover,
};
use creditd::ledger::command::Command;
use creditd::ledger::{Limits, Seeds};
use creditd::shard::batch::{Reply, Ticket};
use creditd::shard::{Executed, Patience, Rebuild, Shard};

/// When stories start, unix milliseconds.
const START_MS: u64 = 1_790_000_000_000;

/// Length of segments in bytes: room for a header, seven pages of blocks, and the longest block.
const SEGMENT_LEN: u64 = 8 * PAGE as u64 + (1 << 20);

/// Most holds of an account: small, so that a story meets it.
pub const HOLDS_MAX: u32 = 3;

/// The shards of a directory, and their clock.
pub struct Teller {
    dir: DataDir,
    slots: Vec<u16>,
    now_ms: u64,
    homes: Vec<Home>,
    /// What has left a shard, and is on its way to a claim.
    answers: Vec<Reply>,
}

struct Home {
    shard: Shard<<FileStorage as Storage>::Source>,
    committer: Committer<FileStorage>,
}

impl Teller {
    /// Opens the directory at `path`, or makes one with so many shards.
    pub fn open(path: &Path, shards: u16) -> Result<Self, JournalError> {
        let new = NewDir { shards, instance: *b"golden directory", hash_keys: [11, 13] };
        let dir = DataDir::open_or_create(path, new)?;
        let slots = dir.manifest().slot_map();
        let mut teller = Self { dir, slots, now_ms: START_MS, homes: Vec::new(), answers: Vec::new() };
        teller.begin()?;
        Ok(teller)
    }

    /// The process ends as by kill -9, and a new one reads what is there.
    pub fn restart(&mut self) {
        self.begin().expect("a sound log");
    }

    /// Executes a command; words as `creditd export` shows them. Durable with the next commit.
    pub fn say(&mut self, line: &str) {
        let (mut bytes, mut spans) = (Vec::new(), Vec::new());
        for word in line.split(' ') {
            let start = bytes.len();
            bytes.extend(unescaped(word).expect("words in the notation of exports"));
            spans.push(Span::new(start, bytes.len()));
        }
        let defaults = Defaults { reserve_ttl_ms: 600_000, allow_auto_tx: false };
        let request = parse(Arguments::new(&bytes, &spans), &defaults);
        let Ok(Request::Ledger { command, .. }) = request else { panic!("{line}: {request:?}") };
        self.execute(Ticket { core: 0, connection: 0, generation: 0, slot: 0 }, &command);
    }

    /// Claims take a step: hear what has left a shard for them, and ask leads.
    pub fn step(&mut self) {
        for reply in std::mem::take(&mut self.answers) {
            if let Some((shard, _)) = reply.ticket.claim() {
                self.homes[usize::from(shard)].shard.step(self.now_ms, reply, &mut self.answers);
            }
        }
        let steps: Vec<_> = self.homes.iter_mut().filter_map(|home| home.shard.take_steps()).collect();
        for (_, ticket, command) in steps.iter().flat_map(|batch| batch.iter()) {
            self.execute(ticket, &command);
        }
    }

    /// Claims run to their ends.
    pub fn claim(&mut self) {
        while self.homes.iter().any(|home| home.shard.claims_running() > 0) {
            self.step();
            self.commit();
        }
    }

    /// A new process goes on with the claims that it found.
    pub fn resume(&mut self) {
        self.homes.iter_mut().for_each(|home| home.shard.resume_claims());
        self.claim();
    }

    fn execute(&mut self, ticket: Ticket, command: &Command<'_>) {
        let slot = redis_protocol::redis_keyslot(command.owner());
        let shard = &mut self.homes[usize::from(self.slots[usize::from(slot)])].shard;
        let prepared = shard.prepare(command);
        let executed = shard.execute(self.now_ms, ticket, command, prepared, &mut self.answers);
        assert!(matches!(executed, Executed::Decided), "{command:?}: all records are in memory");
    }

    /// Time passes.
    pub fn wait(&mut self, ms: u64) {
        self.now_ms += ms;
    }

    /// Holds and leads that are due expire, of those that nobody asks about.
    pub fn expire(&mut self) {
        self.homes
            .iter_mut()
            .for_each(|home| assert!(!home.shard.expire(self.now_ms, 100, &mut Vec::new()), "all that is due"));
    }

    /// What was said since the last commit becomes durable, a block for each shard.
    pub fn commit(&mut self) {
        for Home { shard, committer } in &mut self.homes {
            while let Some(block) = shard.take_block() {
                let durable = committer.commit(&block).expect("no disk is broken");
                shard.committed(durable, &mut self.answers);
            }
        }
    }

    /// Nothing happens for a while: the supers say what is durable.
    pub fn idle(&mut self) {
        self.homes.iter_mut().for_each(|home| home.committer.idle().expect("no disk is broken"));
    }

    /// The orderly end of a process.
    pub fn stop(&mut self) {
        self.homes.iter_mut().for_each(|home| home.shard.mark(BlockKind::CleanStop, self.now_ms));
        self.commit();
        self.homes.clear();
    }

    /// The power fails while the newest block of the first shard is written: its last page is not there.
    pub fn tear(&mut self, segment: &str) {
        let path = self.dir.path().join("shard-000").join(segment);
        let base = u64::from_str_radix(&segment[..16], 16).expect("a segment's name begins with its base");
        let (end, _) = self.homes[0].committer.head();
        let file = OpenOptions::new().write(true).open(path).expect("the segment is there");
        self.homes.clear();
        file.write_all_at(&[0; PAGE], end - base).expect("it takes a page");
    }

    /// What the shards know, each as one number.
    pub fn digests(&self) -> Vec<u128> {
        self.homes.iter().map(|home| home.shard.ledger().digest()).collect()
    }

    fn begin(&mut self) -> Result<(), JournalError> {
        self.homes.clear();
        self.answers.clear();
        for shard in 0..self.dir.manifest().shards {
            self.homes.push(start(&self.dir, shard, self.now_ms)?);
        }
        self.commit();
        Ok(())
    }
}

fn start(dir: &DataDir, shard: u16, now_ms: u64) -> Result<Home, JournalError> {
    let limits = Limits {
        holds_per_account_max: HOLDS_MAX,
        leads_max: 1_000,
        lead_slots_max: 100_000,
        accounts_max: 1_000,
        tx_index_bytes_max: 1 << 24,
        tx_retention_ms: u64::MAX,
    };
    let manifest = dir.manifest();
    let options = RecoveryOptions {
        id: manifest.log_id(shard),
        policy: SyncPolicy::Always,
        segment_len: SEGMENT_LEN,
        salt_seed: shard.into(),
        now_ms,
        recent_len: RECENT_LEN,
    };
    let mut rebuild = Rebuild::new(limits, Seeds { index_key: manifest.hash_keys, map_seed: 7 });
    let storage = dir.storage(shard)?;
    let opened = recover(storage, &options, &mut |entry| rebuild.take(entry), &mut |_, _| {})?;
    let reader = opened.reader();
    let Opened { committer, log, .. } = opened;
    let mut shard = Shard::new(
        shard,
        rebuild.into_ledger(),
        log,
        reader,
        now_ms,
        Patience { walk_max: 1_000, claim_timeout_ms: 5_000 },
    );
    shard.mark(BlockKind::Fence, now_ms);
    Ok(Home { shard, committer })
}
