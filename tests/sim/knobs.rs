//! What one seed's world is like. Every seed draws its own sizes, speeds and dangers, most of them far from the usual:
//! what a thousand average worlds never meet, one odd world meets at once.

use creditd::journal::chance::Chance;
use creditd::journal::{PAGE, SyncPolicy};

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A client sends a command.
    Send,
    /// A core reads from a connection.
    Read,
    /// A core sends what waits for other cores.
    Flush,
    /// A message between two cores arrives.
    Deliver,
    /// A connection's answers reach its client.
    Write,
    /// A shard hands its open block to its committer.
    Start,
    /// A committer stores and syncs.
    Sync,
    /// A shard hears that its block is durable.
    Finish,
    /// All three at once, as a core does with a fast disk.
    Inline,
    /// Time passes.
    Tick,
    /// A core expires holds that nobody asks about.
    Expire,
    /// A committer writes its super.
    Idle,
    /// The next segment's file is worked at.
    Spare,
    /// Somebody sets the wall clock.
    StepWall,
    /// A shard begins a snapshot.
    Save,
    /// A step of a snapshot.
    Copy,
    /// A finished snapshot gets its name.
    Publish,
    /// The log lets go of what no snapshot needs.
    Trim,
    /// A commit takes longer than a second, or is over.
    Slow,
    /// Somebody else fills a disk, or frees space on it.
    Fill,
    /// A core sends for the records behind old ids.
    Recall,
    /// A core sends somebody along a trail.
    Walk,
    /// An errand reads.
    Run,
    /// An errand comes back.
    Return,
    /// A step of a claim reaches its lead.
    DoStep,
    /// A lead's answer reaches its claim.
    HearStep,
    /// The consumer of a shard's events asks for the next page.
    Consume,
    /// Somebody looks at some part of a shard's events.
    Browse,
}

const ACTIONS: [(Action, u64); 28] = [
    (Action::Send, 24),
    (Action::Read, 12),
    (Action::Flush, 6),
    (Action::Deliver, 12),
    (Action::Write, 8),
    (Action::Start, 5),
    (Action::Sync, 5),
    (Action::Finish, 5),
    (Action::Inline, 3),
    (Action::Tick, 4),
    (Action::Expire, 2),
    (Action::Idle, 1),
    (Action::Spare, 3),
    (Action::StepWall, 1),
    (Action::Save, 4),
    (Action::Copy, 8),
    (Action::Publish, 6),
    (Action::Trim, 1),
    (Action::Slow, 1),
    (Action::Fill, 2),
    (Action::Recall, 4),
    (Action::Walk, 6),
    (Action::Run, 8),
    (Action::Return, 8),
    (Action::DoStep, 10),
    (Action::HearStep, 12),
    (Action::Consume, 3),
    (Action::Browse, 1),
];

/// The draw.
#[derive(Debug)]
pub struct Knobs {
    pub shards: u16,
    pub cores_max: u16,
    pub clients: usize,
    pub accounts: u64,
    /// Ids of an account that are in use at a time; older ones are met no more.
    pub ids: u64,
    pub holds_max: u32,
    pub retention_ms: u64,
    pub policy: SyncPolicy,
    pub segment_len: u64,
    pub recent_len: usize,
    /// Entries that one walk along a trail may look at.
    pub walk_max: u64,
    /// Longest ordinary reservation.
    pub ttl_ms_max: u64,
    /// Longest ordinary tick.
    pub tick_ms_max: u64,
    /// Of 100 commands, how many carry a long META.
    pub long_percent: u64,
    /// Of 100 commands, how many are sent a second time at once.
    pub twice_percent: u64,
    /// Of 100 boots, how many meet a fault themselves.
    pub boot_risk_percent: u64,
    /// Once a process run, a client sends more than a block holds.
    pub floods: bool,
    /// Entries that one account has from the start.
    pub trail: u64,
    /// Of 100 commands, how many are about leads; slots of most leads; how long a client waits for a claim.
    pub leads_percent: u64,
    pub slots: u64,
    pub claim_timeout_ms: u64,
    /// Of 100 times, how often a consumer that could read does: some are slower than the log is let go of.
    pub consume_percent: u64,
    pub lives: u64,
    pub steps_max: u64,
    weights: Vec<(Action, u64)>,
    weight: u64,
}

