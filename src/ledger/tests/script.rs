//! Stories as text: one command a line, with what it answers.
//!
//! ```text
//!   reserve t1 r1 40 ttl=5m -> active available=60      every word after the arrow must be in the answer,
//!   tick 5m                                             "replayed" exactly when it is
//! ```
//! Times in answers count from the start of the story. `max` is 2^53 - 1; durations end in ms, s, m, h or d.

use super::desk::{Desk, LIMITS, START_MS};
use crate::ledger::Limits;
use crate::ledger::command::{Command, Op};
use crate::ledger::credits::CREDITS_MAX;
use crate::ledger::event::EntryId;
use crate::ledger::outcome::{Detail, Figures, Outcome, Receipt, TxView};
use crate::ledger::rejection::{Conflict, Rejection};

/// Runs a story with [`LIMITS`].
pub(super) fn check(story: &str) {
    check_with(LIMITS, story);
}

/// Runs a story; after every line all invariants hold and a recovery would give the same state.
pub(super) fn check_with(limits: Limits, story: &str) {
    let mut desk = Desk::new(limits);
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (command, expected) = line.split_once("->").unwrap_or((line, ""));
        let found = run(&mut desk, &command.split_whitespace().collect::<Vec<_>>());
        let words: Vec<&str> = found.split_whitespace().collect();
        let is_replay = expected.contains("replayed");
        let is_met = expected.split_whitespace().all(|word| words.contains(&word));
        let starts_right = expected.split_whitespace().next() == words.first().copied();
        let is_right = is_met && starts_right && is_replay == found.contains("replayed");
        assert!(is_right, "\n  in    {line}\n  found {found}\n");
        desk.check();
    }
}

fn run(desk: &mut Desk, words: &[&str]) -> String {
    let option = |name: &str| words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let amount = |at: usize| words.get(at).filter(|word| !word.contains('=')).map(|word| number(word));
    let op = match words[0] {
        "tick" => {
            desk.now_ms += duration(words[1]);
            return String::new();
        }
        "wake" => {
            desk.wake();
            return String::new();
        }
        "trail" => {
            let trail = desk.trail(words[1].as_bytes());
            let entry = |change: String| change.split([' ', '{']).next().unwrap_or_default().to_lowercase();
            let words: Vec<String> = trail
                .iter()
                .map(|(_, event)| format!("{}@{}", entry(format!("{:?}", event.change)), event.time_ms - START_MS))
                .collect();
            return words.join(" ");
        }
        "grant" => Op::Grant { amount: amount(3).unwrap() },
        "debit" => Op::Debit { amount: amount(3).unwrap() },
        "reserve" => Op::Reserve { amount: amount(3).unwrap(), ttl_ms: option("ttl").map_or(300_000, duration) },
        "capture" => Op::Capture { amount: amount(3) },
        "release" => Op::Release,
        "refund" => Op::Refund { amount: amount(4) },
        "tx" => Op::Tx,
        "balance" => Op::Balance,
        "holds" => Op::Holds,
        other => panic!("no such command: {other}"),
    };
    let text = |name| option(name).unwrap_or_default().as_bytes();
    let tx = words.get(2).map_or(&b""[..], |tx| tx.as_bytes());
    let (reason, meta) = (text("reason"), text("meta"));
    let of = if matches!(op, Op::Refund { .. }) { words[3].as_bytes() } else { b"" };
    show(&desk.execute(&Command { of, reason, meta, ..Command::new(words[1].as_bytes(), tx, op) }))
}

fn number(word: &str) -> u64 {
    match word.strip_prefix("max") {
        Some("") => CREDITS_MAX,
        Some(less) => CREDITS_MAX - less[1..].parse::<u64>().unwrap(),
        None => word.parse().unwrap(),
    }
}

fn duration(word: &str) -> u64 {
    let digits = word.trim_end_matches(char::is_alphabetic);
    let unit = match &word[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        other => panic!("no such unit: {other}"),
    };
    digits.parse::<u64>().unwrap() * unit
}

fn show(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Written(receipt) => show_receipt(receipt),
        Outcome::Balance(figures) => show_figures(figures),
        Outcome::Holds(view) => {
            let holds = view.holds.iter().map(|hold| {
                let (created, expires) =
                    (hold.created_at_ms - START_MS, hold.expires_at_ms.expect("no claim") - START_MS);
                format!(" {}={}@{created}..{expires}", String::from_utf8_lossy(&hold.tx), hold.amount)
            });
            show_figures(&view.figures) + &holds.collect::<String>()
        }
        Outcome::Tx(None) => "unknown".into(),
        Outcome::Tx(Some(view)) => show_view(view),
        Outcome::History(_) | Outcome::Audit(_) => panic!("the ledger has no trail"),
        Outcome::Lead(_) | Outcome::Claims(_) | Outcome::Step(_) | Outcome::EventCount(_) => {
            panic!("no account answers")
        }
        Outcome::Rejected(rejection) => show_rejection(rejection),
    }
}

