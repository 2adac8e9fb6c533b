//! The trail over a socket: what CREDIT.REFUND, TX, HISTORY, AUDIT and BALANCE AT answer, byte for byte, while the entries
//! are still in memory. What is read back from the disk is [`past`](crate::past)'s.

use crate::server::Site;
use crate::wire::{Reply, Wire};

/// The reply as one line, every moment in it as `T`: no test can know it.
fn timeless(reply: &Reply) -> String {
    let line = reply.line();
    let is_moment = |word: &str| word.len() == 13 && word.bytes().all(|byte| byte.is_ascii_digit());
    let words = line.split(' ').map(|word| {
        let (sign, rest) = word.strip_prefix(':').map_or(("", word), |rest| (":", rest));
        match rest.split_once('-') {
            None if is_moment(rest) => format!("{sign}T"),
            Some((time, seq)) if is_moment(time) => format!("T-{seq}"),
            _ => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The bulk string of every word of `text`, but heads of arrays and maps, numbers and nulls as they are; a map's head, %n,
/// as it is in RESP2 if `flat`.
fn bulk(text: &str, flat: bool) -> String {
    let word = |word: &str| match word.as_bytes()[0] {
        b'%' if flat => format!("*{}", 2 * word[1..].parse::<usize>().expect("a map's head")),
        b'*' | b'%' | b':' => word.to_owned(),
        // Moments and ids of entries are longer than what stands for them.
        _ if word == "T" => "$13 T".to_owned(),
        _ => format!("${} {word}", word.len() + if word.starts_with("T-") { 12 } else { 0 }),
    };
    text.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

/// Asks `line` of account `account`, which stands for ACC, and compares; `reply` is a "no" or is written as [`bulk`]
/// reads it.
#[track_caller]
pub fn says(wire: &mut Wire, flat: bool, line: &str, reply: &str) {
    let expected = if reply.starts_with('-') { reply.to_owned() } else { bulk(reply, flat) };
    let account = if flat { "two" } else { "three" };
    assert_eq!(timeless(&wire.ask(&line.replace("ACC", account))), expected, "{line}");
}

/// An account with an entry of every type; 20 granted, `r3` expired.
const STORY: &[(&str, &str)] = &[
    ("CREDIT.GRANT ACC pay 20 REASON purchase", "%4 status granted balance :20 available :20 seq :1"),
    ("CREDIT.RESERVE ACC r1 10 TTL 60000 META m", "%5 status active balance :20 available :10 seq :2 expires :T"),
    ("CREDIT.DEBIT ACC d1 16 REASON job", "-INSUFFICIENT available=10 required=16"),
    (
        "CREDIT.CAPTURE ACC r1 AMOUNT 4 REASON done",
        "%6 status captured balance :16 available :16 seq :4 captured :4 returned :6",
    ),
    ("CREDIT.DEBIT ACC d2 6", "%4 status debited balance :10 available :10 seq :5"),
    (
        "CREDIT.REFUND ACC f1 d2 AMOUNT 2 REASON bad",
        "%5 status refunded balance :12 available :12 seq :6 refundable :4",
    ),
    ("CREDIT.REFUND ACC f2 r1", "%5 status refunded balance :16 available :16 seq :7 refundable :0"),
    ("CREDIT.RELEASE ACC v1", "%4 status void balance :16 available :16 seq :8"),
    ("CREDIT.RESERVE ACC r2 3 TTL 60000", "%5 status active balance :16 available :13 seq :9 expires :T"),
    ("CREDIT.RELEASE ACC r2 REASON off", "%4 status released balance :16 available :16 seq :10"),
    ("CREDIT.RESERVE ACC r3 2 TTL 1", "%5 status active balance :16 available :14 seq :11 expires :T"),
];

fn tell(wire: &mut Wire, flat: bool) {
    for (line, reply) in STORY {
        says(wire, flat, line, reply);
    }
    let account = if flat { "two" } else { "three" };
    while wire.ask(&format!("CREDIT.BALANCE {account}")).number("seq") != 12 {}
}

/// Runs `check` with the story told, in RESP2 and in RESP3.
fn in_both(check: impl Fn(&mut Wire, bool)) {
    let site = Site::new();
    let server = site.start(&[]);
    for (hello, flat) in [("HELLO 2", true), ("HELLO 3", false)] {
        let mut wire = server.connect();
        wire.ask(hello);
        tell(&mut wire, flat);
        check(&mut wire, flat);
    }
}

#[test]
fn a_refund_gives_back_what_was_taken_and_no_more() {
    in_both(|wire, flat| {
        for (line, reply) in [
            // Replays: the same request always; a given amount is compared with the one that was resolved.
            (
                "CREDIT.REFUND ACC f1 d2 AMOUNT 2",
                "%6 status refunded balance :12 available :12 seq :6 refundable :4 replayed :1",
            ),
            (
                "CREDIT.REFUND ACC f2 r1",
                "%6 status refunded balance :16 available :16 seq :7 refundable :0 replayed :1",
            ),
            (
                "CREDIT.REFUND ACC f2 r1 AMOUNT 4",
                "%6 status refunded balance :16 available :16 seq :7 refundable :0 replayed :1",
            ),
            ("CREDIT.REFUND ACC f1 d2 AMOUNT 3", "-TXCONFLICT field=amount have=2 given=3"),
            ("CREDIT.REFUND ACC f1 r1 AMOUNT 3", "-TXCONFLICT field=of have=d2 given=r1"),
            ("CREDIT.REFUND ACC pay d2", "-TXCONFLICT field=op have=grant given=refund"),
            ("CREDIT.DEBIT ACC f1 2", "-TXCONFLICT field=op have=refund given=debit"),
            ("CREDIT.CAPTURE ACC f1", "-NORESERVATION op=refund"),
            ("CREDIT.REFUND ACC v1 d2", "-RELEASED amount=0 seq=8"),
            // Nothing of this binds an id: f3 is as new as before.
            ("CREDIT.REFUND ACC f3 d2 AMOUNT 5", "-EXCEEDS limit=4 given=5"),
            ("CREDIT.REFUND ACC f3 r1", "-EXCEEDS limit=0"),
            ("CREDIT.REFUND ACC f3 r1 AMOUNT 1", "-EXCEEDS limit=0 given=1"),
            ("CREDIT.REFUND ACC f3 nothing", "-NOTX"),
            ("CREDIT.REFUND ACC f3 f3", "-NOTX"),
            ("CREDIT.REFUND ACC f3 pay", "-NOTREFUNDABLE op=grant state=granted"),
            ("CREDIT.REFUND ACC f3 d1", "-NOTREFUNDABLE op=debit state=declined"),
            ("CREDIT.REFUND ACC f3 v1", "-NOTREFUNDABLE op=release state=void"),
            ("CREDIT.REFUND ACC f3 r2", "-NOTREFUNDABLE op=reserve state=released"),
            ("CREDIT.REFUND ACC f3 r3", "-NOTREFUNDABLE op=reserve state=expired"),
            ("CREDIT.REFUND ACC f3 f1", "-NOTREFUNDABLE op=refund state=refunded"),
            ("CREDIT.REFUND ACC f3 d2", "%5 status refunded balance :20 available :20 seq :13 refundable :0"),
            ("CREDIT.REFUND ACC f4 d2", "-EXCEEDS limit=0"),
            // What was refunded answers as before.
            ("CREDIT.DEBIT ACC d2 6", "%5 status debited balance :10 available :10 seq :5 replayed :1"),
            (
                "CREDIT.CAPTURE ACC r1 AMOUNT 4",
                "%7 status captured balance :16 available :16 seq :4 captured :4 returned :6 replayed :1",
            ),
            ("CREDIT.RESERVE ACC r4 1 TTL 60000", "%5 status active balance :20 available :19 seq :14 expires :T"),
            ("CREDIT.REFUND ACC f4 r4", "-NOTREFUNDABLE op=reserve state=active"),
        ] {
            says(wire, flat, line, reply);
        }
        wire.expect("CREDIT.REFUND nobody f1 d1", "-NOACCOUNT");
        let account = if flat { "two" } else { "three" };
        wire.ask(&format!("CREDIT.DEBIT {account} d9 1"));
        let made = wire.ask(&format!("CREDIT.REFUND {account} * d9")).map();
        assert_eq!((made["refundable"].as_str(), made["tx"].len()), ("0", 26));
    });
}

#[test]
fn a_transaction_s_whole_life() {
    in_both(|wire, flat| {
        let captured = "%12 op reserve state captured amount :10 captured :4 refunded :4 seq :2 time :T final_seq :4 \
                        final_time :T expires :T meta m";
        for (tx, reply) in [
            ("pay", "%6 op grant state granted amount :20 seq :1 time :T reason purchase"),
            ("r1", &captured.replace("%12", "%11")),
            ("d1", "%7 op debit state declined amount :16 seq :3 time :T code INSUFFICIENT reason job"),
            ("d2", "%6 op debit state debited amount :6 refunded :2 seq :5 time :T"),
            ("f1", "%7 op refund state refunded amount :2 seq :6 time :T of d2 reason bad"),
            ("f2", "%6 op refund state refunded amount :4 seq :7 time :T of r1"),
            ("v1", "%5 op release state void amount :0 seq :8 time :T"),
            ("r2", "%8 op reserve state released amount :3 seq :9 time :T final_seq :10 final_time :T expires :T"),
            ("r3", "%8 op reserve state expired amount :2 seq :11 time :T final_seq :12 final_time :T expires :T"),
        ] {
            says(wire, flat, &format!("CREDIT.TX ACC {tx}"), reply);
        }
        wire.ask(&format!("CREDIT.RESERVE {} r4 5 TTL 60000", if flat { "two" } else { "three" }));
        says(wire, flat, "CREDIT.TX ACC r4", "%6 op reserve state active amount :5 seq :13 time :T expires :T");
        let null = if flat { "$-1" } else { "_" };
        wire.expect("CREDIT.TX two nothing", null);
        wire.expect("CREDIT.TX nobody pay", null);
    });
}

#[test]
fn a_history_is_the_same_in_both_protocols() {
    let entries = [
        "*2 T-1 *16 type GRANT tx pay amount 20 delta 20 rdelta 0 balance 20 reserved 0 reason purchase",
        "*2 T-2 *18 type RESERVE tx r1 amount 10 delta 0 rdelta 10 balance 20 reserved 10 expires T meta m",
        "*2 T-3 *18 type DECLINE tx d1 amount 16 delta 0 rdelta 0 balance 20 reserved 10 code INSUFFICIENT reason job",
        "*2 T-4 *20 type CAPTURE tx r1 amount 4 delta -4 rdelta -10 balance 16 reserved 0 captured 4 returned 6 \
         reason done",
        "*2 T-5 *14 type DEBIT tx d2 amount 6 delta -6 rdelta 0 balance 10 reserved 0",
        "*2 T-6 *18 type REFUND tx f1 amount 2 delta 2 rdelta 0 balance 12 reserved 0 of d2 reason bad",
        "*2 T-7 *16 type REFUND tx f2 amount 4 delta 4 rdelta 0 balance 16 reserved 0 of r1",
        "*2 T-8 *16 type VOID tx v1 amount 0 delta 0 rdelta 0 balance 16 reserved 0 cause client",
        "*2 T-9 *16 type RESERVE tx r2 amount 3 delta 0 rdelta 3 balance 16 reserved 3 expires T",
        "*2 T-10 *18 type RELEASE tx r2 amount 3 delta 0 rdelta -3 balance 16 reserved 0 cause client reason off",
        "*2 T-11 *16 type RESERVE tx r3 amount 2 delta 0 rdelta 2 balance 16 reserved 2 expires T",
        "*2 T-12 *16 type EXPIRE tx r3 amount 2 delta 0 rdelta -2 balance 16 reserved 0 cause expired",
    ];
    let list = |seqs: &[usize]| {
        let shown: Vec<_> = seqs.iter().map(|seq| entries[seq - 1]).collect();
        format!("*{} {}", seqs.len(), shown.join(" ")).trim_end().to_owned()
    };
    in_both(|wire, flat| {
        let all: Vec<_> = (1..=12).collect();
        for (words, seqs) in [
            ("", &all[..]),
            ("- +", &all),
            ("REV", &[12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
            ("COUNT 2", &[1, 2]),
            ("count 2 rev", &[12, 11]),
            ("- + COUNT 100000", &all),
            ("TYPE GRANT", &[1]),
            ("TYPE capture debit COUNT 1", &[4]),
            ("REV TYPE RESERVE RESERVE COUNT 2", &[11, 9]),
            ("TYPE REFUND VOID RELEASE EXPIRE DECLINE", &[3, 6, 7, 8, 10, 12]),
            ("0 1", &[]),
            ("(+ +", &[]),
            ("+ +", &[]),
            ("- (- REV", &[]),
            ("9999999999999 +", &[]),
        ] {
            says(wire, flat, &format!("CREDIT.HISTORY ACC {words}"), &list(seqs));
        }
        wire.expect("CREDIT.HISTORY nobody", "*0");
    });
}

#[test]
fn an_audit_agrees_with_the_balance() {
    in_both(|wire, flat| {
        says(wire, flat, "CREDIT.AUDIT ACC", "%4 ok :1 entries :12 balance :16 reserved :0");
        says(wire, flat, "CREDIT.AUDIT nobody", "%4 ok :1 entries :0 balance :0 reserved :0");
        says(wire, flat, "CREDIT.BALANCE ACC AT 5", "%5 balance :0 reserved :0 available :0 seq :0 time :5");
        let seen = wire.ask(if flat { "CREDIT.BALANCE two" } else { "CREDIT.BALANCE three" });
        let now_ms = seen.number("time");
        while wire.ask("CREDIT.BALANCE nobody").number("time") == now_ms {}
        let then = "%5 balance :16 reserved :0 available :16 seq :12 time :T";
        says(wire, flat, &format!("CREDIT.BALANCE ACC AT {now_ms}"), then);
        let zeros = "%5 balance :0 reserved :0 available :0 seq :0 time :T";
        says(wire, flat, &format!("CREDIT.BALANCE nobody AT {now_ms}"), zeros);
        let future = wire.ask("CREDIT.BALANCE nobody AT 9999999999999").line();
        let text = "-ERR AT must be past: 9999999999999 is not before the server's time, ";
        assert!(future.starts_with(text), "{future}");
    });
}

#[test]
fn bad_questions_are_named() {
    let site = Site::new();
    let server = site.start(&[]);
    let mut wire = server.connect();
    let range =
        "-ERR start and end must both be given, each as - or + or <ms> or <ms>-<seq>, after ( if it is to be left out";
    let types =
        "-ERR TYPE must be followed by one or more of GRANT DEBIT RESERVE CAPTURE RELEASE EXPIRE REFUND DECLINE VOID";
    let count = "-ERR COUNT must be a whole number from 1, without sign or leading zero; above 1000 means 1000";
    for (line, text) in [
        ("CREDIT.HISTORY a -", range),
        ("CREDIT.HISTORY a - REV", range),
        ("CREDIT.HISTORY a 5 x", range),
        ("CREDIT.HISTORY a + -", "-ERR start must be the older end of the range, with REV too: - + is all of it"),
        ("CREDIT.HISTORY a LIMIT 5", "-ERR syntax error"),
        ("CREDIT.HISTORY a COUNT 0", count),
        ("CREDIT.HISTORY a COUNT -1", count),
        ("CREDIT.HISTORY a TYPE", types),
        ("CREDIT.HISTORY a TYPE GRANTS", types),
        (
            "CREDIT.BALANCE a AT yesterday",
            "-ERR AT must be a whole number of milliseconds since 1970, without sign or leading zero",
        ),
        ("CREDIT.TX a", "-ERR wrong number of arguments for 'credit.tx' command"),
        ("CREDIT.TX a *", "-ERR tx * starts something new; name the tx that you mean"),
        ("CREDIT.REFUND a f", "-ERR wrong number of arguments for 'credit.refund' command"),
        ("CREDIT.AUDIT a b", "-ERR wrong number of arguments for 'credit.audit' command"),
    ] {
        wire.expect(line, text);
    }
}
