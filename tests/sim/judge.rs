//! The oracle: what every command must answer, and what a crash may take back.
//!
//! The model is asked in the order in which the shards execute. Each answer is owed to its ticket until the shard
//! releases it. After a crash an account's sequence says how much of its history survived: never less than any released
//! answer showed (I12). The model is taken back to that point, and goes on from there: what was lost happens anew when
//! it is retried, what survived is a replay, and nothing is done twice.

use super::asides::Asides;
use super::belief::{Answer, Belief, Heard, Name, ROOMLESS, Step};
use super::claims::Claims;
use super::clients::Request;
use super::cut::Cut;
use super::knobs::Knobs;
use super::model::{Entry, Model};
use creditd::journal::Lsn;
use creditd::ledger::command::{Command, Op};
use creditd::ledger::lead::LeadState;
use creditd::ledger::outcome::Outcome;
use creditd::ledger::rejection::{Busy, Rejection};
use creditd::ledger::{Decision, Ledger, Past, Prior};
use creditd::shard::Admission;
use creditd::shard::batch::{Batch, Reply, Ticket};
use std::collections::BTreeMap;

/// Knows what must be.
pub struct Judge {
    holds_max: usize,
    retention_ms: u64,
    walk_max: u64,
    /// Of accounts, and of leads.
    pub(super) cases: BTreeMap<Name, Case>,
    pub(super) owed: BTreeMap<Ticket, Owed>,
    pub(super) claims: Claims,
    pub(super) asides: Asides,
    /// Per account whose older entries are no longer kept: sequence of the first that is; the next one, if none is.
    cuts: BTreeMap<Vec<u8>, u64>,
    /// Per shard: digests of the state at ends of blocks.
    digests: Vec<BTreeMap<Lsn, u128>>,
    /// Per shard: what it was told is durable.
    durable: Vec<Lsn>,
    /// Per shard: the same one block earlier, which the newest block proves.
    proven: Vec<Lsn>,
    /// Per shard: below this ids were forgotten.
    floors: Vec<Lsn>,
    /// Effects that crashes took back, none of them acknowledged.
    pub lost: u64,
    /// Effects that survived a crash.
    pub survived: u64,
    /// Commands refused because too many wait, and because a walk is too long; refunds.
    pub busy: u64,
    pub too_long: u64,
    pub refunds: u64,
    /// Commands refused because a disk is full or slow.
    pub unroomed: u64,
}

/// What is known of a command's ids before it is executed.
#[derive(Default)]
pub struct Known {
    /// Its id may be forgotten, and is.
    forgotten: bool,
    /// A hold of the account is past its deadline, and nobody has expired it yet.
    is_due: bool,
    /// The id that a REFUND asks for is not in the index, and what it took is no longer kept.
    of_is_gone: bool,
    /// The id that a TX or a REFUND asks for is not in the index, and too far back in the trail.
    too_long: bool,
}

/// One account, or one lead.
pub struct Case {
    /// At the last boot.
    base: Belief,
    pub now: Belief,
    /// What changed it since.
    pub history: Vec<Step>,
    /// The newest entry that any released answer showed.
    pub shown_seq: u64,
}

pub struct Owed {
    pub name: Name,
    pub answer: Answer,
    /// The newest entry that it shows.
    pub seq: u64,
    /// It may be refused as too long a walk instead.
    may_be_too_long: bool,
    /// The account's trail has lost its beginning.
    cut: Option<Cut>,
}

impl Judge {
    /// Before anything.
    pub fn new(knobs: &Knobs) -> Self {
        let shards = usize::from(knobs.shards);
        Self {
            holds_max: knobs.holds_max as usize,
            retention_ms: knobs.retention_ms,
            walk_max: knobs.walk_max,
            cases: BTreeMap::new(),
            owed: BTreeMap::new(),
            claims: Claims::new(knobs.claim_timeout_ms),
            asides: Asides::default(),
            cuts: BTreeMap::new(),
            digests: vec![BTreeMap::new(); shards],
            durable: vec![0; shards],
            proven: vec![0; shards],
            floors: vec![0; shards],
            lost: 0,
            survived: 0,
            busy: 0,
            too_long: 0,
            refunds: 0,
            unroomed: 0,
        }
    }

