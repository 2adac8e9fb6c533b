//! Whether there is an order in which one account can have executed its calls, each between asking and reply.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::rc::Rc;

use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

use crate::model::Model;
use crate::steady::{HOLDS_MAX, Order, answer, without_times};
use crate::wire::Reply;

/// A command, and what a client saw of it.
#[derive(Clone, Debug)]
pub struct Call {
    /// Calls with one number follow each other.
    pub client: u64,
    pub order: Order,
    /// Before it was sent, on the clock of the round.
    pub asked: u64,
    /// After its reply had come, on the same clock.
    pub told: Option<(u64, Reply)>,
}

/// The calls that were executed, as bits; and in order those that changed the account.
type Place = (u128, Vec<usize>);

/// The specification: the naive model, one command after the other; and a memory of what led nowhere, without which
/// the tester would try every order of calls that change nothing.
#[derive(Clone)]
struct Desk<'a> {
    calls: &'a [&'a Call],
    model: Model,
    /// Where it is.
    been: Place,
    /// Where the search has been. What is left to do depends on that alone, so a second visit ends as the first did.
    seen: Rc<RefCell<BTreeSet<Place>>>,
}

impl SequentialSpec for Desk<'_> {
    /// The number of the call.
    type Op = usize;
    /// The reply, without times.
    type Ret = Rc<str>;

    fn invoke(&mut self, &nth: &usize) -> Rc<str> {
        let order = &self.calls[nth].order;
        let seq = |model: &Model| model.accounts.get(order.account.as_bytes()).map_or(0, |account| account.seq);
        let before = seq(&self.model);
        let reply = answer(&mut self.model, order).into();
        self.been.0 |= 1 << nth;
        if seq(&self.model) != before {
            self.been.1.push(nth);
        }
        reply
    }

    fn is_valid_step(&mut self, call: &usize, reply: &Rc<str>) -> bool {
        self.invoke(call) == *reply && self.seen.borrow_mut().insert(self.been.clone())
    }
}

/// Judges the calls of one account.
///
/// # Errors
/// The shortest beginning of the story that no order explains, to be read.
pub fn judge(calls: &[Call]) -> Result<(), String> {
    // What says that it did nothing, and what was read but not seen, is no part of the story.
    let is_refused = |call: &&Call| call.told.as_ref().is_some_and(|(_, reply)| reply.is_refusal());
    let is_unseen = |call: &&Call| call.told.is_none() && !call.order.op.is_write();
    let calls: Vec<_> = calls.iter().filter(|call| !is_refused(call) && !is_unseen(call)).collect();
    assert!(calls.len() <= 128, "calls are counted in bits");
    let mut events = Vec::new();
    for (nth, call) in calls.iter().enumerate() {
        events.push((call.asked, nth, None));
        events.extend(call.told.as_ref().map(|(at, reply)| (*at, nth, Some(without_times(reply).into()))));
    }
    events.sort_by_key(|(at, ..)| *at);
    if is_linearizable(&calls, &events) {
        return Ok(());
    }
    // What cannot be explained is not explained by what comes later, so the first such beginning ends with a reply.
    let shortest = (1..=events.len()).find(|len| !is_linearizable(&calls, &events[..*len])).expect("the whole is one");
    Err(told(&calls, &events[..shortest]))
}

/// At this time this call was asked (no reply) or told.
type Event = (u64, usize, Option<Rc<str>>);

fn is_linearizable(calls: &[&Call], events: &[Event]) -> bool {
    let model = Model { holds_max: HOLDS_MAX, ..Model::default() };
    let desk = Desk { calls, model, been: Default::default(), seen: Rc::default() };
    let mut tester = LinearizabilityTester::new(desk);
    for (_, nth, reply) in events {
        match reply {
            None => tester.on_invoke(calls[*nth].client, *nth),
            Some(reply) => tester.on_return(calls[*nth].client, reply.clone()),
        }
        .expect("a client asks again when it has been told");
    }
    tester.is_consistent()
}

fn told(calls: &[&Call], events: &[Event]) -> String {
    let mut story = String::new();
    for (_, nth, reply) in events {
        let call = calls[*nth];
        let words = call.order.words().join(" ");
        let line = match (reply, &call.told) {
            (None, None) => format!("? {words}, never answered"),
            (None, Some(_)) => format!("> {words}"),
            (Some(reply), _) => format!("< {words}: {}", reply.replace("\r\n", " ")),
        };
        writeln!(story, "client {:3} {line}", call.client).expect("memory");
    }
    story
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::command::Op;

    const GRANT: (&str, Op) = ("g", Op::Grant { amount: 10 });
    const DEBIT: (&str, Op) = ("d", Op::Debit { amount: 4 });
    const BALANCE: (&str, Op) = ("", Op::Balance);

    /// A server that can be made to lie, and the calls that it answered one after the other.
    struct Liar {
        model: Model,
        calls: Vec<Call>,
    }

    impl Liar {
        fn new() -> Self {
            let mut liar = Self { model: Model { holds_max: HOLDS_MAX, ..Model::default() }, calls: Vec::new() };
            liar.ask(GRANT);
            liar
        }

        fn ask(&mut self, (tx, op): (&str, Op)) {
            let order = Order { account: "a".to_owned(), tx: tx.to_owned(), of: String::new(), op };
            let (asked, reply) = (2 * self.calls.len() as u64, Reply(answer(&mut self.model, &order).into_bytes()));
            self.calls.push(Call { client: asked, order, asked, told: Some((asked + 1, reply)) });
        }

        /// The newest call was asked when the `n`th was.
        fn overlap(&mut self, n: usize) {
            self.calls.last_mut().unwrap().asked = self.calls[n].asked;
        }

        fn judge(&self) -> Result<(), String> {
            judge(&self.calls)
        }
    }

    #[test]
    fn the_truth_is_believed() {
        let mut liar = Liar::new();
        for order in [DEBIT, BALANCE, DEBIT, GRANT, BALANCE] {
            liar.ask(order);
        }
        assert_eq!(liar.judge(), Ok(()));
    }

    #[test]
    fn an_acknowledged_change_that_is_lost_is_seen() {
        let mut liar = Liar::new();
        let before = liar.model.clone();
        liar.ask(DEBIT);
        liar.model = before.clone();
        liar.ask(BALANCE);
        assert!(liar.judge().unwrap_err().ends_with("reserved :0 $9 available :10 $3 seq :1 $4 time :0 \n"));

        // As long as nobody was told, it may be lost or not.
        liar.calls[1].told = None;
        assert_eq!(liar.judge(), Ok(()));
        liar.ask(DEBIT);
        liar.ask(BALANCE);
        assert_eq!(liar.judge(), Ok(()));
        liar.model = before;
        liar.ask(BALANCE);
        assert!(liar.judge().is_err());
    }

    #[test]
    fn a_resend_that_is_executed_again_is_seen() {
        let mut liar = Liar::new();
        liar.ask(DEBIT);
        liar.model.accounts.get_mut(b"a".as_slice()).unwrap().ids.clear();
        liar.ask(DEBIT);
        assert!(liar.judge().is_err());
    }

    #[test]
    fn a_balance_of_the_past_is_seen_unless_it_was_asked_then() {
        let mut liar = Liar::new();
        let before = liar.model.clone();
        liar.ask(DEBIT);
        liar.model = before;
        liar.ask(BALANCE);
        assert!(liar.judge().is_err());
        liar.overlap(1);
        assert_eq!(liar.judge(), Ok(()));
    }
}
