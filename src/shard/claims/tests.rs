//! Claims between two shards, step by step: 0 has the accounts, 1 the leads. The test carries every step.

use super::*;
use crate::journal::chance::Chance;
use crate::journal::{Committer, LogId, Opened, RECENT_LEN, RecoveryOptions, SimDisk, SimStorage, SyncPolicy, recover};
use crate::ledger::lead::LeadState;
use crate::ledger::outcome::{Detail, Receipt, Status, TxState};
use crate::ledger::{Limits, Seeds};
use crate::shard::{Admission, Patience, Rebuild};

const START_MS: u64 = 1_790_000_000_000;
const TIMEOUT_MS: u64 = 5_000;

/// A shard, its disk and what it has said to clients.
struct House {
    disk: SimDisk,
    shard: Shard<SimStorage>,
    committer: Committer<SimStorage>,
}

struct Town {
    houses: [House; 2],
    now_ms: u64,
    next_slot: u32,
    /// What clients were told, by slot.
    answers: BTreeMap<u32, Outcome>,
    /// Steps and answers on their way.
    steps: VecDeque<(Ticket, Batch)>,
    heard: VecDeque<Reply>,
}

fn open(disk: SimDisk, number: u16, now_ms: u64) -> House {
    let options = RecoveryOptions {
        id: LogId { instance: [7; 16], shard: number },
        policy: SyncPolicy::Always,
        segment_len: 8 << 20,
        salt_seed: 1,
        now_ms,
        recent_len: RECENT_LEN,
    };
    let limits = Limits {
        holds_per_account_max: 2,
        accounts_max: 100,
        leads_max: 3,
        lead_slots_max: 20,
        tx_index_bytes_max: 1 << 20,
        tx_retention_ms: u64::MAX,
    };
    let mut rebuild = Rebuild::new(limits, Seeds { index_key: [1, 2], map_seed: 3 });
    let opened = recover(disk.storage(), &options, &mut |entry| rebuild.take(entry), &mut |_, _| {});
    let opened = opened.expect("a whole log");
    let reader = opened.reader();
    let Opened { committer, log, .. } = opened;
    let patience = Patience { walk_max: 1_000, claim_timeout_ms: TIMEOUT_MS };
    let shard = Shard::new(number, rebuild.into_ledger(), log, reader, now_ms, patience);
    House { disk, shard, committer }
}

impl Town {
    /// Two accounts with 20 credits, a lead with two slots and one that is open for a second.
    fn open() -> Self {
        let house = |number| open(SimDisk::new(1, LogId { instance: [7; 16], shard: number }), number, START_MS);
        let (answers, steps, heard) = (BTreeMap::new(), VecDeque::new(), VecDeque::new());
        let mut town = Self { houses: [house(0), house(1)], now_ms: START_MS, next_slot: 0, answers, steps, heard };
        for account in [b"ann", b"bob", b"eve"] {
            town.run(0, &Command::new(account, b"g", Op::Grant { amount: 20 }));
        }
        town.run(1, &lead(b"two", LeadOp::Open { max: 2, ttl_ms: None }));
        town.run(1, &lead(b"brief", LeadOp::Open { max: 2, ttl_ms: Some(1_000) }));
        town
    }

    /// Gives a command to a shard. Returns its slot.
    fn give(&mut self, shard: usize, command: &Command<'_>) -> u32 {
        let slot = self.next_slot;
        self.next_slot += 1;
        self.execute(shard, Ticket { core: 0, connection: 0, generation: 0, slot }, command);
        slot
    }

    fn execute(&mut self, shard: usize, ticket: Ticket, command: &Command<'_>) {
        let (house, mut released) = (&mut self.houses[shard], Vec::new());
        let sought = house.shard.prepare(command);
        let _ = house.shard.execute(self.now_ms, ticket, command, sought, &mut released);
        self.hear(released);
    }

    /// What a command comes to when everything runs.
    fn run(&mut self, shard: usize, command: &Command<'_>) -> Outcome {
        let slot = self.give(shard, command);
        self.settle();
        self.answers.remove(&slot).expect("answered")
    }

    /// Commits a shard's blocks. Returns whether there were any.
    fn commit(&mut self, shard: usize) -> bool {
        let mut any = false;
        while let Some(block) = self.houses[shard].shard.take_block() {
            let durable = self.houses[shard].committer.commit(&block).expect("the disk is well");
            drop(block);
            let mut released = Vec::new();
            self.houses[shard].shard.committed(durable, &mut released);
            self.hear(released);
            any = true;
        }
        any
    }