    /// A shard is about to execute `command`. `ledger` is only asked what it has forgotten or left undone.
    pub fn look(&mut self, ledger: &Ledger, command: &Command<'_>, now_ms: u64) -> Known {
        let holds_max = self.holds_max;
        let case = self.cases.entry(Name::of(command)).or_insert_with(|| Case::new(holds_max));
        if command.op.is_of_lead() {
            let leads = ledger.leads();
            let is_due = leads.settle(leads.locate(command.lead), now_ms).is_some();
            return Known { is_due, ..Known::default() };
        }
        let is_unknown = |id| ledger.lookup(ledger.key(command.account, id)) == Prior::Unknown;
        let may_be_forgotten = case.now.may_be_forgotten(command, now_ms, self.retention_ms);
        let first = self.cuts.get(command.account).copied().unwrap_or(1);
        let wanted = match command.op {
            Op::Tx => Some(command.tx),
            Op::Refund { .. } => Some(command.of),
            _ => None,
        };
        let account = case.now.model.accounts.get(command.account);
        let took = account.and_then(|account| account.entries.iter().rfind(|entry| entry.tx == command.of));
        Known {
            of_is_gone: took.is_some_and(|entry| entry.seq < first) && is_unknown(command.of),
            is_due: ledger.settle(ledger.locate(command.account), now_ms).is_some(),
            forgotten: may_be_forgotten && is_unknown(command.tx),
            too_long: wanted.is_some_and(|id| {
                is_unknown(id) && case.now.distance(command.account, id, now_ms, first) > self.walk_max
            }),
        }
    }

    /// A shard has decided `command`, or has asked the lead that it claims.
    pub fn decided(&mut self, ticket: Ticket, command: &Command<'_>, now_ms: u64, known: &Known, admission: Admission) {
        self.decided_after(Heard::Nothing, ticket, command, now_ms, known, admission);
    }

    /// As [`Self::decided`], of a claim whose lead has said something.
    pub fn decided_after(
        &mut self,
        heard: Heard,
        ticket: Ticket,
        command: &Command<'_>,
        now_ms: u64,
        known: &Known,
        admission: Admission,
    ) {
        let name = Name::of(command);
        let case = self.cases.get_mut(&name).expect("it was looked at");
        let too_long = self.asides.take_back(ticket).unwrap_or(known.too_long);
        let mut step = Step { request: Request::copy(command), now_ms, forgotten: known.forgotten, heard, seq: 0 };
        // What shows nothing of the account or lead waits for nothing.
        let mut is_bare = true;
        let is_of_lead = command.op.is_of_lead();
        let (answer, changed) = if !is_of_lead && self.asides.is_full(command.account) {
            (Answer::refusal(Rejection::TryAgain(Busy::Refund)), false)
        } else if known.is_due && admission == Admission::Nothing {
            assert!(case.now.is_due(&name, now_ms), "a hold or a lead is due too early");
            (Answer::refusal_of(command, ROOMLESS), false)
        } else if known.of_is_gone && case.now.walks(&step) {
            is_bare = false;
            (Answer::refusal(Rejection::NoTx), false)
        } else if too_long && case.now.walks(&step) {
            is_bare = false;
            (Answer::refusal(Rejection::WalkTooLong { entries: self.walk_max }), false)
        } else if let Some(rejection) = case.now.not_admitted(&step, admission) {
            self.unroomed += 1;
            (Answer::refusal_of(command, rejection), false)
        } else {
            is_bare = false;
            case.now.take(&step)
        };
        step.seq = case.now.seq(&name);
        self.refunds += u64::from(changed && matches!(command.op, Op::Refund { .. }));
        let may_be_too_long = match command.op {
            // At worst: to a 256th entry, one look at each below it, and back to the entry.
            Op::BalanceAt { .. } => step.seq > self.walk_max && 520 + step.seq / 256 > self.walk_max,
            // At worst: to the first entry wanted, and over all of them again.
            Op::History(_) => 2 * (step.seq + step.seq / 256) > self.walk_max,
            _ => false,
        };
        let account = case.now.model.accounts.get(command.account);
        // A refusal of the lead shows nothing of the account, if it is not kept there.
        let is_kept = changed || !known.forgotten && account.is_some_and(|a| a.ids.contains_key(command.tx));
        is_bare |= matches!(command.op, Op::Claim { .. }) && account.is_some() && !is_kept;
        let cut =
            self.cuts.get(command.account).zip(account).map(|(first, account)| Cut::new(*first, command, account));
        is_bare |= matches!(answer, Answer::Undecided(..));
        let seq = if is_bare { 0 } else { step.seq };
        let answer = match answer {
            Answer::Undecided(..) if case.now.is_running(command) => self.claims.wait(ticket, command, now_ms),
            answer => answer,
        };
        if changed {
            case.history.push(step);
        }
        let owed = Owed { name, answer, seq, may_be_too_long, cut };
        assert!(self.owed.insert(ticket, owed).is_none(), "a ticket is used once");
    }

