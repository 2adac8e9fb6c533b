//! LEAD.*: what each takes, and what it says to anything else.

use super::*;
use crate::ledger::command::LeadOp;
use crate::ledger::lead::MAX_CLAIMS;

const TAIL: &str = ", without sign or leading zero";

#[test]
fn leads_are_asked_by_name_and_claimed_by_an_account() {
    with_words(&[b"Lead.Claim", b"t:1", b"c1", b"lead:42", b"5", b"meta", b"m", b"REASON", b"why"], |request| {
        let claim = Command::new(b"t:1", b"c1", Op::Claim { cost: 5 });
        let command = Command { lead: b"lead:42", reason: b"why", meta: b"m", ..claim };
        assert_eq!(command.owner(), b"t:1");
        assert_eq!(request, Ok(Request::Ledger { command, made_tx: false }));
    });
    with_words(&[b"lead.open", b"lead:42", b"3", b"META", b"m", b"ttl", b"86400000"], |request| {
        let op = Op::Lead(LeadOp::Open { max: 3, ttl_ms: Some(86_400_000) });
        let command = Command { meta: b"m", ..Command::of_lead(b"lead:42", op) };
        assert_eq!(command.owner(), b"lead:42");
        assert_eq!(request, Ok(Request::Ledger { command, made_tx: false }));
    });
    with_words(&[b"LEAD.CLOSE", b"lead:42", b"reason", b"sold"], |request| {
        let command = Command { reason: b"sold", ..Command::of_lead(b"lead:42", Op::Lead(LeadOp::Close)) };
        assert_eq!(request, Ok(Request::Ledger { command, made_tx: false }));
    });
    let claims = |from, count| Op::Lead(LeadOp::Claims { from, count });
    for (line, expected) in [
        ("LEAD.CLAIM a t l 0", Op::Claim { cost: 0 }),
        ("LEAD.CLAIM a t l 9007199254740991", Op::Claim { cost: CREDITS_MAX }),
        ("LEAD.OPEN l 1", Op::Lead(LeadOp::Open { max: 1, ttl_ms: None })),
        ("LEAD.OPEN l 10000 TTL 2592000000", Op::Lead(LeadOp::Open { max: MAX_CLAIMS, ttl_ms: Some(TTL_MS_MAX) })),
        ("LEAD.CLOSE l", Op::Lead(LeadOp::Close)),
        ("LEAD.GET l", Op::Lead(LeadOp::Get)),
        ("LEAD.CLAIMS l", claims(1, 100)),
        ("LEAD.CLAIMS l from 7 count 1", claims(7, 1)),
        ("LEAD.CLAIMS l COUNT 1001 FROM 99999999999", claims(u32::MAX, 1000)),
    ] {
        assert_eq!(op(line), expected, "{line}");
    }
}

#[test]
fn figures_out_of_range_are_named() {
    for word in ["-1", "+1", "01", "1.5", "", "x", "99999999999999999999"] {
        refused(
            &format!("LEAD.CLAIM a t l {word}"),
            &format!("ERR cost must be a whole number from 0 to 9007199254740991{TAIL}"),
        );
        refused(&format!("LEAD.OPEN l {word}"), &format!("ERR maxclaims must be a whole number from 1 to 10000{TAIL}"));
        refused(
            &format!("LEAD.OPEN l 1 TTL {word}"),
            &format!("ERR TTL must be a whole number of milliseconds from 1 to 2592000000 (30 days){TAIL}"),
        );
        refused(
            &format!("LEAD.CLAIMS l COUNT {word}"),
            &format!("ERR COUNT must be a whole number from 1{TAIL}; above 1000 means 1000"),
        );
        refused(
            &format!("LEAD.CLAIMS l FROM {word}"),
            &format!("ERR FROM must be the number of a claim, a whole number from 1{TAIL}"),
        );
    }
    for line in [
        "LEAD.CLAIM a t l 9007199254740992",
        "LEAD.OPEN l 0",
        "LEAD.OPEN l 10001",
        "LEAD.OPEN l 1 TTL 0",
        "LEAD.OPEN l 1 TTL 2592000001",
        "LEAD.CLAIMS l COUNT 0",
        "LEAD.CLAIMS l FROM 0",
    ] {
        with_line(line, |request| assert!(request.expect_err(line).text().contains(" must be "), "{line}"));
    }
}

