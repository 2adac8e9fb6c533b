//! What a lead answers: to clients, and to the claims that run.

use super::event::Refusal;

/// What has become of a lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeadState {
    /// Slots are left.
    Open,
    /// None is left.
    Full,
    /// Ended by LEAD.CLOSE.
    Closed,
    /// Ended by its deadline.
    Expired,
}

impl LeadState {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Full => "full",
            Self::Closed => "closed",
            Self::Expired => "expired",
        }
    }
}

/// LEAD.OPEN, LEAD.GET, LEAD.CLOSE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeadView {
    /// Its name.
    pub lead: Box<[u8]>,
    /// What has become of it.
    pub state: LeadState,
    /// Slots.
    pub max: u32,
    /// Slots taken.
    pub claims: u32,
    /// Unix milliseconds.
    pub opened_at_ms: u64,
    /// Unix milliseconds; `None`: it has no deadline.
    pub expires_at_ms: Option<u64>,
    /// Whether a LEAD.OPEN found it there already.
    pub replayed: bool,
}

/// One claim of LEAD.CLAIMS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimView {
    /// The slot, from 1.
    pub claim: u32,
    /// Who has it.
    pub account: Box<[u8]>,
    /// The account's transaction.
    pub tx: Box<[u8]>,
    /// What it cost.
    pub cost: u64,
    /// Unix milliseconds.
    pub time_ms: u64,
}

/// What a lead says to a step of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The account could claim it now.
    Open,
    /// The account has this slot by this claim.
    Taken {
        /// The slot, from 1.
        claim: u32,
        /// Slots left after it.
        remaining: u32,
    },
    /// It gets none.
    Refused {
        /// Why, as [`Refusal`] is it.
        refusal: OwnedRefusal,
        /// All there is to know of the lead, if it has ended: for others that ask.
        ended: Option<Ended>,
    },
    /// Not now: nothing was executed, the step is to be asked again.
    Later,
}

/// A [`Refusal`] on its way to another shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedRefusal {
    refusal: Refusal<'static>,
    tx: Box<[u8]>,
}

impl OwnedRefusal {
    /// Copies it.
    pub fn new(refusal: Refusal<'_>) -> Self {
        let (refusal, tx) = match refusal {
            Refusal::Already { tx, claim } => (Refusal::Already { tx: b"", claim }, tx.into()),
            Refusal::Unknown => (Refusal::Unknown, [].into()),
            Refusal::Full { max } => (Refusal::Full { max }, [].into()),
            Refusal::Closed => (Refusal::Closed, [].into()),
            Refusal::Expired { expires_at_ms } => (Refusal::Expired { expires_at_ms }, [].into()),
        };
        Self { refusal, tx }
    }

    /// What was copied.
    pub fn get(&self) -> Refusal<'_> {
        match self.refusal {
            Refusal::Already { claim, .. } => Refusal::Already { tx: &self.tx, claim },
            other => other,
        }
    }
}

/// A lead that is not open any more: nothing of it will ever change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What it says to whoever has no slot.
    pub refusal: Refusal<'static>,
    /// Its claims. `None`: more than [`ENDED_CLAIMS_MAX`](super::ENDED_CLAIMS_MAX), and the lead is to be asked.
    pub claims: Option<Vec<ClaimView>>,
}

impl Ended {
    /// What the lead says to `account`. `None`: the lead is to be asked.
    pub fn refuses(&self, account: &[u8]) -> Option<Refusal<'_>> {
        let claims = self.claims.as_deref()?;
        let own = claims.iter().find(|claim| *claim.account == *account);
        Some(own.map_or(self.refusal, |own| Refusal::Already { tx: &own.tx, claim: own.claim }))
    }
}
