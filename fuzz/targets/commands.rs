//! Lines of commands, as a person would type them, to a ledger beside the naive model: the same answers, every
//! invariant, a recovery that gives the same state, and replies that are exactly one frame.
//!
//! ```text
//! input   CREDIT.GRANT a t1 10 LF   tick 500 LF   CREDIT.CAPTURE a r1 LF   wake LF ...
//! ```
//! `tick` moves the clock (milliseconds), `wake` settles all that is due. Every command is given twice: a retry adds no
//! entry. What needs the trail (HISTORY, AUDIT, BALANCE AT) or more than one owner (LEAD.*) is parsed and not executed: that is
//! the simulator's.

#![no_main]

#[path = "../../src/ledger/tests/desk.rs"]
#[allow(dead_code, reason = "it is shared")]
mod desk;
#[path = "../../src/ledger/tests/lead_desk.rs"]
#[allow(dead_code, reason = "it is shared")]
mod lead_desk;
#[path = "../../tests/model/mod.rs"]
mod model;

use creditd::commands::reply::{Encoder, Proto};
use creditd::commands::streams::StreamRequest;
use creditd::commands::streams::read::STREAMS_MAX;
use creditd::commands::{Defaults, Request, parse};
use creditd::ledger;
use creditd::ledger::command::{Command, Op};
use creditd::ledger::credits::TTL_MS_MAX;
use creditd::net::resp::{Limits, Parser};
use desk::{Desk, LIMITS};
use libfuzzer_sys::fuzz_target;
use model::Model;
use redis_protocol::resp2::{decode::decode, types::OwnedFrame};

/// More say nothing new: checking is quadratic in the entries.
const REQUESTS_MAX: usize = 200;

const DEFAULTS: Defaults = Defaults { reserve_ttl_ms: 300_000, allow_auto_tx: true };

fuzz_target!(|input: &[u8]| {
    let mut desk = Desk::new(LIMITS);
    let mut model = Model { holds_max: LIMITS.holds_per_account_max as usize, ..Model::default() };
    let (mut parser, mut rest) = (Parser::default(), input);
    for _ in 0..REQUESTS_MAX {
        let Ok(Some(consumed)) = parser.parse(rest, &Limits::AUTHENTICATED) else { break };
        let words = parser.arguments(rest);
        match words.get(0).unwrap_or_default() {
            b"tick" => {
                let ms = words.get(1).and_then(|word| str::from_utf8(word).ok()?.parse::<u64>().ok());
                desk.now_ms += ms.unwrap_or(1).min(TTL_MS_MAX);
            }
            b"wake" => {
                desk.wake();
                model.accounts.values_mut().for_each(|account| account.settle(desk.now_ms));
                let held: u128 = model.accounts.values().map(|account| u128::from(account.reserved())).sum();
                assert_eq!(desk.ledger.totals().reserved, held, "the wheel misses nothing");
            }
            _ => match parse(words, &DEFAULTS) {
                Ok(Request::Ledger { command, made_tx }) => {
                    let tx = if made_tx { b"made" } else { command.tx };
                    execute(&mut desk, &mut model, &Command { tx, ..command });
                }
                Ok(Request::Stream(StreamRequest::Read(read))) => {
                    assert!((1..=STREAMS_MAX).contains(&read.streams().count()), "{read:?}");
                }
                Ok(_) => {}
                Err(refusal) => {
                    let reply = encoded(|encoder| encoder.refusal(&refusal));
                    assert!(matches!(reply, OwnedFrame::Error(_)), "{reply:?}");
                }
            },
        }
        rest = &rest[consumed..];
    }
    desk.check();
});

fn execute(desk: &mut Desk, model: &mut Model, command: &Command<'_>) {
    if matches!(command.op, Op::History(_) | Op::Audit | Op::BalanceAt { .. } | Op::Claim { .. } | Op::Lead(_)) {
        return;
    }
    let outcome = desk.execute(command);
    assert_eq!(outcome, model.execute(command, desk.now_ms), "{command:?}");
    encoded(|encoder| encoder.outcome(&outcome, None));
    let records = desk.records();
    assert_eq!(desk.execute(command), model.execute(command, desk.now_ms), "again {command:?}");
    assert_eq!(desk.records(), records, "a retry adds nothing: {command:?}");
}

/// The reply, which is one frame and nothing more.
fn encoded(write: impl Fn(&mut Encoder<'_>)) -> OwnedFrame {
    let mut bytes = Vec::new();
    write(&mut Encoder::new(&mut bytes, Proto::Resp2));
    let (frame, len) = decode(&bytes).expect("a reply is valid").expect("a reply is complete");
    assert_eq!(len, bytes.len(), "a reply is one frame");
    frame
}
