//! What the judge believes of one account, or of one lead: the model, and when its ids were last changed.

use super::clients::Request;
use super::model::{Entry, Id, Lead, Model, State};
use creditd::ledger::Ledger;
use creditd::ledger::command::{Command, LeadOp, Op};
use creditd::ledger::event::EntryType;
use creditd::ledger::lead::{LeadState, Step as Said};
use creditd::ledger::outcome::Outcome;
use creditd::ledger::rejection::{Busy, Rejection};
use creditd::shard::Admission;
use std::collections::BTreeMap;

/// There is no room even for what ends something.
pub const ROOMLESS: Rejection = Rejection::DiskFull { reserve_is_used: true };

/// What executes commands and remembers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    Account(Vec<u8>),
    Lead(Vec<u8>),
}

/// What the model believes of one account, or of one lead.
#[derive(Clone)]
pub struct Belief {
    pub model: Model,
    /// When a command last changed an id.
    touched: BTreeMap<Vec<u8>, u64>,
}

/// A change of it, to be made again after a crash.
pub struct Step {
    pub request: Request,
    pub now_ms: u64,
    /// The id was forgotten before this.
    pub forgotten: bool,
    /// What the lead of a claim said before this.
    pub heard: Heard,
    /// The newest entry after this.
    pub seq: u64,
}

/// What a claim has heard from its lead.
pub enum Heard {
    Nothing,
    /// Whether it is open.
    Peek(Said),
    /// Whether there is a slot.
    Take(Said),
}

/// What the model answers.
pub enum Answer {
    Outcome(Outcome),
    Entries(Vec<Entry>),
    /// To a claim that waits since this moment for this lead.
    Undecided(u64, Vec<u8>),
}

impl Name {
    /// Who executes `command`.
    pub fn of(command: &Command<'_>) -> Self {
        if command.op.is_of_lead() {
            Self::Lead(command.lead.to_vec())
        } else {
            Self::Account(command.account.to_vec())
        }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        let (Self::Account(bytes) | Self::Lead(bytes)) = self;
        bytes
    }
}

impl Answer {
    /// A "no".
    pub fn refusal(rejection: Rejection) -> Self {
        Self::Outcome(Outcome::Rejected(rejection))
    }

    /// A claim's step is asked again later, whatever the reason.
    pub fn refusal_of(command: &Command<'_>, rejection: Rejection) -> Self {
        match command.op {
            Op::Lead(LeadOp::Peek | LeadOp::Take { .. }) => Self::Outcome(Outcome::Step(Box::new(Said::Later))),
            _ => Self::refusal(rejection),
        }
    }
}

impl Belief {
    /// Of nothing yet.
    pub fn new(model: Model) -> Self {
        Self { model, touched: BTreeMap::new() }
    }

    /// The newest entry.
    pub fn seq(&self, name: &Name) -> u64 {
        match name {
            Name::Account(account) => self.model.accounts.get(account).map_or(0, |account| account.seq),
            Name::Lead(lead) => self.model.leads.get(lead).map_or(0, Lead::seq),
        }
    }

    /// Executes, and says whether the command itself made an entry.
    pub fn take(&mut self, step: &Step) -> (Answer, bool) {
        let command = step.request.command();
        let name = Name::of(&command);
        if command.op.is_of_lead() {
            if let Some(lead) = self.model.leads.get_mut(command.lead) {
                lead.settle(step.now_ms);
            }
            let before = self.seq(&name);
            let outcome = self.model.execute(&command, step.now_ms);
            return (Answer::Outcome(outcome), self.seq(&name) > before);
        }
        if let Op::History(query) = &command.op {
            return (Answer::Entries(self.model.history(command.account, query, step.now_ms)), false);
        }
        let mut forgotten = None;
        if let Some(account) = self.model.accounts.get_mut(command.account) {
            account.settle(step.now_ms);
            forgotten = if step.forgotten { account.ids.remove(command.tx) } else { None };
        }
        let before = self.seq(&name);
        let outcome = match command.op {
            Op::Claim { .. } => match &step.heard {
                Heard::Nothing => self.model.claim(&command, None, step.now_ms),
                Heard::Peek(said) => self.model.claim(&command, Some(said), step.now_ms),
                Heard::Take(said) => Some(self.model.end_claim(&command, said, step.now_ms)),
            },
            _ => Some(self.model.execute(&command, step.now_ms)),
        };
        let changed = self.seq(&name) > before;
        if changed {
            self.touched.insert(command.tx.to_vec(), step.now_ms);
            if matches!(outcome, Some(Outcome::Written(_))) && !command.of.is_empty() {
                self.touched.insert(command.of.to_vec(), step.now_ms);
            }
        } else if let (Some(id), Some(account)) = (forgotten, self.model.accounts.get_mut(command.account)) {
            // Nothing has come in its place: after a crash it may be remembered again.
            account.ids.insert(command.tx.to_vec(), id);
        }
        (outcome.map_or(Answer::Undecided(step.now_ms, command.lead.to_vec()), Answer::Outcome), changed)
    }

