//! The language: words to commands, outcomes to bytes.

use crate::crowd::NOW_MS;
use creditd::commands::arguments::{Arguments, Span};
use creditd::commands::reply::{Encoder, Proto};
use creditd::commands::{Defaults, parse as parse_request};
use creditd::ledger::outcome::{Detail, Figures, Outcome, Receipt, Status};
use creditd::ledger::rejection::Rejection;
use divan::{Bencher, black_box};

/// Words to a command: name, arity, arguments.
#[divan::bench(args = [
    "CREDIT.DEBIT a00000000001 t00000000001 5",
    "CREDIT.RESERVE a00000000001 t00000000001 5 TTL 300",
    "CREDIT.CAPTURE a00000000001 t00000000001",
    "CREDIT.BALANCE a00000000001",
], sample_size = 1000)]
fn parse(bencher: Bencher<'_, '_>, request: &str) {
    let defaults = Defaults { reserve_ttl_ms: 300_000, allow_auto_tx: true };
    let mut spans = Vec::new();
    let mut start = 0;
    for word in request.split(' ') {
        spans.push(Span::new(start, start + word.len()));
        start += word.len() + 1;
    }
    let arguments = Arguments::new(request.as_bytes(), &spans);
    bencher.bench_local(|| parse_request(black_box(arguments), &defaults).is_ok());
}

#[divan::bench(args = [Proto::Resp2, Proto::Resp3], sample_size = 1000)]
fn encode_receipt(bencher: Bencher<'_, '_>, proto: Proto) {
    let (balance, available) = (999_995, 999_995);
    let receipt =
        Receipt { status: Status::Debited, balance, available, seq: 12_345, detail: Detail::None, replayed: false };
    encode(bencher, proto, &Outcome::Written(receipt));
}

#[divan::bench(args = [Proto::Resp2, Proto::Resp3], sample_size = 1000)]
fn encode_balance(bencher: Bencher<'_, '_>, proto: Proto) {
    encode(bencher, proto, &Outcome::Balance(Figures { balance: 999_995, reserved: 5, seq: 12_345, time_ms: NOW_MS }));
}

#[divan::bench(args = [Proto::Resp2], sample_size = 1000)]
fn encode_no_account(bencher: Bencher<'_, '_>, proto: Proto) {
    encode(bencher, proto, &Outcome::Rejected(Rejection::NoAccount));
}

fn encode(bencher: Bencher<'_, '_>, proto: Proto, outcome: &Outcome) {
    let mut out = Vec::with_capacity(1024);
    bencher.bench_local(|| {
        out.clear();
        Encoder::new(&mut out, proto).outcome(black_box(outcome), None);
    });
}