    fn hear(&mut self, released: Vec<Reply>) {
        for reply in released {
            match reply.ticket.claim() {
                Some(_) => self.heard.push_back(reply),
                None => assert!(self.answers.insert(reply.ticket.slot, reply.outcome).is_none(), "answered once"),
            }
        }
        for house in &mut self.houses {
            let steps = house.shard.take_steps();
            self.steps.extend(steps.iter().flat_map(|batch| {
                batch.iter().map(|(shard, ticket, command)| {
                    let mut one = Batch::default();
                    one.push(shard, ticket, &command);
                    (ticket, one)
                })
            }));
        }
    }

    /// Carries the next step to its lead, or the next answer to its claim. Returns whether there was one.
    fn carry(&mut self) -> bool {
        if let Some((ticket, batch)) = self.steps.pop_front() {
            let (_, _, command) = batch.iter().next().expect("a step");
            self.execute(1, ticket, &command);
            return true;
        }
        let Some(reply) = self.heard.pop_front() else { return false };
        let mut released = Vec::new();
        self.houses[0].shard.step(self.now_ms, reply, &mut released);
        self.hear(released);
        true
    }

    /// One step of any that can be taken: a step or an answer arrives, before or behind others, or a disk is done. Returns
    /// whether there was one.
    fn any_step(&mut self, chance: &mut Chance) -> bool {
        match chance.below(4) {
            0 if self.commit(0) => return true,
            1 if self.commit(1) => return true,
            _ => {}
        }
        let (steps, heard) = (self.steps.len() as u64, self.heard.len() as u64);
        if steps + heard == 0 {
            return self.commit(0) || self.commit(1);
        }
        let at = chance.below(steps + heard);
        if at < steps {
            self.steps.swap(0, at as usize);
        } else {
            // `carry` takes steps first.
            let others = std::mem::take(&mut self.steps);
            self.heard.swap(0, (at - steps) as usize);
            let carried = self.carry();
            self.steps.extend(others);
            return carried;
        }
        self.carry()
    }

    fn settle(&mut self) {
        while self.carry() || self.commit(0) || self.commit(1) {}
    }

    /// The power fails for both. What was under way is gone.
    fn crash(&mut self) {
        self.steps.clear();
        self.heard.clear();
        self.now_ms += 1;
        for number in 0..2 {
            self.houses[usize::from(number)].disk.crash();
            let disk = self.houses[usize::from(number)].disk.copy();
            self.houses[usize::from(number)] = open(disk, number, self.now_ms);
        }
        self.houses[0].shard.resume_claims();
        self.hear(Vec::new());
    }

    /// Balance and reserved of an account, from the ledger.
    fn figures(&self, account: &[u8]) -> (u64, u64) {
        let ledger = self.houses[0].shard.ledger();
        ledger.state(ledger.locate(account)).map_or((0, 0), |state| (state.balance, state.reserved))
    }

    /// Who has the slots of a lead, in order.
    fn claims(&self, lead: &[u8]) -> Vec<(Vec<u8>, Vec<u8>, u64)> {
        let leads = self.houses[1].shard.ledger().leads();
        let views = leads.claim_views(leads.locate(lead), 1, 100);
        views.into_iter().map(|claim| (claim.account.into(), claim.tx.into(), claim.cost)).collect()
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        for shard in 0..2 {
            let mut released = Vec::new();
            self.houses[shard].shard.expire(self.now_ms, 100, &mut released);
            self.hear(released);
        }
    }
}

fn lead(name: &[u8], op: LeadOp) -> Command<'_> {
    Command::of_lead(name, Op::Lead(op))
}

fn claim<'a>(account: &'a [u8], tx: &'a [u8], lead: &'a [u8], cost: u64) -> Command<'a> {
    Command { lead, ..Command::new(account, tx, Op::Claim { cost }) }
}

fn claimed(balance: u64, seq: u64, claim: u32, remaining: u32, replayed: bool) -> Outcome {
    let detail = Detail::Claim { claim, remaining };
    Outcome::Written(Receipt { status: Status::Claimed, balance, available: balance, seq, detail, replayed })
}

fn already(tx: &[u8], claim: u32) -> Outcome {
    Outcome::Rejected(crate::ledger::lead::Refusal::Already { tx, claim }.rejection())
}

#[test]
fn every_step_leaves_when_what_it_says_is_durable() {
    let mut town = Town::open();
    let slot = town.give(0, &claim(b"ann", b"c1", b"two", 5));
    assert!(town.carry() && town.carry(), "the lead is asked, and is open");
    assert_eq!(town.figures(b"ann"), (20, 5));
    assert!(!town.carry(), "the hold is not durable");
    town.commit(0);
    assert!(town.carry() && town.carry(), "the hold is durable: the lead gives a slot");
    assert_eq!(town.claims(b"two"), [(b"ann".to_vec(), b"c1".to_vec(), 5)]);
    assert!(!town.carry(), "the slot is not durable");
    assert_eq!(town.figures(b"ann"), (20, 5));
    town.commit(1);
    assert!(town.carry());
    assert_eq!((town.figures(b"ann"), town.answers.contains_key(&slot)), ((15, 0), false));
    town.commit(0);
    assert_eq!(town.answers[&slot], claimed(15, 3, 1, 1, false));
    assert_eq!(town.houses[0].shard.claims_running(), 0);
    assert_eq!(town.run(0, &claim(b"ann", b"c1", b"two", 5)), claimed(15, 3, 1, 1, true));
    assert_eq!(town.run(0, &claim(b"ann", b"c2", b"two", 5)), already(b"c1", 1));
}

