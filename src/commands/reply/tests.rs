//! Exact bytes of every reply, in both protocols.

mod leads;
mod rejections;
mod trail;

use super::*;
use crate::ledger::credits::CREDITS_MAX;
use crate::ledger::outcome::{Detail, Figures, HoldView, HoldsView, Outcome, Receipt, Status};

fn encoded(proto: Proto, write: impl FnOnce(&mut Encoder<'_>)) -> String {
    let mut out = Vec::new();
    write(&mut Encoder::new(&mut out, proto));
    String::from_utf8(out).expect("text")
}

/// The body is the same in both protocols, the header differs.
fn check_map(outcome: &Outcome, made_tx: Option<&[u8]>, fields: usize, body: &str) {
    for (proto, header) in [(Proto::Resp2, format!("*{}\r\n", fields * 2)), (Proto::Resp3, format!("%{fields}\r\n"))] {
        assert_eq!(encoded(proto, |out| out.outcome(outcome, made_tx)), header + &body.replace('|', "\r\n"));
    }
}

#[test]
fn the_example_of_the_contract() {
    let receipt = Receipt {
        status: Status::Active,
        balance: 20,
        available: 15,
        seq: 2,
        detail: Detail::Expires(1_790_000_300_000),
        replayed: false,
    };
    let bytes = encoded(Proto::Resp3, |out| out.outcome(&Outcome::Written(receipt), None));
    assert_eq!(
        bytes,
        "%5\r\n$6\r\nstatus\r\n$6\r\nactive\r\n$7\r\nbalance\r\n:20\r\n$9\r\navailable\r\n:15\r\n$3\r\nseq\r\n:2\r\n\
         $7\r\nexpires\r\n:1790000300000\r\n"
    );
    let flat = encoded(Proto::Resp2, |out| out.outcome(&Outcome::Written(receipt), None));
    assert_eq!(flat, bytes.replace("%5", "*10"));
}

#[test]
fn every_status_and_every_extra_field_in_order() {
    let body = "$7|balance|:9007199254740991|$9|available|:0|$3|seq|:7|";
    for (status, word) in [
        (Status::Granted, "$7|granted|"),
        (Status::Debited, "$7|debited|"),
        (Status::Active, "$6|active|"),
        (Status::Captured, "$8|captured|"),
        (Status::Released, "$8|released|"),
        (Status::Expired, "$7|expired|"),
        (Status::Void, "$4|void|"),
        (Status::Refunded, "$8|refunded|"),
    ] {
        let plain =
            Receipt { status, balance: CREDITS_MAX, available: 0, seq: 7, detail: Detail::None, replayed: false };
        let head = format!("$6|status|{word}{body}");
        check_map(&Outcome::Written(plain), None, 4, &head);
        let replayed = Receipt { replayed: true, ..plain };
        check_map(&Outcome::Written(replayed), None, 5, &format!("{head}$8|replayed|:1|"));
        let captured = Receipt { detail: Detail::Captured { captured: 4, returned: 6 }, ..replayed };
        let captured_body = "$8|captured|:4|$8|returned|:6|";
        check_map(&Outcome::Written(captured), None, 7, &format!("{head}{captured_body}$8|replayed|:1|"));
        check_map(
            &Outcome::Written(captured),
            Some(b"id"),
            8,
            &format!("{head}{captured_body}$2|tx|$2|id|$8|replayed|:1|"),
        );
        let reserved = Receipt { detail: Detail::Expires(5), ..plain };
        check_map(&Outcome::Written(reserved), Some(b"id"), 6, &format!("{head}$7|expires|:5|$2|tx|$2|id|"));
        let refunded = Receipt { detail: Detail::Refundable(0), ..replayed };
        check_map(&Outcome::Written(refunded), None, 6, &format!("{head}$10|refundable|:0|$8|replayed|:1|"));
    }
}

#[test]
fn balance_and_holds() {
    let figures = Figures { balance: 20, reserved: 5, seq: 2, time_ms: 1_790_000_000_000 };
    let body = "$7|balance|:20|$8|reserved|:5|$9|available|:15|$3|seq|:2|$4|time|:1790000000000|";
    check_map(&Outcome::Balance(figures), None, 5, body);
    let none = HoldsView { figures, holds: vec![] };
    check_map(&Outcome::Holds(Box::new(none)), None, 6, &format!("{body}$5|holds|*0|"));

    let hold = HoldView {
        tx: Box::from(&b"r\r1"[..]),
        amount: 5,
        created_at_ms: 10,
        expires_at_ms: Some(20),
        lead: Box::default(),
    };
    let one = Outcome::Holds(Box::new(HoldsView { figures, holds: vec![hold] }));
    let bytes = encoded(Proto::Resp3, |out| out.outcome(&one, None));
    let expected = format!("%6|{body}$5|holds|*1|%4|$2|tx|$3|r\r1|$6|amount|:5|$7|created|:10|$7|expires|:20|");
    assert_eq!(bytes, expected.replace('|', "\r\n"));
    let flat = encoded(Proto::Resp2, |out| out.outcome(&one, None));
    assert_eq!(flat, bytes.replace("%6", "*12").replace("%4", "*8"));
}

#[test]
fn every_type_in_both_protocols() {
    type Write = fn(&mut Encoder<'_>);
    let cases: [(Write, &str, &str); 12] = [
        (|out| out.ok(), "+OK|", "+OK|"),
        (|out| out.simple("PONG"), "+PONG|", "+PONG|"),
        (|out| out.error("ERR a\r\n+b"), "-ERR a  +b|", "-ERR a  +b|"),
        (|out| out.bulk(b""), "$0||", "$0||"),
        (|out| out.text("a\r\nb"), "$4|a|b|", "$4|a|b|"),
        (|out| out.verbatim("x:1\r\n"), "$5|x:1||", "=9|txt:x:1||"),
        (|out| out.integer(u64::MAX), ":18446744073709551615|", ":18446744073709551615|"),
        (|out| out.signed(-4), ":-4|", ":-4|"),
        (|out| out.null(), "$-1|", "_|"),
        (|out| out.set(2), "*2|", "~2|"),
        (|out| out.map(2), "*4|", "%2|"),
        (|out| out.help(&["A", "    b."]), "*2|+A|+    b.|", "*2|+A|+    b.|"),
    ];
    for (write, resp2, resp3) in cases {
        assert_eq!(encoded(Proto::Resp2, write), resp2.replace('|', "\r\n"));
        assert_eq!(encoded(Proto::Resp3, write), resp3.replace('|', "\r\n"));
    }
}

#[test]
fn hello_has_its_seven_fields() {
    let facts = HelloFacts { redis_version: "7.2.4", connection_id: 9 };
    let body = "$6|server|$5|redis|$7|version|$5|7.2.4|$5|proto|:P|$2|id|:9|\
                $4|mode|$10|standalone|$4|role|$6|master|$7|modules|*0|";
    let resp3 = encoded(Proto::Resp3, |out| out.hello(&facts));
    assert_eq!(resp3, format!("%7|{body}").replace('|', "\r\n").replace(":P", ":3"));
    let resp2 = encoded(Proto::Resp2, |out| out.hello(&facts));
    assert_eq!(resp2, format!("*14|{body}").replace('|', "\r\n").replace(":P", ":2"));
}

#[test]
#[should_panic(expected = "reserved is part of the balance")]
fn a_balance_below_its_holds_is_a_bug_not_a_reply() {
    let figures = Figures { balance: 1, reserved: 2, seq: 1, time_ms: 1 };
    encoded(Proto::Resp3, |out| out.outcome(&Outcome::Balance(figures), None));
}
