//! The oracle: what every command must answer, and what a crash may take back.
//!
//! The model is asked in the order in which the shards execute. Each answer is owed to its ticket until the shard
//! releases it. After a crash an account's sequence says how much of its history survived: never less than any released
//! answer showed (I12). The model is taken back to that point, and goes on from there: what was lost happens anew when
//! it is retried, what survived is a replay, and nothing is done twice.

use super::clients::Request;
use super::model::{Model, State};
use creditd::journal::Lsn;
use creditd::ledger::command::{Command, Op};
use creditd::ledger::outcome::Outcome;
use creditd::ledger::{Decision, Ledger, Past, Prior};
use creditd::shard::batch::{Reply, Ticket};
use std::collections::BTreeMap;

/// Knows what must be.
pub struct Judge {
    holds_max: usize,
    retention_ms: u64,
    cases: BTreeMap<Vec<u8>, Case>,
    owed: BTreeMap<Ticket, Owed>,
    /// Per shard: digests of the state at ends of blocks.
    digests: Vec<BTreeMap<Lsn, u128>>,
    /// Per shard: what it was told is durable.
    durable: Vec<Lsn>,
    /// Per shard: the same one block earlier, which the newest block proves.
    proven: Vec<Lsn>,
    /// Effects that crashes took back, none of them acknowledged.
    pub lost: u64,
    /// Effects that survived a crash.
    pub survived: u64,
}

/// One account.
struct Case {
    /// At the last boot.
    base: Belief,
    now: Belief,
    /// What changed it since.
    history: Vec<Step>,
    /// The newest entry that any released answer showed.
    shown_seq: u64,
}

/// What the model believes of one account.
#[derive(Clone)]
struct Belief {
    model: Model,
    /// When a command last changed an id.
    touched: BTreeMap<Vec<u8>, u64>,
}

struct Step {
    request: Request,
    now_ms: u64,
    /// The id was forgotten before this.
    forgotten: bool,
    /// The account's newest entry after this.
    seq: u64,
}

struct Owed {
    account: Vec<u8>,
    outcome: Outcome,
    seq: u64,
}

impl Judge {
    /// Before anything.
    pub fn new(shards: u16, holds_max: u32, retention_ms: u64) -> Self {
        Self {
            holds_max: holds_max as usize,
            retention_ms,
            cases: BTreeMap::new(),
            owed: BTreeMap::new(),
            digests: vec![BTreeMap::new(); usize::from(shards)],
            durable: vec![0; usize::from(shards)],
            proven: vec![0; usize::from(shards)],
            lost: 0,
            survived: 0,
        }
    }

    /// A shard is about to execute `command`. `ledger` is only asked whether it has forgotten an id that it may forget.
    pub fn execute(&mut self, ledger: &Ledger, ticket: Ticket, command: &Command<'_>, now_ms: u64) {
        let (holds_max, retention_ms) = (self.holds_max, self.retention_ms);
        let case = self.cases.entry(command.account.to_vec()).or_insert_with(|| Case::new(holds_max));
        let forgotten = case.now.may_be_forgotten(command, now_ms, retention_ms)
            && ledger.lookup(ledger.key(command.account, command.tx)) == Prior::Unknown;
        let mut step = Step { request: Request::copy(command), now_ms, forgotten, seq: 0 };
        let (outcome, changed) = case.now.take(&step);
        step.seq = case.now.seq(command.account);
        let owed = Owed { account: command.account.to_vec(), outcome, seq: step.seq };
        if changed {
            case.history.push(step);
        }
        assert!(self.owed.insert(ticket, owed).is_none(), "a ticket is used once");
    }

    /// A shard lets an answer out.
    pub fn released(&mut self, reply: &Reply) {
        let owed = self.owed.remove(&reply.ticket).expect("one answer is owed to a ticket");
        assert_eq!(reply.outcome, owed.outcome, "the model answers so; account {}", owed.account.escape_ascii());
        let case = self.cases.get_mut(&owed.account).expect("it was executed");
        case.shown_seq = case.shown_seq.max(owed.seq);
    }

    /// How many answers are owed.
    pub fn owed(&self) -> usize {
        self.owed.len()
    }

    /// A shard hears that its log is durable up to `lsn`.
    pub fn durable(&mut self, shard: u16, lsn: Lsn) {
        self.proven[usize::from(shard)] = std::mem::replace(&mut self.durable[usize::from(shard)], lsn);
    }

    /// Below this the log of a shard itself proves that all was durable.
    pub fn proven(&self, shard: u16) -> Lsn {
        self.proven[usize::from(shard)]
    }

    /// A shard's state at the end of a block.
    pub fn block_ends(&mut self, shard: u16, lsn: Lsn, ledger: &Ledger) {
        if self.retention_ms == u64::MAX {
            self.digests[usize::from(shard)].insert(lsn, ledger.digest());
        }
    }

    /// The process is gone: nobody is owed anything.
    pub fn down(&mut self) {
        self.owed.clear();
    }