    /// A shard has put `command` aside.
    pub fn aside(&mut self, ticket: Ticket, command: &Command<'_>, known: &Known) {
        self.asides.put(ticket, command, known.too_long);
    }

    /// A shard gives commands back that it had put aside.
    pub fn back(&mut self, batch: &Batch) {
        self.asides.back(batch);
    }

    /// A shard lets an answer out.
    pub fn released(&mut self, reply: &Reply, now_ms: u64) {
        let owed = self.owed.remove(&reply.ticket).expect("one answer is owed to a ticket");
        let name = owed.name.bytes().escape_ascii();
        match (&owed.answer, &reply.outcome) {
            (Answer::Undecided(since_ms, lead), Outcome::Rejected(rejection)) => {
                let waits = (*since_ms, lead.as_slice());
                self.refused_meanwhile(reply.ticket, owed.name.bytes(), waits, rejection, now_ms);
            }
            (_, Outcome::Rejected(Rejection::WalkTooLong { entries })) if owed.may_be_too_long => {
                assert_eq!(*entries, self.walk_max);
            }
            (Answer::Outcome(outcome), told) if outcome == told => {}
            (_, told) if owed.cut.as_ref().is_some_and(|cut| cut.explains(told)) => {}
            (Answer::Entries(entries), Outcome::History(told)) => {
                let told: Vec<_> = told.iter().map(|event| Entry::of(&event)).collect();
                assert_eq!(&told, entries, "the model has this trail; account {name}");
            }
            (Answer::Entries(_) | Answer::Undecided(..), told) => panic!("not {told:?}; account {name}"),
            (Answer::Outcome(outcome), told) => assert_eq!(told, outcome, "the model answers so; account {name}"),
        }
        self.busy += u64::from(matches!(reply.outcome, Outcome::Rejected(Rejection::TryAgain(Busy::Refund))));
        self.too_long += u64::from(matches!(reply.outcome, Outcome::Rejected(Rejection::WalkTooLong { .. })));
        let case = self.cases.get_mut(&owed.name).expect("it was executed");
        case.shown_seq = case.shown_seq.max(owed.seq);
    }

    /// How many answers are owed.
    pub fn owed(&self) -> usize {
        self.owed.len()
    }

    /// A shard has heard that its log is durable up to `lsn`.
    pub fn durable(&mut self, shard: u16, lsn: Lsn, ledger: &Ledger) {
        let shard = usize::from(shard);
        self.proven[shard] = std::mem::replace(&mut self.durable[shard], lsn);
        self.floors[shard] = ledger.floor();
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
        self.asides = Asides::default();
        self.claims.down();
    }

    /// A shard came back with a log that ends at `lsn`.
    pub fn recovered(&mut self, shard: u16, lsn: Lsn, ledger: &Ledger) {
        let shard = usize::from(shard);
        assert!(
            lsn >= self.durable[shard],
            "the log of shard {shard} ends at {lsn}, durable was {}",
            self.durable[shard]
        );
        let (floor, before) = (ledger.floor(), self.floors[shard]);
        assert!(floor >= before, "shard {shard} knows ids from lsn {floor} on, they were forgotten below {before}");
        ledger.check().unwrap_or_else(|violation| panic!("shard {shard}: {violation}"));
        if self.retention_ms == u64::MAX {
            let digest = ledger.digest();
            let before = self.digests[shard].get(&lsn).copied().unwrap_or(digest);
            assert_eq!(digest, before, "shard {shard}: replay and life gave different states at {lsn}");
            self.digests[shard] = BTreeMap::from([(lsn, digest)]);
        }
    }