fn show_receipt(receipt: &Receipt) -> String {
    let Receipt { status, balance, available, seq, detail, replayed } = receipt;
    let detail = match detail {
        Detail::None => String::new(),
        Detail::Refundable(left) => format!(" refundable={left}"),
        Detail::Expires(at) => format!(" expires={}", at - START_MS),
        Detail::Claim { claim, remaining } => format!(" claim={claim} remaining={remaining}"),
        Detail::Captured { captured, returned } => format!(" captured={captured} returned={returned}"),
    };
    let status = format!("{status:?}").to_lowercase();
    let replayed = if *replayed { " replayed" } else { "" };
    format!("{status} balance={balance} available={available} seq={seq}{detail}{replayed}")
}

fn show_view(view: &TxView) -> String {
    let lower = |word: &dyn std::fmt::Debug| format!("{word:?}").to_lowercase();
    let mut words = vec![lower(&view.op), lower(&view.state), format!("amount={}", view.amount)];
    let id = |id: EntryId| format!("{}-{}", id.time_ms - START_MS, id.seq);
    let fields = [
        ("captured", view.captured.map(|captured| captured.to_string())),
        ("refunded", view.refunded.map(|refunded| refunded.to_string())),
        ("first", Some(id(view.first))),
        ("last", view.last.map(id)),
        ("expires", view.expires_at_ms.map(|at| (at - START_MS).to_string())),
        ("code", view.code.map(str::to_lowercase)),
    ];
    words.extend(fields.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?))));
    for (name, text) in [("lead", &view.lead), ("of", &view.of), ("reason", &view.reason), ("meta", &view.meta)] {
        if !text.is_empty() {
            words.push(format!("{name}={}", text.escape_ascii()));
        }
    }
    words.join(" ")
}

fn show_figures(figures: &Figures) -> String {
    let Figures { balance, reserved, seq, time_ms } = figures;
    let (available, time) = (balance - reserved, time_ms - START_MS);
    format!("balance={balance} reserved={reserved} available={available} seq={seq} time={time}")
}

fn show_rejection(rejection: &Rejection) -> String {
    let verb = |verb| format!("{verb:?}").to_lowercase();
    match rejection.clone() {
        Rejection::Insufficient { available, required } => {
            format!("INSUFFICIENT available={available} required={required}")
        }
        Rejection::Overflow { balance } => format!("OVERFLOW balance={balance}"),
        Rejection::Limit { holds } => format!("LIMIT holds={holds}"),
        Rejection::TxConflict(Conflict::Op { have, given }) => {
            format!("TXCONFLICT field=op have={} given={}", verb(have), verb(given))
        }
        Rejection::TxConflict(Conflict::Amount { have, given }) => {
            format!("TXCONFLICT field=amount have={have} given={given}")
        }
        Rejection::TxConflict(Conflict::Of(of)) => {
            format!("TXCONFLICT field=of have={} given={}", of.have.escape_ascii(), of.given.escape_ascii())
        }
        Rejection::NoAccount => "NOACCOUNT".into(),
        Rejection::NoTx => "NOTX".into(),
        Rejection::NotRefundable { op, state } => {
            format!("NOTREFUNDABLE op={} state={}", verb(op), format!("{state:?}").to_lowercase())
        }
        Rejection::NoReservation { op: None } => "NORESERVATION bare".into(),
        Rejection::NoReservation { op: Some(op) } => format!("NORESERVATION op={}", verb(op)),
        Rejection::Expired { expires_at_ms, now_ms } => {
            format!("EXPIRED expires={} now={}", expires_at_ms - START_MS, now_ms - START_MS)
        }
        Rejection::Released { amount, seq } => format!("RELEASED amount={amount} seq={seq}"),
        Rejection::Captured { amount, seq } => format!("CAPTURED amount={amount} seq={seq}"),
        Rejection::Exceeds { limit, given: Some(given) } => format!("EXCEEDS limit={limit} given={given}"),
        Rejection::Exceeds { limit, given: None } => format!("EXCEEDS limit={limit} bare"),
        Rejection::OutOfMemory(table) => format!("OOM {}", format!("{table:?}").to_lowercase()),
        other => panic!("not the ledger's: {other:?}"),
    }
}