#[test]
fn who_loses_the_race_gets_the_hold_back_and_the_id_keeps_the_reason() {
    let mut town = Town::open();
    let slots = [b"ann", b"bob", b"eve"].map(|account| town.give(0, &claim(account, b"c", b"two", 7)));
    town.settle();
    let full = Outcome::Rejected(Rejection::LeadFull { max: 2 });
    let told = slots.map(|slot| town.answers.remove(&slot).expect("answered"));
    assert_eq!(told, [claimed(13, 3, 1, 1, false), claimed(13, 3, 2, 0, false), full.clone()]);
    assert_eq!(town.figures(b"eve"), (20, 0));
    let Outcome::Tx(Some(view)) = town.run(0, &Command::new(b"eve", b"c", Op::Tx)) else { panic!("the id is known") };
    assert_eq!((view.state, view.code), (TxState::Released, Some("LEADFULL")));
    assert_eq!(town.run(0, &claim(b"eve", b"c", b"two", 7)), full, "bound to the id");
    let before = town.houses[0].shard.log().next_lsn();
    assert_eq!(town.run(0, &claim(b"eve", b"c9", b"two", 7)), full, "known to have ended");
    assert_eq!(town.run(0, &claim(b"ann", b"c9", b"two", 7)), already(b"c", 1), "comes before LEADFULL");
    assert_eq!(town.houses[0].shard.log().next_lsn(), before, "and no hold is made");
}

/// What six claims of three accounts come to when the power goes after so many steps, taken in any order. Returns whether
/// there were as many.
fn crash_after(steps: usize, seed: u64) -> bool {
    let mut chance = Chance::new(seed);
    let mut town = Town::open();
    town.run(1, &lead(b"one", LeadOp::Open { max: 1, ttl_ms: None }));
    let wanted: Vec<(&[u8; 3], &[u8], u64)> = [b"ann", b"bob", b"eve"]
        .into_iter()
        .flat_map(|account| [(account, &b"two"[..], 7), (account, b"one", 5)])
        .collect();
    let of = |&(account, lead, cost): &(&'static [u8; 3], &'static [u8], u64)| claim(account, lead, lead, cost);
    let slots: Vec<_> = wanted.iter().map(|want| town.give(0, &of(want))).collect();
    let done = (0..steps).take_while(|_| town.any_step(&mut chance)).count();
    let told: Vec<_> = slots.iter().map(|slot| town.answers.remove(slot)).collect();
    town.crash();
    while town.any_step(&mut chance) {}
    assert_eq!(town.houses[0].shard.claims_running(), 0, "all that was found has ended");
    let again: Vec<_> = wanted.iter().map(|want| town.run(0, &of(want))).collect();
    let claims = [town.claims(b"two"), town.claims(b"one")];
    assert_eq!(claims.each_ref().map(Vec::len), [2, 1], "every slot is taken, none twice");
    for account in [b"ann", b"bob", b"eve"] {
        let own = claims.iter().flatten().filter(|(claimant, ..)| claimant == account);
        let paid: u64 = own.map(|(_, _, cost)| cost).sum();
        assert_eq!(town.figures(account), (20 - paid, 0), "each slot is paid for once, and no hold is left");
    }
    for ((account, lead, _), (before, after)) in wanted.iter().zip(told.iter().zip(&again)) {
        let has_slot = claims.iter().flatten().any(|(claimant, tx, _)| claimant == *account && tx == lead);
        assert_eq!(matches!(after, Outcome::Written(_)), has_slot, "{after:?}");
        match before {
            None => {}
            Some(Outcome::Written(receipt)) => {
                assert_eq!(*after, Outcome::Written(Receipt { replayed: true, ..*receipt }), "what was told stands");
            }
            Some(refused) => assert_eq!(after, refused, "what was told stands"),
        }
    }
    done == steps
}

/// `CREDITD_CLAIM_ORDERS` (8): orders of steps that are tried, six claims each.
#[test]
fn a_crash_at_any_step_neither_gives_a_lead_away_nor_takes_twice() {
    let orders = std::env::var("CREDITD_CLAIM_ORDERS").map_or(8, |orders| orders.parse().expect("a number"));
    for seed in 0..orders {
        let mut steps = 0;
        while crash_after(steps, seed) {
            steps += 1;
        }
        assert!(steps > 18, "six claims take more than {steps} steps");
    }
}

