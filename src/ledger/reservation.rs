//! Active reservations: a slab of holds, linked per account by deadline and into the timer wheel.
//!
//! ```text
//!   HoldList.first -> hold -> hold -> hold <- HoldList.last      by (deadline, RESERVE's seq), R4
//!                           '-- Timer: links of the wheel's bucket       expiry.rs
//! ```
//! A hold also keeps the figures of its RESERVE, so that a replay is answered without the log (commands.md C.11, 15).
//! A new hold is looked for its place from the end: with one TTL for all that is one step, and the limit of holds per
//! account bounds it. Freed slots are used again; their list runs through `next`.

use super::chunks::Chunks;
use super::expiry::{Timer, Timers, Wheel};
use super::id::Lsn;
use super::kept_id::KeptId;
use std::collections::BTreeMap;

/// No hold: the end of a list.
const NO_HOLD: u32 = u32::MAX;

/// `account` of a slot that is free.
const FREE: u32 = u32::MAX;

/// Timers that one wake-up may move between buckets: about 10 us.
const MOVES_MAX: usize = 128;

/// The active holds of one account by (deadline, seq), linked through the slab.
#[derive(Debug)]
pub(crate) struct HoldList {
    first: u32,
    last: u32,
    /// How many.
    pub(crate) len: u32,
}

impl HoldList {
    /// No holds.
    pub(crate) const EMPTY: Self = Self { first: NO_HOLD, last: NO_HOLD, len: 0 };
}

/// Names an active hold until its terminal entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldSlot(pub(crate) u32);

/// One active reservation (120 bytes; ids up to 38 bytes, UUIDs among them, stand inline).
#[derive(Debug)]
pub(crate) struct Hold {
    timer: Timer,
    /// The account's number.
    pub(crate) account: u32,
    prev: u32,
    next: u32,
    tx: TxId,
    /// Credits held.
    pub(crate) amount: u64,
    /// Time of the RESERVE, unix milliseconds.
    pub(crate) created_at_ms: u64,
    /// The RESERVE's.
    pub(crate) seq: u64,
    /// The RESERVE's.
    pub(crate) opened_lsn: Lsn,
    /// After the RESERVE.
    pub(crate) balance: u64,
    /// After the RESERVE.
    pub(crate) reserved: u64,
}

type TxId = KeptId<38>;

/// Memory of a hold whose id has `tx_len` bytes.
pub(super) fn memory_bytes(tx_len: usize) -> u64 {
    (size_of::<Hold>() + TxId::boxed_bytes(tx_len)) as u64
}

impl Hold {
    /// The reservation's transaction id.
    pub(crate) fn tx(&self) -> &[u8] {
        self.tx.as_bytes()
    }

    /// The deadline, unix milliseconds: valid before it, gone at it.
    pub(crate) fn expires_at_ms(&self) -> u64 {
        self.timer.deadline_ms
    }
}

/// What a RESERVE says about its hold.
pub(crate) struct Opening<'a> {
    pub(crate) tx: &'a [u8],
    pub(crate) amount: u64,
    pub(crate) created_at_ms: u64,
    pub(crate) expires_at_ms: u64,
    pub(crate) seq: u64,
    pub(crate) opened_lsn: Lsn,
    pub(crate) balance: u64,
    pub(crate) reserved: u64,
    /// Empty: no claim's.
    pub(crate) lead: &'a [u8],
}

/// All active reservations of a shard.
#[derive(Debug)]
pub(crate) struct Reservations {
    slab: Chunks<Hold>,
    first_free: u32,
    len: u32,
    wheel: Wheel,
    /// The leads of the holds that belong to claims, by slot: few, and not for long.
    leads: BTreeMap<u32, Box<[u8]>>,
}

impl Timers for Chunks<Hold> {
    fn timer(&self, slot: u32) -> &Timer {
        &self.get(slot).timer
    }
    fn timer_mut(&mut self, slot: u32) -> &mut Timer {
        &mut self.get_mut(slot).timer
    }
}

impl Reservations {
    /// No holds.
    pub(crate) fn new() -> Self {
        Self { slab: Chunks::new(), first_free: NO_HOLD, len: 0, wheel: Wheel::new(), leads: BTreeMap::new() }
    }

    /// How many holds are active.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Memory of the slab.
    pub(crate) fn bytes(&self) -> usize {
        self.slab.bytes()
    }

    /// An active hold.
    pub(crate) fn get(&self, slot: HoldSlot) -> &Hold {
        let hold = self.slab.get(slot.0);
        assert_ne!(hold.account, FREE, "a slot names a hold only while it is active");
        hold
    }

    /// The lead of a claim's hold; empty: a plain reservation.
    pub(crate) fn lead(&self, slot: HoldSlot) -> &[u8] {
        self.leads.get(&slot.0).map_or(b"", |lead| lead)
    }

    /// The holds that belong to claims.
    pub(crate) fn claims(&self) -> impl Iterator<Item = HoldSlot> {
        self.leads.keys().map(|&slot| HoldSlot(slot))
    }

