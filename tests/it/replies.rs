//! Replies byte for byte: CREDIT.* in both versions of the protocol, its errors, bad arguments.

use crate::server::Site;
use crate::wire::Reply;

/// The text of the reply with these numbers, which no test can know, as `_`.
fn without(reply: &Reply, keys: &[&str]) -> String {
    let mut line = reply.line();
    for key in keys {
        let (before, after) = line.split_once(&format!(" {key} :")).unwrap_or_else(|| panic!("no {key} in {line}"));
        let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
        line = format!("{before} {key} :_{after}");
    }
    line
}

#[test]
fn a_receipt_is_these_bytes_in_resp2_and_resp3() {
    let site = Site::new();
    let server = site.start(&[]);
    let mut wire = server.connect();
    wire.send(b"*4\r\n$12\r\nCREDIT.GRANT\r\n$8\r\ntradie:7\r\n$2\r\ng1\r\n$2\r\n20\r\n");
    let fields =
        "$6\r\nstatus\r\n$7\r\ngranted\r\n$7\r\nbalance\r\n:20\r\n$9\r\navailable\r\n:20\r\n$3\r\nseq\r\n:1\r\n";
    assert_eq!(wire.reply().text(), format!("*8\r\n{fields}"));
    wire.ask("HELLO 3");
    wire.send(b"*4\r\n$12\r\ncredit.grant\r\n$8\r\ntradie:7\r\n$2\r\ng1\r\n$2\r\n20\r\n");
    assert_eq!(wire.reply().text(), format!("%5\r\n{fields}$8\r\nreplayed\r\n:1\r\n"));
}

#[test]
fn the_account_s_whole_story() {
    let site = Site::new();
    let server = site.start(&[]);
    for (account, hello, flat) in [("two", "HELLO 2", true), ("three", "HELLO 3", false)] {
        let mut wire = server.connect();
        wire.ask(hello);
        let head = |fields: usize| if flat { format!("*{}", 2 * fields) } else { format!("%{fields}") };
        let mut says = |line: &str, fields: usize, text: &str| {
            let reply = wire.ask(&line.replace("ACC", account));
            assert!(reply.text().starts_with(&head(fields)), "{line}: {}", reply.line());
            let masked: Vec<_> =
                ["time", "created", "expires"].into_iter().filter(|key| text.contains(&format!(" {key} :_"))).collect();
            assert_eq!(without(&reply, &masked), format!("{}{text}", head(fields)), "{line}");
        };
        let zeros = " $7 balance :0 $8 reserved :0 $9 available :0 $3 seq :0 $4 time :_";
        says("CREDIT.BALANCE ACC", 5, zeros);
        says("CREDIT.HOLDS ACC", 6, &format!("{zeros} $5 holds *0"));
        says("CREDIT.GRANT ACC g1 20", 4, " $6 status $7 granted $7 balance :20 $9 available :20 $3 seq :1");
        says("CREDIT.DEBIT ACC d1 3", 4, " $6 status $7 debited $7 balance :17 $9 available :17 $3 seq :2");
        let active = " $6 status $6 active $7 balance :17 $9 available :7 $3 seq :3 $7 expires :_";
        says("CREDIT.RESERVE ACC r1 10 TTL 60000", 5, active);
        says("CREDIT.RESERVE ACC r1 10", 6, &format!("{active} $8 replayed :1"));
        let hold = format!("{} $2 tx $2 r1 $6 amount :10 $7 created :_ $7 expires :_", head(4));
        let figures = " $7 balance :17 $8 reserved :10 $9 available :7 $3 seq :3 $4 time :_";
        says("CREDIT.HOLDS ACC", 6, &format!("{figures} $5 holds *1 {hold}"));
        let captured = "$7 balance :13 $9 available :13 $3 seq :4 $8 captured :4 $8 returned :6";
        says("CREDIT.CAPTURE ACC r1 AMOUNT 4", 6, &format!(" $6 status $8 captured {captured}"));
        says("CREDIT.CAPTURE ACC r1 AMOUNT 4", 7, &format!(" $6 status $8 captured {captured} $8 replayed :1"));
        says("CREDIT.RESERVE ACC r1 10", 6, &format!("{} $8 replayed :1", active.replace("$6 active", "$8 captured")));
        says("CREDIT.RELEASE ACC v1", 4, " $6 status $4 void $7 balance :13 $9 available :13 $3 seq :5");
        let active = " $6 status $6 active $7 balance :13 $9 available :12 $3 seq :6 $7 expires :_";
        says("CREDIT.RESERVE ACC r2 1", 5, active);
        let released = " $6 status $8 released $7 balance :13 $9 available :13 $3 seq :7";
        says("CREDIT.RELEASE ACC r2", 4, released);
        says("CREDIT.RELEASE ACC r2 REASON again", 5, &format!("{released} $8 replayed :1"));
        let end = " $7 balance :13 $8 reserved :0 $9 available :13 $3 seq :7 $4 time :_";
        says("CREDIT.BALANCE ACC", 5, end);
    }
}