#[test]
fn the_same_claim_waits_for_its_end_and_patience_has_one_too() {
    let mut town = Town::open();
    let ann = claim(b"ann", b"c", b"two", 5);
    let first = town.give(0, &ann);
    town.carry();
    town.carry();
    let waiters: Vec<_> = (0..8).map(|_| town.give(0, &ann)).collect();
    let running = Outcome::Rejected(Rejection::TryAgain(Busy::Claim));
    assert_eq!(town.answers.remove(&waiters[7]), Some(running.clone()), "eight wait");
    let release = town.give(0, &Command::new(b"ann", b"c", Op::Release));
    assert_eq!(town.give(0, &Command::new(b"ann", b"c", Op::Capture { amount: None })), release + 1);
    town.pass(TIMEOUT_MS - 1);
    assert!(!town.answers.contains_key(&first));
    town.pass(1);
    for slot in std::iter::once(first).chain(waiters[..7].iter().copied()) {
        assert_eq!(town.answers.remove(&slot), Some(running.clone()));
    }
    town.settle();
    assert_eq!(town.answers.remove(&release), Some(running));
    let no = Outcome::Rejected(Rejection::NoReservation { op: Some(crate::ledger::rejection::Verb::Claim) });
    assert_eq!(town.answers.remove(&(release + 1)), Some(no));
    assert_eq!(town.run(0, &ann), claimed(15, 3, 1, 1, true), "the claim went on");
    let captured = Outcome::Rejected(Rejection::Captured { amount: 5, seq: 3 });
    assert_eq!(town.run(0, &Command::new(b"ann", b"c", Op::Release)), captured);
}

#[test]
fn a_lead_ends_at_its_deadline_and_says_so_before_a_hold_is_made() {
    let mut town = Town::open();
    assert_eq!(town.run(0, &claim(b"ann", b"c", b"brief", 1)), claimed(19, 3, 1, 1, false));
    let slot = town.give(0, &claim(b"bob", b"c", b"brief", 1));
    town.carry();
    town.carry();
    town.commit(0);
    town.pass(2_000);
    let view = |town: &Town| {
        let leads = town.houses[1].shard.ledger().leads();
        leads.view(leads.locate(b"brief"), false).expect("it is there").state
    };
    assert_eq!(view(&town), LeadState::Expired);
    town.settle();
    let expired = Outcome::Rejected(Rejection::LeadExpired { expires_at_ms: START_MS + 1_000 });
    assert_eq!(town.answers.remove(&slot), Some(expired.clone()));
    assert_eq!((town.figures(b"bob"), town.figures(b"ann")), ((20, 0), (19, 0)));
    assert_eq!(town.run(0, &claim(b"eve", b"c", b"brief", 1)), expired);
    let no_lead = Outcome::Rejected(Rejection::NoLead);
    assert_eq!(town.run(0, &claim(b"eve", b"c", b"nothing", 1)), no_lead);
    let poor = Outcome::Rejected(Rejection::Insufficient { available: 20, required: 21 });
    assert_eq!(town.run(0, &claim(b"eve", b"p", b"two", 21)), poor);
    assert_eq!(town.run(0, &claim(b"eve", b"p", b"two", 21)), poor, "bound");
    assert_eq!(town.run(0, &claim(b"eve", b"free", b"two", 0)), claimed(20, 4, 1, 1, false));
}

#[test]
fn what_a_disk_without_room_holds_up_goes_on_when_there_is_room() {
    let mut town = Town::open();
    let slot = town.give(0, &claim(b"ann", b"c", b"two", 5));
    town.carry();
    town.carry();
    town.commit(0);
    town.houses[1].shard.set_admission(Admission::Nothing);
    town.settle();
    assert_eq!((town.claims(b"two"), town.figures(b"ann")), (vec![], (20, 5)), "no slot, the hold stays");
    town.houses[1].shard.set_admission(Admission::Endings);
    town.pass(RETRY_MS);
    assert!(town.carry(), "asked again");
    town.houses[0].shard.set_admission(Admission::Nothing);
    town.settle();
    assert_eq!((town.claims(b"two").len(), town.figures(b"ann")), (1, (20, 5)), "a slot, and the end waits");
    town.houses[0].shard.set_admission(Admission::Endings);
    town.pass(RETRY_MS);
    town.settle();
    assert_eq!(town.answers.remove(&slot), Some(claimed(15, 3, 1, 1, false)));
    let full = Outcome::Rejected(Rejection::DiskFull { reserve_is_used: false });
    assert_eq!(town.run(0, &claim(b"bob", b"c", b"two", 5)), full, "a new claim is a new hold");
}
