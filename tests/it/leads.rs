//! Leads over a socket: the session of commands.md F typed whole, every error of LEAD.* as a client meets it, and what a
//! claim's id answers to every verb. Many who claim at once are [`rush`](crate::rush)'s.

use crate::server::{Server, Site};
use crate::trail::says;
use crate::wire::{Reply, Wire, info};

/// A client of a server of its own.
struct Client<'a> {
    wire: Wire,
    flat: bool,
    server: &'a Server,
}

impl Client<'_> {
    #[track_caller]
    fn says(&mut self, line: &str, reply: &str) {
        says(&mut self.wire, self.flat, line, reply);
    }

    #[track_caller]
    fn all(&mut self, story: &[(&str, &str)]) {
        story.iter().for_each(|(line, reply)| self.says(line, reply));
    }

    #[track_caller]
    fn knows_nothing_of(&mut self, line: &str) {
        self.wire.expect(line, if self.flat { "$-1" } else { "_" });
    }
}

/// Runs `check` in each version of the protocol; the account tradie:7 has 20 credits.
fn in_both(flags: &[&str], check: impl Fn(&mut Client<'_>)) {
    for (hello, flat) in [("HELLO 2", true), ("HELLO 3", false)] {
        let site = Site::new();
        let server = site.start(flags);
        let mut client = Client { wire: server.connect(), flat, server: &server };
        client.wire.ask(hello);
        client.says(
            "CREDIT.GRANT tradie:7 pay_991 20 REASON purchase",
            "%4 status granted balance :20 available :20 seq :1",
        );
        check(&mut client);
    }
}

/// The replies to all lines, each as one line.
pub fn pipeline(wire: &mut Wire, lines: &[String]) -> Vec<String> {
    wire.pipeline(lines).iter().map(Reply::line).collect()
}

#[test]
fn the_session_of_the_contract() {
    let claimed = "status claimed balance :15 available :15 seq :3 claim :1 remaining :2";
    let lead = "lead lead:42 state open max :3 claims :1 remaining :2 opened :T expires :T";
    in_both(&["--shards", "8", "--cores", "2"], |client| {
        client.all(&[
            (
                "LEAD.OPEN lead:42 3 TTL 86400000",
                "%7 lead lead:42 state open max :3 claims :0 remaining :3 opened :T expires :T",
            ),
            ("LEAD.CLAIM tradie:7 c_01J lead:42 5", &format!("%6 {claimed}")),
            ("LEAD.CLAIM tradie:7 c_01J lead:42 5", &format!("%7 {claimed} replayed :1")),
            ("LEAD.CLAIM tradie:7 c_02K lead:42 5", "-ALREADYCLAIMED tx=c_01J claim=1"),
            (
                "CREDIT.RESERVE tradie:7 r1 10 TTL 60000",
                "%5 status active balance :15 available :5 seq :4 expires :T",
            ),
            ("CREDIT.DEBIT tradie:7 d1 6", "-INSUFFICIENT available=5 required=6"),
            (
                "CREDIT.CAPTURE tradie:7 r1 AMOUNT 4",
                "%6 status captured balance :11 available :11 seq :6 captured :4 returned :6",
            ),
            (
                "CREDIT.REFUND tradie:7 f1 c_01J REASON bad-lead",
                "%5 status refunded balance :16 available :16 seq :7 refundable :0",
            ),
            (
                "CREDIT.HISTORY tradie:7 - + COUNT 3 REV",
                "*3 *2 T-7 *18 type REFUND tx f1 amount 5 delta 5 rdelta 0 balance 16 reserved 0 of c_01J reason bad-lead \
                 *2 T-6 *18 type CAPTURE tx r1 amount 4 delta -4 rdelta -10 balance 11 reserved 0 captured 4 returned 6 \
                 *2 T-5 *16 type DECLINE tx d1 amount 6 delta 0 rdelta 0 balance 15 reserved 10 code INSUFFICIENT",
            ),
            (
                "CREDIT.BALANCE tradie:7 AT 1790000000500",
                "%5 balance :0 reserved :0 available :0 seq :0 time :T",
            ),
            // What the lead says of it, and the trail of the claim.
            ("LEAD.GET lead:42", &format!("%7 {lead}")),
            ("LEAD.OPEN lead:42 3 TTL 86400000 META other", &format!("%8 {lead} replayed :1")),
            ("LEAD.CLAIMS lead:42", "*1 %5 claim :1 account tradie:7 tx c_01J cost :5 time :T"),
            (
                "CREDIT.HISTORY tradie:7 - + COUNT 2 TYPE RESERVE CAPTURE",
                "*2 *2 T-2 *16 type RESERVE tx c_01J amount 5 delta 0 rdelta 5 balance 20 reserved 5 lead lead:42 \
                 *2 T-3 *20 type CAPTURE tx c_01J amount 5 delta -5 rdelta -5 balance 15 reserved 0 captured 5 returned 0 \
                 lead lead:42",
            ),
            (
                "CREDIT.TX tradie:7 c_01J",
                "%10 op claim state captured amount :5 captured :5 refunded :5 seq :2 time :T final_seq :3 final_time :T \
                 lead lead:42",
            ),
            ("LEAD.CLAIM tradie:7 c_01J lead:42 5", &format!("%7 {claimed} replayed :1")),
            ("CREDIT.AUDIT tradie:7", "%4 ok :1 entries :7 balance :16 reserved :0"),
        ]);
    });
}

#[test]
fn every_no_of_a_lead() {
    let flags = ["--shards", "1", "--leads-max", "2", "--lead-slots-max", "20", "--holds-per-account-max", "1"];
    in_both(&flags, |client| {
        client.knows_nothing_of("LEAD.GET lead:1");
        client.all(&[
            ("LEAD.CLAIMS lead:1", "*0"),
            ("LEAD.CLOSE lead:1", "-NOLEAD"),
            ("LEAD.CLAIM nobody c1 lead:1 5", "-NOACCOUNT"),
            ("LEAD.CLAIM tradie:7 c1 lead:1 5", "-NOLEAD"),
            ("LEAD.OPEN lead:1 1", "%6 lead lead:1 state open max :1 claims :0 remaining :1 opened :T"),
            ("LEAD.OPEN lead:1 2", "-LEADEXISTS field=max have=1 given=2"),
            ("LEAD.OPEN lead:1 1 TTL 5", "-LEADEXISTS field=ttl have=none given=5"),
            ("LEAD.CLAIM tradie:7 c2 lead:1 21", "-INSUFFICIENT available=20 required=21"),
            ("CREDIT.GRANT tradie:7 pay_992 5", "%4 status granted balance :25 available :25 seq :3"),
            ("LEAD.CLAIM tradie:7 c2 lead:1 21", "-INSUFFICIENT available=20 required=21"),
            ("CREDIT.RESERVE tradie:7 r1 1", "%5 status active balance :25 available :24 seq :4 expires :T"),
            ("LEAD.CLAIM tradie:7 c3 lead:1 5", "-LIMIT holds=1"),
            ("CREDIT.RELEASE tradie:7 r1", "%4 status released balance :25 available :25 seq :6"),
            ("LEAD.CLAIM tradie:7 c3 lead:1 5", "-LIMIT holds=1"),
            (
                "CREDIT.TX tradie:7 c2",
                "%7 op claim state declined amount :21 seq :2 time :T lead lead:1 code INSUFFICIENT",
            ),
        ]);
        client.knows_nothing_of("CREDIT.TX tradie:7 c1");
        client.all(&[
            (
                "LEAD.CLAIM tradie:7 c1 lead:1 5",
                "%6 status claimed balance :20 available :20 seq :8 claim :1 remaining :0",
            ),
            ("LEAD.GET lead:1", "%6 lead lead:1 state full max :1 claims :1 remaining :0 opened :T"),
            ("CREDIT.GRANT poor g1 1", "%4 status granted balance :1 available :1 seq :1"),
            ("LEAD.CLAIM poor c1 lead:1 5", "-LEADFULL max=1"),
            ("LEAD.CLAIM tradie:7 c4 lead:1 5", "-ALREADYCLAIMED tx=c1 claim=1"),
            ("LEAD.CLOSE lead:1", "%6 lead lead:1 state full max :1 claims :1 remaining :0 opened :T"),
            (
                "LEAD.OPEN lead:2 20",
                "-OOM the shard's leads have as many slots as lead-slots-max allows; nothing was executed",
            ),
            ("LEAD.OPEN lead:2 3", "%6 lead lead:2 state open max :3 claims :0 remaining :3 opened :T"),
            ("LEAD.OPEN lead:3 1", "-OOM the shard has as many leads as leads-max allows; nothing was executed"),
            ("LEAD.CLAIM tradie:7 c1 lead:2 6", "-TXCONFLICT field=lead have=lead:1 given=lead:2"),
            ("LEAD.CLAIM tradie:7 c1 lead:1 6", "-TXCONFLICT field=amount have=5 given=6"),
            ("LEAD.CLAIM tradie:7 pay_991 lead:2 20", "-TXCONFLICT field=op have=grant given=claim"),
            ("LEAD.CLAIM tradie:7 r1 lead:2 1", "-TXCONFLICT field=op have=reserve given=claim"),
            ("LEAD.CLOSE lead:2 REASON sold", "%6 lead lead:2 state closed max :3 claims :0 remaining :3 opened :T"),
            ("LEAD.CLOSE lead:2", "%6 lead lead:2 state closed max :3 claims :0 remaining :3 opened :T"),
            ("LEAD.CLAIM tradie:7 c4 lead:2 1", "-LEADCLOSED"),
            ("LEAD.OPEN lead:2 3", "%7 lead lead:2 state closed max :3 claims :0 remaining :3 opened :T replayed :1"),
            ("LEAD.CLAIM tradie:7 c1 lead:1", "-ERR wrong number of arguments for 'lead.claim' command"),
            (
                "LEAD.CLAIM tradie:7 c1 lead:1 -5",
                "-ERR cost must be a whole number from 0 to 9007199254740991, without sign or leading zero",
            ),
        ]);
        client.knows_nothing_of("CREDIT.TX tradie:7 c4");
        client.knows_nothing_of("CREDIT.TX poor c1");
        client.says("CREDIT.AUDIT tradie:7", "%4 ok :1 entries :8 balance :20 reserved :0");
        for (code, calls) in [("LEADFULL", 1), ("ALREADYCLAIMED", 1), ("LEADEXISTS", 2), ("NOLEAD", 2)] {
            let counted = info(&mut client.server.connect(), "errorstats", &format!("errorstat_{code}"));
            assert_eq!(counted, format!("count={calls}"), "{code}");
        }
    });
}

#[test]
fn what_a_claim_s_id_answers_to_every_verb() {
    in_both(&[], |client| {
        client.all(&[
            ("LEAD.OPEN lead:1 3", "%6 lead lead:1 state open max :3 claims :0 remaining :3 opened :T"),
            (
                "LEAD.CLAIM tradie:7 c1 lead:1 5 REASON why META m",
                "%6 status claimed balance :15 available :15 seq :3 claim :1 remaining :2",
            ),
            ("CREDIT.GRANT tradie:7 c1 5", "-TXCONFLICT field=op have=claim given=grant"),
            ("CREDIT.DEBIT tradie:7 c1 5", "-TXCONFLICT field=op have=claim given=debit"),
            ("CREDIT.RESERVE tradie:7 c1 5", "-TXCONFLICT field=op have=claim given=reserve"),
            ("CREDIT.REFUND tradie:7 c1 c1", "-TXCONFLICT field=op have=claim given=refund"),
            ("CREDIT.CAPTURE tradie:7 c1", "-NORESERVATION op=claim"),
            ("CREDIT.RELEASE tradie:7 c1", "-CAPTURED amount=5 seq=3"),
            ("CREDIT.HOLDS tradie:7", "%6 balance :15 reserved :0 available :15 seq :3 time :T holds *0"),
            (
                "CREDIT.TX tradie:7 c1",
                "%11 op claim state captured amount :5 captured :5 seq :2 time :T final_seq :3 final_time :T lead lead:1 \
                 reason why meta m",
            ),
            // A burned id claims nothing.
            ("CREDIT.RELEASE tradie:7 v1", "%4 status void balance :15 available :15 seq :4"),
            ("LEAD.CLAIM tradie:7 v1 lead:1 5", "-RELEASED amount=0 seq=4"),
            // Nor does a declined one, and there is nothing to give back of it.
            ("LEAD.OPEN lead:2 1", "%6 lead lead:2 state open max :1 claims :0 remaining :1 opened :T"),
            ("LEAD.CLAIM tradie:7 d1 lead:2 16", "-INSUFFICIENT available=15 required=16"),
            ("CREDIT.CAPTURE tradie:7 d1", "-NORESERVATION op=claim"),
            ("CREDIT.RELEASE tradie:7 d1", "-NORESERVATION op=claim"),
            ("CREDIT.REFUND tradie:7 f1 d1", "-NOTREFUNDABLE op=claim state=declined"),
            (
                "CREDIT.REFUND tradie:7 f1 c1 AMOUNT 2",
                "%5 status refunded balance :17 available :17 seq :6 refundable :3",
            ),
            ("CREDIT.REFUND tradie:7 f2 c1", "%5 status refunded balance :20 available :20 seq :7 refundable :0"),
            (
                "LEAD.CLAIM tradie:7 c1 lead:1 5",
                "%7 status claimed balance :15 available :15 seq :3 claim :1 remaining :2 replayed :1",
            ),
            ("LEAD.CLAIM tradie:7 c2 lead:1 5", "-ALREADYCLAIMED tx=c1 claim=1"),
        ]);
        let made = client.wire.ask("LEAD.CLAIM tradie:7 * lead:2 1").map();
        assert_eq!((made["status"].as_str(), made["tx"].len()), ("claimed", 26));
    });
}

#[test]
fn a_free_lead_is_claimed_once_by_each_and_costs_nothing() {
    in_both(&["--shards", "8", "--cores", "2"], |client| {
        client.all(&[
            ("LEAD.OPEN free 2", "%6 lead free state open max :2 claims :0 remaining :2 opened :T"),
            ("CREDIT.DEBIT tradie:7 d1 20", "%4 status debited balance :0 available :0 seq :2"),
            ("LEAD.CLAIM tradie:7 c1 free 0", "%6 status claimed balance :0 available :0 seq :4 claim :1 remaining :1"),
            (
                "LEAD.CLAIM tradie:7 c1 free 0",
                "%7 status claimed balance :0 available :0 seq :4 claim :1 remaining :1 replayed :1",
            ),
            ("LEAD.CLAIM tradie:7 c2 free 0", "-ALREADYCLAIMED tx=c1 claim=1"),
            ("LEAD.CLAIMS free", "*1 %5 claim :1 account tradie:7 tx c1 cost :0 time :T"),
            (
                "CREDIT.TX tradie:7 c1",
                "%9 op claim state captured amount :0 captured :0 seq :3 time :T final_seq :4 final_time :T lead free",
            ),
            ("CREDIT.REFUND tradie:7 f1 c1", "-EXCEEDS limit=0"),
            ("CREDIT.AUDIT tradie:7", "%4 ok :1 entries :4 balance :0 reserved :0"),
        ]);
    });
}

#[test]
fn a_lead_ends_at_its_deadline_and_its_claims_stand() {
    in_both(&["--shards", "8", "--cores", "2"], |client| {
        let opened = client.wire.ask("LEAD.OPEN lead:1 3 TTL 2000");
        let expires = opened.number("expires");
        assert_eq!(expires, opened.number("opened") + 2000);
        let claimed = "status claimed balance :15 available :15 seq :3 claim :1 remaining :2";
        client.says("LEAD.CLAIM tradie:7 c1 lead:1 5", &format!("%6 {claimed}"));
        // The server's own clock says when to look; another lead's shard may be a millisecond behind.
        while client.wire.ask("LEAD.GET lead:1").map()["state"] == "open" {
            assert!(
                client.wire.ask("CREDIT.BALANCE tradie:7").number("time") < expires + 20_000,
                "it is over long ago"
            );
        }
        client.all(&[
            ("LEAD.GET lead:1", "%7 lead lead:1 state expired max :3 claims :1 remaining :2 opened :T expires :T"),
            ("LEAD.CLAIM tradie:7 c1 lead:1 5", &format!("%7 {claimed} replayed :1")),
            ("LEAD.CLAIM tradie:7 c2 lead:1 5", "-ALREADYCLAIMED tx=c1 claim=1"),
            ("CREDIT.GRANT other g1 9", "%4 status granted balance :9 available :9 seq :1"),
            ("LEAD.CLOSE lead:1", "%7 lead lead:1 state expired max :3 claims :1 remaining :2 opened :T expires :T"),
            ("LEAD.OPEN lead:1 3", "-LEADEXISTS field=ttl have=2000 given=none"),
        ]);
        for _ in 0..2 {
            // Asked, then from what its shard remembers.
            client.wire.expect("LEAD.CLAIM other c1 lead:1 5", &format!("-LEADEXPIRED expires={expires}"));
        }
    });
}

#[test]
fn leads_and_claims_are_there_after_a_stop_and_after_a_kill() {
    let site = Site::new();
    let accounts = 0..20;
    let lines: Vec<_> = accounts
        .clone()
        .flat_map(|n| [format!("CREDIT.GRANT a{n} g 9"), format!("LEAD.OPEN l{n} {} TTL 2000000000 META m", n + 2)])
        .chain(accounts.clone().map(|n| format!("LEAD.CLAIM a{n} c l{} {}", n / 2, n % 10)))
        .chain(accounts.clone().filter(|n| n % 3 == 0).map(|n| format!("LEAD.CLOSE l{n}")))
        .collect();
    let questions: Vec<_> = accounts
        .flat_map(|n| {
            [format!("LEAD.GET l{n}"), format!("LEAD.CLAIMS l{n}"), format!("LEAD.CLAIM a{n} c2 l{} 1", n / 2)]
        })
        .chain(lines.iter().filter(|line| line.starts_with("LEAD.CLAIM ")).cloned())
        .collect();
    let server = site.start(&["--shards", "8", "--cores", "2"]);
    let mut wire = server.connect();
    // One by one: a claim is no barrier for what stands behind it.
    for line in &lines {
        assert!(wire.ask(line).text().starts_with('*'), "{line}");
    }
    let answers = pipeline(&mut wire, &questions);
    assert!(
        answers[3].contains(" $6 claims :2 ") && answers[5] == "-ALREADYCLAIMED tx=c claim=2",
        "{:?}",
        &answers[..6]
    );
    assert_eq!(server.terminate(), Some(0));
    let server = site.start(&["--cores", "1"]);
    assert_eq!(pipeline(&mut server.connect(), &questions), answers, "after a stop");
    server.kill9();
    let server = site.start(&["--cores", "2"]);
    assert_eq!(pipeline(&mut server.connect(), &questions), answers, "after a kill");
}

#[test]
fn long_lists_of_claims_come_in_pages() {
    let site = Site::new();
    let server = site.start(&["--shards", "8", "--cores", "2"]);
    let mut wire = server.connect();
    wire.ask("LEAD.OPEN large 2000");
    let grants: Vec<_> = (0..1200).map(|n| format!("CREDIT.GRANT a{n} g 1")).collect();
    pipeline(&mut wire, &grants);
    let claims: Vec<_> = (0..1200).map(|n| format!("LEAD.CLAIM a{n} c large 1")).collect();
    assert!(pipeline(&mut wire, &claims).iter().all(|reply| reply.contains(" $7 claimed ")));
    let mut page = |words: &str| {
        let reply = wire.ask(&format!("LEAD.CLAIMS large {words}")).line();
        let numbers =
            reply.split(" $5 claim :").skip(1).map(|rest| rest.split(' ').next().expect("a number").to_owned());
        numbers.map(|number| number.parse().expect("a number")).collect::<Vec<u32>>()
    };
    for (words, expected) in [
        ("", 1..=100),
        ("COUNT 5000", 1..=1000),
        ("FROM 1001 COUNT 1000", 1001..=1200),
        ("COUNT 2 FROM 7", 7..=8),
        ("FROM 1200", 1200..=1200),
    ] {
        assert_eq!(page(words), expected.collect::<Vec<_>>(), "{words}");
    }
    assert_eq!(page("FROM 1201"), [0; 0]);
    // Replies that weigh much hold back the requests behind them, and lose none.
    let many = vec!["LEAD.CLAIMS large COUNT 1000".to_owned(); 40];
    assert!(pipeline(&mut wire, &many).iter().all(|reply| reply.starts_with("*1000 ")));
}

#[test]
fn claims_are_queued_by_multi_and_answer_in_their_place() {
    let site = Site::new();
    let server = site.start(&["--shards", "8", "--cores", "2"]);
    let mut wire = server.connect();
    wire.ask("CREDIT.GRANT a g 9");
    wire.ask("LEAD.OPEN l 1");
    wire.expect("MULTI", "+OK");
    for line in ["LEAD.CLAIM a c1 l 5", "PING", "LEAD.CLAIM nobody c1 l 5", "LEAD.GET nothing"] {
        wire.expect(line, "+QUEUED");
    }
    let claimed = "*12 $6 status $7 claimed $7 balance :4 $9 available :4 $3 seq :3 $5 claim :1 $9 remaining :0";
    wire.expect("EXEC", &format!("*4 {claimed} +PONG -NOACCOUNT $-1"));
}
