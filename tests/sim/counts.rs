//! What happened how often: so that nobody takes a simulation in which nothing happens for a proof.

/// A life as a number, and what was in it.
#[derive(Debug)]
pub struct Life {
    pub hash: u64,
    pub counts: Counts,
}

/// What happened how often.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub commands: u64,
    pub answers: u64,
    pub retries: u64,
    /// Commands that waited behind a REFUND, or were one that waited.
    pub asides: u64,
    /// Errands for known records, and along a trail.
    pub recalls: u64,
    pub walks: u64,
    /// Commands refused because too many wait, and because a walk is too long.
    pub busy: u64,
    pub too_long: u64,
    pub refunds: u64,
    pub replays: u64,
    pub commits: u64,
    pub boots: u64,
    /// Boots that met a fault themselves.
    pub nested: u64,
    /// Boots refused for a flipped bit, and those that it did not concern.
    pub rot_refused: u64,
    pub rot_harmless: u64,
    /// Starts that found a flipped bit in a snapshot, and went on.
    pub rot_snapshots: u64,
    pub power_cuts: u64,
    pub kills: u64,
    /// Ends by an error that the process met.
    pub faults: u64,
    pub clean_stops: u64,
    /// Blocks that had to wait for room, and commands refused for a full or slow disk.
    pub full: u64,
    /// Snapshots, starts from one, and segments that were let go of.
    pub saves: u64,
    pub from_snapshot: u64,
    pub trimmed: u64,
    pub unroomed: u64,
    /// Unacknowledged effects that a crash took back, and that survived one.
    pub lost: u64,
    pub survived: u64,
    /// Claims that have ended after they had a hold, those of them with a slot; and those that a start found.
    pub claims: u64,
    pub taken: u64,
    pub resumed: u64,
    /// Claims that a crash met: its lead was asked whether it is open; its RESERVE was not durable; a slot was asked for;
    /// the CLAIM was not durable; its answer was under way; its end was not durable.
    pub cut: [u64; 6],
    /// Waiting for the end of a claim was given up.
    pub impatient: u64,
    /// Events that consumers were shown, and times that some were gone before they were.
    pub shown: u64,
    pub missed: u64,
}

impl Counts {
    /// Sums up.
    pub fn add(&mut self, other: &Counts) {
        self.commands += other.commands;
        self.answers += other.answers;
        self.retries += other.retries;
        self.asides += other.asides;
        self.recalls += other.recalls;
        self.walks += other.walks;
        self.busy += other.busy;
        self.too_long += other.too_long;
        self.refunds += other.refunds;
        self.replays += other.replays;
        self.commits += other.commits;
        self.boots += other.boots;
        self.nested += other.nested;
        self.rot_refused += other.rot_refused;
        self.rot_harmless += other.rot_harmless;
        self.rot_snapshots += other.rot_snapshots;
        self.power_cuts += other.power_cuts;
        self.kills += other.kills;
        self.faults += other.faults;
        self.clean_stops += other.clean_stops;
        self.full += other.full;
        self.saves += other.saves;
        self.from_snapshot += other.from_snapshot;
        self.trimmed += other.trimmed;
        self.unroomed += other.unroomed;
        self.lost += other.lost;
        self.survived += other.survived;
        self.claims += other.claims;
        self.taken += other.taken;
        self.cut.iter_mut().zip(other.cut).for_each(|(sum, cut)| *sum += cut);
        self.resumed += other.resumed;
        self.impatient += other.impatient;
        self.shown += other.shown;
        self.missed += other.missed;
    }

    /// A simulation in which nothing happens proves nothing.
    pub fn check(&self, seeds: u64) {
        let often = [
            self.commands / 100,
            self.answers / 50,
            self.replays,
            self.commits / 10,
            self.lost,
            self.survived,
            self.shown / 50,
        ];
        let also = [self.asides, self.recalls, self.walks, 2 * self.refunds];
        assert!(also.into_iter().all(|count| count >= seeds), "too little is looked for: {self:?}");
        assert!(seeds < 200 || self.missed > 0, "no consumer is too slow: {self:?}");
        assert!(often.into_iter().all(|count| count >= seeds), "too little happens: {self:?}");
        let ends = [
            self.busy,
            self.too_long,
            self.nested,
            self.power_cuts,
            self.kills,
            self.faults,
            self.clean_stops,
            self.full,
            self.saves,
            self.from_snapshot,
            self.trimmed,
            self.unroomed,
            self.rot_refused,
            self.rot_snapshots,
            self.taken,
            self.claims - self.taken,
            self.resumed,
            self.impatient,
        ];
        let ends = ends.into_iter().chain(self.cut);
        assert!(seeds < 20 || { ends }.all(|count| count >= seeds / 10), "too little goes wrong: {self:?}");
    }
}
