//! Random walks: the ledger beside the naive model, command for command.

use super::desk::{Desk, LIMITS, START_MS};
use super::model::{Account, Model};
use crate::ledger::command::{Command, Op};
use crate::ledger::credits::{CREDITS_MAX, TTL_MS_MAX};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Do { account: u8, tx: u8, of: u8, op: Op },
    Tick(u64),
    Wake,
}

/// Few accounts and ids, so that every id meets every verb; few amounts, so that they repeat.
fn step() -> impl Strategy<Value = Step> {
    let extreme = prop_oneof![Just(1), Just(CREDITS_MAX), Just(CREDITS_MAX - 1), Just(CREDITS_MAX / 2)];
    let amount = prop_oneof![5 => 1..8u64, 1 => extreme];
    let ttl = prop_oneof![4 => 1..30u64, 1 => Just(TTL_MS_MAX)];
    let op = prop_oneof![
        2 => amount.clone().prop_map(|amount| Op::Grant { amount }),
        2 => amount.clone().prop_map(|amount| Op::Debit { amount }),
        5 => (amount.clone(), ttl).prop_map(|(amount, ttl_ms)| Op::Reserve { amount, ttl_ms }),
        3 => prop::option::of(amount.clone()).prop_map(|amount| Op::Capture { amount }),
        2 => Just(Op::Release),
        4 => prop::option::of(amount).prop_map(|amount| Op::Refund { amount }),
        1 => Just(Op::Tx),
        1 => Just(Op::Balance),
        1 => Just(Op::Holds),
    ];
    prop_oneof![
        12 => (0..2u8, 0..10u8, 0..10u8, op).prop_map(|(account, tx, of, op)| Step::Do { account, tx, of, op }),
        3 => prop_oneof![6 => 0..12u64, 1 => Just(TTL_MS_MAX)].prop_map(Step::Tick),
        1 => Just(Step::Wake),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn the_ledger_answers_as_the_model_does(steps in prop::collection::vec(step(), 1..150), replay in any::<bool>()) {
        let mut desk = Desk::new(LIMITS);
        let mut model = Model { holds_max: LIMITS.holds_per_account_max as usize, ..Model::default() };
        for step in steps {
            match step {
                Step::Do { account, tx, of, op } => {
                    let (account, tx, of) = ([b'a' + account; 30], [b'0' + tx; 3], [b'0' + of; 3]);
                    let tx = if op.has_tx() { &tx[..] } else { b"" };
                    let of = if matches!(op, Op::Refund { .. }) { &of[..] } else { b"" };
                    let command = Command { of, ..Command::new(&account, tx, op) };
                    prop_assert_eq!(desk.execute(&command), model.execute(&command, desk.now_ms), "{:?}", command);
                    if replay {
                        // Whatever the answer was, the same command again is answered without a new entry.
                        let records = desk.records();
                        prop_assert_eq!(desk.execute(&command), model.execute(&command, desk.now_ms));
                        prop_assert_eq!(desk.records(), records);
                    }
                }
                Step::Tick(ms) => desk.now_ms += ms,
                Step::Wake => {
                    desk.wake();
                    model.accounts.values_mut().for_each(|account| account.settle(desk.now_ms));
                    let held: u128 = model.accounts.values().map(|account| u128::from(account.reserved())).sum();
                    prop_assert_eq!(desk.ledger.totals().reserved, held, "the wheel misses nothing");
                }
            }
        }
        desk.check();
        desk.now_ms += 2 * TTL_MS_MAX;
        desk.wake();
        desk.check();
        let totals = desk.ledger.totals();
        let sum = |of: fn(&Account) -> u64| model.accounts.values().map(|a| u128::from(of(a))).sum::<u128>();
        prop_assert_eq!(totals.granted, sum(|a| a.granted));
        prop_assert_eq!(totals.debited, sum(|a| a.debited));
        prop_assert_eq!(totals.refunded, sum(|a| a.refunded));
        prop_assert_eq!(totals.balance, sum(|a| a.balance));
        prop_assert_eq!((totals.reserved, totals.holds), (0, 0));
        prop_assert!(desk.now_ms > START_MS);
    }
}