    /// A shard came back with a log that ends at `lsn`.
    pub fn recovered(&mut self, shard: u16, lsn: Lsn, ledger: &Ledger) {
        let shard = usize::from(shard);
        assert!(
            lsn >= self.durable[shard],
            "the log of shard {shard} ends at {lsn}, durable was {}",
            self.durable[shard]
        );
        ledger.check().unwrap_or_else(|violation| panic!("shard {shard}: {violation}"));
        if self.retention_ms == u64::MAX {
            let digest = ledger.digest();
            let before = self.digests[shard].get(&lsn).copied().unwrap_or(digest);
            assert_eq!(digest, before, "shard {shard}: replay and life gave different states at {lsn}");
            self.digests[shard] = BTreeMap::from([(lsn, digest)]);
        }
    }

    /// After recovery: takes every account of a shard back to what its ledger still knows.
    pub fn take_back(&mut self, ledger: &Ledger, mut is_here: impl FnMut(&[u8]) -> bool) {
        for (account, case) in self.cases.iter_mut().filter(|(account, _)| is_here(account)) {
            let seq = match view(ledger, account, Op::Balance, 0) {
                Outcome::Balance(figures) => figures.seq,
                other => panic!("figures, not {other:?}"),
            };
            let name = account.escape_ascii();
            assert!(
                seq >= case.shown_seq,
                "{name}: entry {} was shown, but the log has {seq} only (I12)",
                case.shown_seq
            );
            let mut belief = case.base.clone();
            let kept = case.history.iter().take_while(|step| step.seq <= seq).map(|step| belief.take(step)).count();
            assert!(belief.seq(account) <= seq, "{name}: the model is ahead of the log");
            self.survived += kept as u64;
            self.lost += (case.history.len() - kept) as u64;
            case.history.clear();
            case.base = belief.clone();
            case.now = belief;
        }
    }

    /// All accounts that were ever named.
    pub fn accounts(&self) -> Vec<Vec<u8>> {
        self.cases.keys().cloned().collect()
    }

    /// Compares a whole shard, settled at `now_ms`, with the model.
    pub fn audit(&mut self, ledger: &Ledger, now_ms: u64, mut is_here: impl FnMut(&[u8]) -> bool) {
        let mut sums = [0; 4];
        for (account, case) in self.cases.iter_mut().filter(|(account, _)| is_here(account)) {
            let command = Command::new(account, b"", Op::Holds);
            let expected = case.now.model.execute(&command, now_ms);
            assert_eq!(view(ledger, account, Op::Holds, now_ms), expected, "{}", account.escape_ascii());
            if let Some(account) = case.now.model.accounts.get(account) {
                let figures = [account.granted, account.debited, account.balance, account.reserved()];
                sums.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += u128::from(figure));
            }
        }
        let totals = ledger.totals();
        assert_eq!([totals.granted, totals.debited, totals.balance, totals.reserved], sums, "sums of a shard (I2, I3)");
    }
}

impl Case {
    fn new(holds_max: usize) -> Self {
        let model = Model { holds_max, ..Model::default() };
        let belief = Belief { model, touched: BTreeMap::new() };
        Self { base: belief.clone(), now: belief, history: Vec::new(), shown_seq: 0 }
    }
}

impl Belief {
    fn seq(&self, account: &[u8]) -> u64 {
        self.model.accounts.get(account).map_or(0, |account| account.seq)
    }

    /// Executes, and says whether the command itself made an entry.
    fn take(&mut self, step: &Step) -> (Outcome, bool) {
        let command = step.request.command();
        let mut forgotten = None;
        if let Some(account) = self.model.accounts.get_mut(command.account) {
            account.settle(step.now_ms);
            forgotten = if step.forgotten { account.ids.remove(command.tx) } else { None };
        }
        let before = self.seq(command.account);
        let outcome = self.model.execute(&command, step.now_ms);
        let changed = self.seq(command.account) > before;
        if changed {
            self.touched.insert(command.tx.to_vec(), step.now_ms);
        } else if let (Some(id), Some(account)) = (forgotten, self.model.accounts.get_mut(command.account)) {
            // Nothing has come in its place: after a crash it may be remembered again.
            account.ids.insert(command.tx.to_vec(), id);
        }
        (outcome, changed)
    }

    /// Whether the id has been at its end for a retention or longer.
    fn may_be_forgotten(&self, command: &Command<'_>, now_ms: u64, retention_ms: u64) -> bool {
        let Some(id) = self.model.accounts.get(command.account).and_then(|account| account.ids.get(command.tx)) else {
            return false;
        };
        let newest_ms = match id.state {
            State::Active if id.expires > now_ms => return false,
            State::Active | State::Expired => id.expires,
            _ => self.touched[command.tx],
        };
        newest_ms.saturating_add(retention_ms) <= now_ms
    }
}

/// What a ledger shows of an account as it is, nothing settled before.
fn view(ledger: &Ledger, account: &[u8], op: Op, now_ms: u64) -> Outcome {
    let command = Command::new(account, b"", op);
    match ledger.decide(ledger.locate(account), &command, &Past::Unknown, &Past::Unknown, now_ms) {
        Decision::Answer(outcome) => outcome,
        Decision::Commit(event) => panic!("a read changes nothing: {event:?}"),
    }
}