#[test]
fn names_are_bytes_of_bounded_length() {
    let (longest, long) = ("l".repeat(128), "l".repeat(129));
    assert_eq!(op(&format!("LEAD.GET {longest}")), Op::Lead(LeadOp::Get));
    for line in ["LEAD.OPEN LEAD 1", "LEAD.CLAIM a t LEAD 1", "LEAD.GET LEAD", "LEAD.CLAIMS LEAD", "LEAD.CLOSE LEAD"] {
        refused(&line.replace(" LEAD", &format!(" {long}")), "ERR lead is longer than 128 bytes");
        refused(&line.replace(" LEAD", " "), "ERR lead is empty");
    }
    refused(&format!("LEAD.CLAIM {long} t l 1"), "ERR account is longer than 128 bytes");
    refused("LEAD.CLAIM  t l 1", "ERR account is empty");
    refused(&format!("LEAD.CLAIM a {} l 1", "t".repeat(65)), "ERR tx is longer than 64 bytes");
    refused("LEAD.CLAIM a  l 1", "ERR tx is empty");
    with_words(&[b"LEAD.GET", b"\0\r\n*"], |request| {
        let command = Command::of_lead(b"\0\r\n*", Op::Lead(LeadOp::Get));
        assert_eq!(request, Ok(Request::Ledger { command, made_tx: false }));
    });
}

#[test]
fn a_claim_starts_something_so_the_server_can_make_its_id() {
    with_line("LEAD.CLAIM a * l 1", |request| {
        assert!(matches!(request, Ok(Request::Ledger { command: Command { tx: b"*", .. }, made_tx: true })));
    });
    let owned: OwnedArguments = "LEAD.CLAIM a * l 1".split(' ').map(str::as_bytes).collect();
    let off = parse(owned.borrow(), &Defaults { allow_auto_tx: false, ..DEFAULTS });
    assert!(off.expect_err("off").text().starts_with("ERR tx * is off here"));
}

#[test]
fn options_are_known_and_come_once() {
    for line in [
        "LEAD.OPEN l 1 REASON x",
        "LEAD.OPEN l 1 TTL",
        "LEAD.OPEN l 1 TTL 5 TTL 5",
        "LEAD.CLAIM a t l 1 TTL 5",
        "LEAD.CLAIM a t l 1 META",
        "LEAD.CLAIMS l COUNT",
        "LEAD.CLAIMS l FROM 1 FROM 1",
        "LEAD.CLAIMS l REV",
        "LEAD.CLOSE l META m",
        "LEAD.CLOSE l REASON x REASON x",
    ] {
        refused(line, SYNTAX);
    }
    refused("LEAD.GET l x", "ERR wrong number of arguments for 'lead.get' command");
    refused("LEAD.UNCLAIM l", "ERR unknown command 'LEAD.UNCLAIM', with args beginning with: 'l' ");
    refused(&format!("LEAD.CLOSE l REASON {}", "r".repeat(65)), "ERR REASON is longer than 64 bytes");
    refused(&format!("LEAD.OPEN l 1 META {}", "m".repeat(1025)), "ERR META is longer than 1024 bytes");
}

#[test]
fn the_table_has_them_as_the_contract_does() {
    for (name, arity, flags, class) in [
        ("lead.open", -3, "*3|+write|+denyoom|+fast|", "*3|+@write|+@fast|+@granter|"),
        ("lead.close", -2, "*3|+write|+denyoom|+fast|", "*3|+@write|+@fast|+@granter|"),
        ("lead.claim", -5, "*2|+write|+denyoom|", "*3|+@write|+@slow|+@spender|"),
        ("lead.get", 2, "*1|+readonly|", "*3|+@read|+@slow|+@reader|"),
        ("lead.claims", -2, "*1|+readonly|", "*3|+@read|+@slow|+@reader|"),
    ] {
        let head = format!("*1|*10|${}|{name}|:{arity}|{flags}:1|:1|:1|{class}", name.len());
        let info = catalog_reply(&format!("COMMAND INFO {name}"), Proto::Resp2);
        assert!(info.starts_with(&head), "{info}");
    }
    assert_eq!(
        catalog_reply("COMMAND GETKEYS lead.claim acct t l 5", Proto::Resp2),
        "*1|$4|acct|",
        "the lead is no key"
    );
    let docs = catalog_reply("COMMAND DOCS lead.claim", Proto::Resp2);
    let lead = "*4|$4|name|$4|lead|$4|type|$6|string|*4|$4|name|$4|cost|$4|type|$7|integer|";
    assert!(docs.contains("$5|group|$4|lead|") && docs.contains(lead), "{docs}");
    assert_eq!(docs.matches("key_spec_index").count(), 1);
}