    /// The active holds of an account, in the order in which they expire.
    pub(crate) fn of<'a>(&'a self, list: &HoldList) -> impl Iterator<Item = (HoldSlot, &'a Hold)> {
        let mut at = list.first;
        std::iter::from_fn(move || {
            let slot = (at != NO_HOLD).then_some(HoldSlot(at))?;
            let hold = self.get(slot);
            at = hold.next;
            Some((slot, hold))
        })
    }

    /// Adds a hold to the list of account `number`, and starts its timer.
    pub(crate) fn insert(&mut self, number: u32, list: &mut HoldList, opening: &Opening<'_>) -> HoldSlot {
        let mut before = list.last;
        while before != NO_HOLD && self.slab.get(before).expires_at_ms() > opening.expires_at_ms {
            before = self.slab.get(before).prev;
        }
        let after = if before == NO_HOLD { list.first } else { self.slab.get(before).next };
        let slot = self.place(Hold {
            timer: Timer::idle(opening.expires_at_ms),
            account: number,
            prev: before,
            next: after,
            tx: KeptId::new(opening.tx),
            amount: opening.amount,
            created_at_ms: opening.created_at_ms,
            seq: opening.seq,
            opened_lsn: opening.opened_lsn,
            balance: opening.balance,
            reserved: opening.reserved,
        });
        self.join(list, before, slot);
        self.join_back(list, after, slot);
        list.len += 1;
        self.wheel.insert(&mut self.slab, slot, opening.created_at_ms);
        if !opening.lead.is_empty() {
            self.leads.insert(slot, opening.lead.into());
        }
        HoldSlot(slot)
    }

    /// Ends a hold of `list` and stops its timer.
    pub(crate) fn remove(&mut self, list: &mut HoldList, slot: HoldSlot) {
        self.wheel.cancel(&mut self.slab, slot.0);
        self.leads.remove(&slot.0);
        let (prev, next) = (self.get(slot).prev, self.get(slot).next);
        self.join(list, prev, next);
        self.join_back(list, next, prev);
        list.len -= 1;
        let hold = self.slab.get_mut(slot.0);
        (hold.account, hold.tx, hold.next) = (FREE, KeptId::EMPTY, self.first_free);
        self.first_free = slot.0;
        self.len -= 1;
    }

    /// The earliest deadline in `list`, `u64::MAX` if it is empty.
    pub(crate) fn first_deadline_ms(&self, list: &HoldList) -> u64 {
        if list.first == NO_HOLD { u64::MAX } else { self.slab.get(list.first).expires_at_ms() }
    }

    /// When the driver should call [`Reservations::due`] next.
    pub(crate) fn next_expiry(&self) -> Option<u64> {
        self.wheel.next_expiry()
    }

    /// The account of a hold that is due, until that hold is removed.
    pub(crate) fn due(&mut self, now_ms: u64) -> Option<u32> {
        let slot = self.wheel.advance(&mut self.slab, now_ms, MOVES_MAX)?;
        Some(self.get(HoldSlot(slot)).account)
    }

    fn place(&mut self, hold: Hold) -> u32 {
        self.len += 1;
        if self.first_free == NO_HOLD {
            return self.slab.push(hold);
        }
        let slot = self.first_free;
        self.first_free = self.slab.get(slot).next;
        *self.slab.get_mut(slot) = hold;
        slot
    }

    /// Makes `next` what follows `prev`.
    fn join(&mut self, list: &mut HoldList, prev: u32, next: u32) {
        if prev == NO_HOLD {
            list.first = next;
        } else {
            self.slab.get_mut(prev).next = next;
        }
    }

    /// Makes `prev` what precedes `next`.
    fn join_back(&mut self, list: &mut HoldList, next: u32, prev: u32) {
        if next == NO_HOLD {
            list.last = prev;
        } else {
            self.slab.get_mut(next).prev = prev;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_stand_by_deadline_then_age_and_slots_are_used_again() {
        assert_eq!(size_of::<Hold>(), 120, "memory per hold is a promise");
        let (number, mut list, mut holds) = (7, HoldList::EMPTY, Reservations::new());
        let mut slots = Vec::new();
        for (seq, expires_at_ms) in [(1, 50), (2, 30), (3, 50), (4, 30), (5, 90), (6, 10)] {
            let (created_at_ms, opened_lsn) = (1, seq * 8);
            let opening = Opening {
                tx: b"t",
                amount: 1,
                created_at_ms,
                expires_at_ms,
                seq,
                opened_lsn,
                balance: 9,
                reserved: seq,
                lead: b"",
            };
            slots.push(holds.insert(number, &mut list, &opening));
        }
        let order = |holds: &Reservations, list: &HoldList| holds.of(list).map(|(_, h)| h.seq).collect::<Vec<_>>();
        assert_eq!(order(&holds, &list), [6, 2, 4, 1, 3, 5]);
        assert_eq!((holds.first_deadline_ms(&list), list.len), (10, 6));
        for (remove, left) in [(5, vec![2, 4, 1, 3, 5]), (4, vec![2, 4, 1, 3]), (3, vec![2, 1, 3])] {
            holds.remove(&mut list, slots[remove]);
            assert_eq!(order(&holds, &list), left);
        }
        assert_eq!(holds.due(29), None);
        assert_eq!(holds.due(30), Some(number));
        for slot in [slots[0], slots[1], slots[2]] {
            holds.remove(&mut list, slot);
        }
        assert_eq!((holds.len(), list.first, list.last), (0, NO_HOLD, NO_HOLD));
        assert_eq!((holds.first_deadline_ms(&list), holds.due(u64::MAX), holds.next_expiry()), (u64::MAX, None, None));
        let opening = Opening {
            tx: b"t",
            amount: 1,
            created_at_ms: 1,
            expires_at_ms: 2,
            seq: 7,
            opened_lsn: 64,
            balance: 1,
            reserved: 1,
            lead: b"",
        };
        assert_eq!(holds.insert(number, &mut list, &opening), slots[2]);
        assert_eq!(holds.slab.len(), 6);
    }
}