impl Knobs {
    /// Draws.
    pub fn draw(chance: &mut Chance) -> Self {
        let one_of = |chance: &mut Chance, values: &[u64]| values[chance.below(values.len() as u64) as usize];
        let weights: Vec<_> = ACTIONS.map(|(action, base)| (action, base * one_of(chance, &[1, 2, 6]))).to_vec();
        let policy = if chance.percent(10) { SyncPolicy::No } else { SyncPolicy::Always };
        let knobs = Self {
            shards: one_of(chance, &[1, 2, 2, 4, 8]) as u16,
            cores_max: 1 + chance.below(4) as u16,
            clients: 1 + chance.below(5) as usize,
            accounts: 1 + chance.below(9),
            ids: one_of(chance, &[2, 5, 12, 40]),
            holds_max: one_of(chance, &[1, 3, 1024]) as u32,
            retention_ms: one_of(chance, &[u64::MAX, u64::MAX, u64::MAX, 300, 60_000, 86_400_000]),
            policy,
            segment_len: PAGE as u64 * (257 + one_of(chance, &[0, 1, 6, 40, 700])),
            recent_len: one_of(chance, &[0, 2_048, 16_384, 1 << 20]) as usize,
            walk_max: one_of(chance, &[150, 1_000, 100_000]),
            ttl_ms_max: one_of(chance, &[4, 40, 1_000, 100_000]),
            tick_ms_max: one_of(chance, &[2, 20, 1_500]),
            long_percent: one_of(chance, &[0, 5, 60]),
            twice_percent: one_of(chance, &[0, 10, 40]),
            boot_risk_percent: one_of(chance, &[10, 50, 80]),
            floods: chance.percent(3),
            trail: one_of(chance, &[0, 0, 0, 0, 0, 0, 0, 300, 700]),
            leads_percent: one_of(chance, &[0, 0, 30, 80]),
            slots: one_of(chance, &[1, 3, 70]),
            claim_timeout_ms: one_of(chance, &[5, 200, 5_000, 100_000]),
            consume_percent: one_of(chance, &[0, 5, 100]),
            lives: 4 + chance.below(6),
            steps_max: one_of(chance, &[60, 600, 2_500]),
            weight: weights.iter().map(|(_, weight)| weight).sum(),
            weights,
        };
        if chance.percent(10) { knobs.with_many_claims() } else { knobs }
    }

    /// The same world, but that hardly anything but claims happens in it, in many short lives.
    fn with_many_claims(self) -> Self {
        let weight = |action, base| match action {
            Action::Read | Action::Write => 2 * base,
            Action::Flush | Action::Start | Action::Sync | Action::Finish => 3 * base,
            Action::Deliver | Action::DoStep | Action::HearStep => 5 * base,
            Action::Inline => 10 * base,
            Action::Save | Action::Copy | Action::Publish | Action::Walk | Action::Fill => 1,
            _ => base,
        };
        let weights: Vec<_> = ACTIONS.map(|(action, base)| (action, weight(action, base))).to_vec();
        Self {
            accounts: 40,
            holds_max: 1024,
            policy: SyncPolicy::Always,
            boot_risk_percent: 20,
            floods: false,
            trail: 0,
            leads_percent: 95,
            slots: 20 * self.slots,
            lives: 40,
            steps_max: 2_500,
            weight: weights.iter().map(|(_, weight)| weight).sum(),
            weights,
            ..self
        }
    }

    /// What happens next.
    pub fn action(&self, chance: &mut Chance) -> Action {
        let mut point = chance.below(self.weight);
        for &(action, weight) in &self.weights {
            if point < weight {
                return action;
            }
            point -= weight;
        }
        unreachable!("the point is below the sum of the weights")
    }

    /// The shard that owns an account or a lead; tests/it has the real router.
    pub fn shard(&self, name: &[u8]) -> u16 {
        (name.iter().map(|byte| u16::from(*byte)).sum::<u16>()) % self.shards
    }
}