    /// Whether the command is a claim that has a hold.
    pub fn is_running(&self, command: &Command<'_>) -> bool {
        let account = self.model.accounts.get(command.account);
        account.and_then(|account| account.ids.get(command.tx)).is_some_and(|id| id.state == State::Active)
    }

    /// Compares a lead, settled at `now_ms`.
    pub fn agrees_on_lead(&mut self, ledger: &Ledger, name: &[u8], now_ms: u64) {
        let at = ledger.leads().locate(name);
        let lead = self.model.leads.get_mut(name);
        let (view, claims) = lead.map_or((None, Vec::new()), |lead| {
            lead.settle(now_ms);
            (Some(Box::new(lead.view(name, false))), lead.views(1, u16::MAX))
        });
        assert_eq!((ledger.leads().view(at, false), ledger.leads().claim_views(at, 1, u16::MAX)), (view, claims));
    }

    pub fn is_due(&self, name: &Name, now_ms: u64) -> bool {
        let is_due = |id: &Id| id.state == State::Active && id.expires <= now_ms;
        match name {
            Name::Account(account) => {
                self.model.accounts.get(account).is_some_and(|account| account.ids.values().any(is_due))
            }
            Name::Lead(lead) => self.model.leads.get(lead).is_some_and(|lead| {
                lead.state == LeadState::Open && lead.expires.is_some_and(|expires| expires <= now_ms)
            }),
        }
    }

    /// Why the command is not executed while the shard takes only some changes: if it would make one of the others.
    pub fn not_admitted(&self, step: &Step, admission: Admission) -> Option<Rejection> {
        let command = step.request.command();
        if admission == Admission::All || matches!(command.op, Op::History(_)) {
            return None;
        }
        let mut trial = self.clone();
        let (_, changed) = trial.take(step);
        let newest = trial.model.accounts.get(command.account).and_then(|account| account.entries.last());
        let ends = match command.op {
            _ if !changed => return None,
            Op::Lead(LeadOp::Take { .. }) => return (admission == Admission::Nothing).then_some(ROOMLESS),
            Op::Lead(op) => op == LeadOp::Close,
            _ => matches!(newest?.entry_type, EntryType::Capture | EntryType::Release),
        };
        match admission {
            Admission::Endings if ends => None,
            Admission::Endings => Some(Rejection::DiskFull { reserve_is_used: false }),
            Admission::Nothing => Some(ROOMLESS),
            Admission::Later | Admission::All => Some(Rejection::TryAgain(Busy::Storage)),
        }
    }

    /// Whether the command looks for an id along the trail, if the index does not know that.
    pub fn walks(&self, step: &Step) -> bool {
        let command = step.request.command();
        let Some(account) = self.model.accounts.get(command.account) else { return false };
        let is_new = step.forgotten || !account.ids.contains_key(command.tx);
        command.op == Op::Tx || (matches!(command.op, Op::Refund { .. }) && is_new && command.tx != command.of)
    }

    /// How many entries a walk looks at, from the newest back to the newest that says what `id` means now, or to the one
    /// before `first`, which is missed.
    pub fn distance(&self, account: &[u8], id: &[u8], now_ms: u64, first: u64) -> u64 {
        let Some(mut account) = self.model.accounts.get(account).cloned() else { return 0 };
        account.settle(now_ms);
        let decides = |entry: &Entry| entry.tx == id || (entry.refund.is_some() && entry.of == id);
        let before = account.entries.iter().rposition(decides).unwrap_or(0);
        account.entries.len() as u64 - (before as u64).max(first.saturating_sub(2))
    }

    /// Whether the id has been at its end for a retention or longer.
    pub fn may_be_forgotten(&self, command: &Command<'_>, now_ms: u64, retention_ms: u64) -> bool {
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