#[test]
fn each_refusal_has_its_word_and_facts() {
    let site = Site::new();
    let server = site.start(&["--holds-per-account-max", "2"]);
    for hello in ["HELLO 2", "HELLO 3"] {
        let mut wire = server.connect();
        wire.ask(hello);
        let account = hello.replace(' ', "");
        let mut says = |line: &str, text: &str| wire.expect(&line.replace("ACC", &account), text);
        says("CREDIT.DEBIT ACC d0 1", "-NOACCOUNT");
        says("CREDIT.RESERVE ACC d0 1", "-NOACCOUNT");
        says("CREDIT.CAPTURE ACC d0", "-NOACCOUNT");
        says("CREDIT.RELEASE ACC d0", "-NOACCOUNT");
    }
    let mut wire = server.connect();
    for (setup, _) in [("CREDIT.GRANT a g1 20", ()), ("CREDIT.DEBIT a d1 5", ()), ("CREDIT.RESERVE a r1 5", ())] {
        assert!(wire.ask(setup).text().starts_with('*'), "{setup}");
    }
    wire.ask("CREDIT.RESERVE a r2 5");
    for (line, text) in [
        ("CREDIT.DEBIT a d2 6", "-INSUFFICIENT available=5 required=6"),
        ("CREDIT.GRANT a g2 9007199254740991", "-OVERFLOW balance=15 max=9007199254740991"),
        ("CREDIT.RESERVE a r3 1", "-LIMIT holds=2"),
        ("CREDIT.GRANT a g1 21", "-TXCONFLICT field=amount have=20 given=21"),
        ("CREDIT.DEBIT a g1 20", "-TXCONFLICT field=op have=grant given=debit"),
        ("CREDIT.CAPTURE a g1", "-NORESERVATION op=grant"),
        ("CREDIT.CAPTURE a nothing", "-NORESERVATION"),
        ("CREDIT.RELEASE a d1", "-NORESERVATION op=debit"),
        ("CREDIT.CAPTURE a r1 AMOUNT 6", "-EXCEEDS limit=5 given=6"),
    ] {
        wire.expect(line, text);
        wire.expect(line, text); // remembered, or as true as before
    }
    wire.ask("CREDIT.CAPTURE a r1 AMOUNT 4");
    wire.expect("CREDIT.CAPTURE a r1", "-TXCONFLICT field=amount have=4 given=5");
    wire.expect("CREDIT.RELEASE a r1", "-CAPTURED amount=4 seq=8");
    wire.ask("CREDIT.RELEASE a r2");
    wire.expect("CREDIT.CAPTURE a r2", "-RELEASED amount=5 seq=9");
    wire.expect("CREDIT.RESERVE a r2 5", "-RELEASED amount=5 seq=9");
    wire.ask("CREDIT.RELEASE a burned");
    wire.expect("CREDIT.RESERVE a burned 5", "-RELEASED amount=0 seq=10");
    // What was declined stays declined, whatever the account has meanwhile.
    wire.ask("CREDIT.GRANT a g3 1000");
    wire.expect("CREDIT.DEBIT a d2 6", "-INSUFFICIENT available=5 required=6");
}