    /// After recovery: takes every account and lead of a shard back to what its ledger still knows.
    pub fn take_back(&mut self, ledger: &Ledger, mut is_here: impl FnMut(&[u8]) -> bool) {
        for (name, case) in self.cases.iter_mut().filter(|(name, _)| is_here(name.bytes())) {
            let seq = match name {
                Name::Account(account) => match view(ledger, account, Op::Balance, 0) {
                    Outcome::Balance(figures) => figures.seq,
                    other => panic!("figures, not {other:?}"),
                },
                Name::Lead(lead) => ledger.leads().view(ledger.leads().locate(lead), false).map_or(0, |view| {
                    1 + u64::from(view.claims) + u64::from(matches!(view.state, LeadState::Closed | LeadState::Expired))
                }),
            };
            assert!(
                seq >= case.shown_seq,
                "{name:?}: entry {} was shown, but the log has {seq} only (I12)",
                case.shown_seq
            );
            let mut belief = case.base.clone();
            let kept = case.history.iter().take_while(|step| step.seq <= seq).map(|step| belief.take(step)).count();
            assert!(belief.seq(name) <= seq, "{name:?}: the model is ahead of the log");
            self.survived += kept as u64;
            self.lost += (case.history.len() - kept) as u64;
            case.history.clear();
            case.base = belief.clone();
            case.now = belief;
        }
    }

    /// All accounts that were ever named.
    pub fn accounts(&self) -> Vec<Vec<u8>> {
        let account = |name: &Name| if let Name::Account(account) = name { Some(account.clone()) } else { None };
        self.cases.keys().filter_map(account).collect()
    }

    /// All leads that were ever named.
    pub fn leads(&self) -> Vec<Vec<u8>> {
        let lead = |name: &Name| if let Name::Lead(lead) = name { Some(lead.clone()) } else { None };
        self.cases.keys().filter_map(lead).collect()
    }

    /// An account's entries are kept from sequence `first` on. Which may be ahead of the model: after a start that has not
    /// seen yet which holds have expired.
    pub fn cut(&mut self, account: &[u8], first: u64) {
        if first > 1 {
            self.cuts.insert(account.to_vec(), first);
        }
    }

    /// Compares a whole shard, settled at `now_ms`, with the model.
    pub fn audit(&mut self, ledger: &Ledger, now_ms: u64, mut is_here: impl FnMut(&[u8]) -> bool) {
        let mut sums = [0; 5];
        for (name, case) in self.cases.iter_mut().filter(|(name, _)| is_here(name.bytes())) {
            let account = match name {
                Name::Account(account) => account,
                Name::Lead(lead) => {
                    case.now.agrees_on_lead(ledger, lead, now_ms);
                    continue;
                }
            };
            let command = Command::new(account, b"", Op::Holds);
            let expected = case.now.model.execute(&command, now_ms);
            assert_eq!(view(ledger, account, Op::Holds, now_ms), expected, "{}", account.escape_ascii());
            if let Some(account) = case.now.model.accounts.get(account) {
                let figures = [account.granted, account.refunded, account.debited, account.balance, account.reserved()];
                sums.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += u128::from(figure));
            }
        }
        let totals = ledger.totals();
        let totals = [totals.granted, totals.refunded, totals.debited, totals.balance, totals.reserved];
        assert_eq!(totals, sums, "sums of a shard (I2, I3)");
    }
}

impl Case {
    fn new(holds_max: usize) -> Self {
        let belief = Belief::new(Model { holds_max, ..Model::default() });
        Self { base: belief.clone(), now: belief, history: Vec::new(), shown_seq: 0 }
    }
}

/// What a ledger shows of an account as it is, nothing settled before.
pub fn view(ledger: &Ledger, account: &[u8], op: Op, now_ms: u64) -> Outcome {
    let command = Command::new(account, b"", op);
    match ledger.decide(ledger.locate(account), &command, &Past::Unknown, &Past::Unknown, now_ms) {
        Decision::Answer(outcome) => outcome,
        other => panic!("a read changes nothing: {other:?}"),
    }
}