#[test]
fn bad_arguments_are_named_and_change_nothing() {
    let site = Site::new();
    let server = site.start(&[]);
    let mut wire = server.connect();
    wire.ask("CREDIT.GRANT a g1 20");
    let amount = "-ERR amount must be a whole number from 1 to 9007199254740991, without sign or leading zero";
    let ttl =
        "-ERR TTL must be a whole number of milliseconds from 1 to 2592000000 (30 days), without sign or leading zero";
    let bad = [
        &b"0"[..],
        b"-1",
        b"+5",
        b"05",
        b"1.5",
        b"1e3",
        b"9007199254740992",
        b"12345678901234567890",
        b"",
        b" 5",
        b"5 ",
        b"\xff",
        b"0x5",
        b"5\r\n",
    ];
    for word in bad {
        for verb in [&b"CREDIT.GRANT"[..], b"CREDIT.DEBIT", b"CREDIT.RESERVE"] {
            assert_eq!(wire.call(&[verb, b"a", b"t", word]).line(), amount, "{word:?}");
        }
        let reply = wire.call(&[b"CREDIT.CAPTURE", b"a", b"t", b"AMOUNT", word]).line();
        assert_eq!(reply, format!("{}; to take nothing use CREDIT.RELEASE", amount.replace("amount", "AMOUNT")));
        if word != b"9007199254740992" {
            assert_eq!(wire.call(&[b"CREDIT.RESERVE", b"a", b"t", b"1", b"TTL", word]).line(), ttl, "{word:?}");
        }
    }
    wire.expect("CREDIT.RESERVE a t 1 TTL 2592000001", ttl);
    let long = [b'x'; 129];
    for (words, text) in [
        (&[&b"CREDIT.GRANT"[..], b"", b"t", b"1"][..], "-ERR account is empty"),
        (&[b"CREDIT.GRANT", &long, b"t", b"1"], "-ERR account is longer than 128 bytes"),
        (&[b"CREDIT.GRANT", b"a", b"", b"1"], "-ERR tx is empty"),
        (&[b"CREDIT.GRANT", b"a", &long[..65], b"1"], "-ERR tx is longer than 64 bytes"),
        (&[b"CREDIT.GRANT", b"a", b"t", b"1", b"REASON", &long[..65]], "-ERR REASON is longer than 64 bytes"),
        (&[b"CREDIT.GRANT", b"a", b"t", b"1", b"META", &[b'm'; 1025]], "-ERR META is longer than 1024 bytes"),
        (&[b"CREDIT.GRANT", b"a", b"t", b"1", b"TTL", b"5"], "-ERR syntax error"),
        (&[b"CREDIT.GRANT", b"a", b"t", b"1", b"REASON"], "-ERR syntax error"),
        (&[b"CREDIT.GRANT", b"a", b"t", b"1", b"REASON", b"x", b"reason", b"y"], "-ERR syntax error"),
        (&[b"CREDIT.CAPTURE", b"a", b"*"], "-ERR tx * starts something new; name the tx that you mean"),
        (&[b"CREDIT.GRANT", b"a", b"t"], "-ERR wrong number of arguments for 'credit.grant' command"),
        (&[b"CREDIT.HOLDS", b"a", b"b"], "-ERR wrong number of arguments for 'credit.holds' command"),
        (
            &[b"CREDIT.UNDO", b"a\r\n+OK", b"t"],
            "-ERR unknown command 'CREDIT.UNDO', with args beginning with: 'a  +OK' 't' ",
        ),
    ] {
        assert_eq!(wire.call(words).line(), text, "{}", String::from_utf8_lossy(&words.concat()));
    }
    assert_eq!(wire.ask("CREDIT.BALANCE a").number("seq"), 1, "nothing of this was executed");
}

#[test]
fn ids_are_bytes_and_the_server_can_make_one() {
    let site = Site::new();
    let server = site.start(&[]);
    let mut wire = server.connect();
    let id: Vec<u8> = b"\0\r\n$5\r\n\xff{".to_vec();
    assert!(wire.call(&[b"CREDIT.GRANT", &id, &id, b"9"]).line().contains("granted"));
    assert!(wire.call(&[b"CREDIT.GRANT", &id, &id, b"9"]).line().ends_with("$8 replayed :1"));
    assert!(wire.call(&[b"CREDIT.RESERVE", &id, b"r\r\n", b"2"]).line().contains("active"));
    let holds = wire.call(&[b"CREDIT.HOLDS", &id]);
    assert!(holds.text().contains("$2\r\ntx\r\n$3\r\nr\r\n\r\n"), "{holds:?}");
    assert_eq!(wire.ask("CREDIT.BALANCE r").number("seq"), 0, "no id is cut at its line end");

    let made = wire.ask("CREDIT.DEBIT a * 1");
    assert_eq!(made.line(), "-NOACCOUNT");
    wire.ask("CREDIT.GRANT a g 5");
    let made = wire.ask("CREDIT.DEBIT a * 1");
    let tx = made.map()["tx"].clone();
    assert!(made.text().starts_with("*10\r\n") && tx.len() == 26, "{made:?}");
    assert!(wire.ask(&format!("CREDIT.DEBIT a {tx} 1")).line().ends_with("$8 replayed :1"), "it is an id as any");
}
