//! The port of TLS: who gets in and who does not, and that behind it everything is as at the plain port.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;
use rustls::{HandshakeKind, version};

use crate::scrape::{sample, scrape};
use crate::secure::{Authority, Files, LATER, ping, secure};
use crate::server::{Server, Site};
use crate::wire::{Wire, encode, request, socket_from};

/// Handshakes with this result.
fn handshakes(server: &Server, result: &str) -> f64 {
    sample(&scrape(server.admin_port()), &format!("credit_tls_handshakes_total{{result=\"{result}\"}}"))
}

/// Waits until the log says `words` `times` times.
fn wait_for_log(server: &Server, words: &str, times: usize) {
    let mut patience = server.connect(); // each PING is a moment
    for _ in 0..2_000_000 {
        if server.log().matches(words).count() >= times {
            return;
        }
        patience.expect("PING", "+PONG");
    }
    panic!("no {words:?} in\n{}", server.log());
}

#[test]
fn both_ports_serve_the_same_accounts() {
    let (site, authority) = (Site::new(), Authority::new("one"));
    let files = Files::of(&site, &authority);
    let server = site.start(&files.flags(&["--tls-auth-clients", "no", "--cores", "2"]));
    let mut tls = authority.friend().connect(server.tls_port());
    assert!(tls.ask("CREDIT.GRANT a g1 5").line().contains("granted"));
    assert_eq!(server.connect().ask("CREDIT.BALANCE a").number("balance"), 5);
    let line = tls.ask("CONFIG GET tls-port").line();
    assert!(line.ends_with(&server.tls_port().to_string()), "{line}");
    let old = authority.friend().speaking(&version::TLS12);
    assert!(old.ping(server.tls_port()).contains("ProtocolVersion"), "TLS 1.2 only where it is asked for");
    assert_eq!((handshakes(&server, "completed"), handshakes(&server, "failed")), (1.0, 1.0));
    assert_eq!(server.terminate(), Some(0));
    let server = site.start(&files.flags(&["--tls-auth-clients", "no", "--tls-protocols", "TLSv1.2 TLSv1.3"]));
    assert_eq!(old.ping(server.tls_port()), "+PONG");
    assert_eq!(authority.friend().ping(server.tls_port()), "+PONG");
}

#[test]
fn certificates_of_clients_are_looked_at_as_the_knob_says() {
    let (site, authority, stranger) = (Site::new(), Authority::new("one"), Authority::new("other"));
    let files = Files::of(&site, &authority);
    let nobody = authority.friend();
    let known = nobody.clone().with(authority.issue(LATER));
    let expired = nobody.clone().with(authority.issue(2020));
    let unknown = nobody.clone().with(stranger.issue(LATER));
    for (knob, answers) in [
        ("no", ["+PONG", "+PONG", "+PONG", "+PONG"]),
        ("optional", ["+PONG", "+PONG", "CertificateExpired", "UnknownCA"]),
        ("yes", ["CertificateRequired", "+PONG", "CertificateExpired", "UnknownCA"]),
    ] {
        // TLS alone, without a word of a password: with certificates that is enough for every address.
        let bind = if knob == "yes" { "0.0.0.0" } else { "127.0.0.1" };
        let server = site.start(&files.flags(&["--tls-auth-clients", knob, "--port", "off", "--bind", bind]));
        assert_eq!(server.port, server.tls_port(), "the only port stands in the first line");
        for (client, answer) in [&nobody, &known, &expired, &unknown].into_iter().zip(answers) {
            for version in [&version::TLS13, &version::TLS12] {
                let said = client.clone().speaking(version).ping(server.tls_port());
                let answer = if version == &version::TLS12 { "ProtocolVersion" } else { answer };
                assert!(said.contains(answer), "tls-auth-clients {knob}: {said}, not {answer}");
            }
        }
        assert_eq!(server.terminate(), Some(0));
    }
}

#[test]
fn new_certificates_hold_from_the_next_handshake_on_and_wrong_ones_not_at_all() {
    let (site, old, new) = (Site::new(), Authority::new("one"), Authority::new("other"));
    let files = Files::of(&site, &old);
    let server = site.start(&files.flags(&["--tls-auth-clients", "no"]));
    let port = server.tls_port();
    let (knows_old, knows_new) = (old.friend(), new.friend());
    let mut wire = knows_old.connect(port);
    wire.expect("PING", "+PONG");
    assert!(knows_new.ping(port).contains("UnknownIssuer"));

    files.write(new.issue(LATER));
    wait_for_log(&server, "read again", 1);
    assert!(knows_old.ping(port).contains("UnknownIssuer"), "seen without a signal");
    assert_eq!(knows_new.ping(port), "+PONG");
    wire.expect("PING", "+PONG");

    fs::write(&files.cert, "nothing").unwrap();
    server.signal(Signal::HUP);
    wait_for_log(&server, "those read before still hold", 1);
    assert_eq!(knows_new.ping(port), "+PONG");

    files.write(old.issue(2020));
    server.signal(Signal::HUP);
    wait_for_log(&server, "the certificate of TLS has expired", 1);
    let said = knows_old.ping(port);
    assert!(said.contains("expired"), "{said}");
    let ends = sample(&scrape(server.admin_port()), "credit_tls_certificate_expires_at_seconds");
    assert_eq!(ends, 1_609_372_800.0);
    wire.expect("PING", "+PONG");
}

#[test]
fn a_certificate_that_ends_soon_is_said_when_it_is_read() {
    let (site, authority) = (Site::new(), Authority::new("one"));
    let files = Files::of(&site, &authority);
    files.write(authority.issue_for_days(13));
    let server = site.start(&files.flags(&["--tls-auth-clients", "no"]));
    wait_for_log(&server, "the certificate of TLS ends soon: put a new one in its place days=12", 1);
    files.write(authority.issue_for_days(15));
    server.signal(Signal::HUP);
    wait_for_log(&server, "read again", 1);
    files.write(authority.issue_for_days(2));
    server.signal(Signal::HUP);
    wait_for_log(&server, "days=1", 2);
    assert_eq!(server.log().matches("ends soon").count(), 2, "not of one that ends in 15 days");
}

#[test]
fn a_ticket_spares_a_handshake_until_the_files_are_read_again() {
    let (site, authority) = (Site::new(), Authority::new("one"));
    let files = Files::of(&site, &authority);
    let server = site.start(&files.flags(&[]));
    let config = authority.friend().with(authority.issue(LATER)).config();
    let kind = || {
        let mut link = secure(config.clone(), server.tls_port(), false);
        assert_eq!(ping(&mut link), "+PONG");
        link.conn.handshake_kind()
    };
    assert_eq!([kind(), kind()], [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]);
    server.signal(Signal::HUP);
    wait_for_log(&server, "read again", 1);
    assert_eq!(kind(), Some(HandshakeKind::Full));
}

#[test]
fn files_that_are_wrong_stop_the_start_by_name() {
    let (site, authority) = (Site::new(), Authority::new("one"));
    let files = Files::of(&site, &authority);
    let good = [&files.cert, &files.key, &files.ca].map(|path| fs::read_to_string(path).unwrap());
    let (_, other_key) = authority.issue(LATER);
    let no_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (path, text, code, words) in [
        (&files.cert, None, 78, "cannot read"),
        (&files.cert, Some("nothing"), 78, "is no certificate in PEM form: it has no part CERTIFICATE"),
        (&files.cert, Some(no_der), 78, "is no certificate in PEM form: it does not say how long it holds"),
        (&files.key, Some(&good[0][..]), 78, "is no private key in PEM form: it has no part PRIVATE KEY"),
        (&files.key, Some(&other_key), 78, "is not that of the first certificate in"),
        (&files.ca, Some(""), 78, "is no certificate in PEM form"),
        (&files.ca, Some(no_der), 78, "is no certificate of a CA in PEM form"),
    ] {
        match text {
            Some(text) => fs::write(path, text).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
        let (exit, log) = site.refusal(&files.flags(&[]));
        let said = log.lines().last().unwrap_or_default();
        assert!(said.contains(words) && said.contains(path.to_str().unwrap()), "{words}: {said}");
        assert_eq!(exit, Some(code), "{said}");
        [&files.cert, &files.key, &files.ca].iter().zip(&good).for_each(|(path, text)| fs::write(path, text).unwrap());
    }
    for (mode, refused) in [(0o640, true), (0o604, true), (0o400, false)] {
        fs::set_permissions(&files.key, fs::Permissions::from_mode(mode)).unwrap();
        if refused {
            let (exit, log) = site.refusal(&files.flags(&[]));
            assert!(exit == Some(77) && log.contains(&format!("(mode {mode:o})")), "{exit:?} {log}");
        } else {
            assert_eq!(site.start(&files.flags(&[])).terminate(), Some(0));
        }
    }
}

#[test]
fn what_is_no_tls_gets_no_further_than_the_handshake() {
    let (site, authority) = (Site::new(), Authority::new("one"));
    let files = Files::of(&site, &authority);
    let server = site.start(&files.flags(&["--tls-auth-clients", "no"]));
    let noise: Vec<u8> = (0..10_000_u32).map(|n| ((n * n) >> 5) as u8).collect();
    let junk: [&[u8]; 5] = [
        &request("CREDIT.GRANT a g 5"),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        &noise,
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03",
    ];
    for bytes in junk {
        let mut wire = Wire::connect(server.tls_port());
        let _ = wire.try_send(bytes);
        wire.half_close();
        let words = wire.rest();
        assert!(words.is_empty() || words[0] == 0x15, "an alert or nothing: {words:?}");
    }
    let mut wire = authority.friend().connect(server.tls_port());
    assert_eq!(wire.ask("CREDIT.BALANCE a").number("seq"), 0);
    assert_eq!((handshakes(&server, "failed"), handshakes(&server, "completed")), (5.0, 1.0));
}

/// Sockets of `127.0.0.last` that say nothing.
fn silent(last: u8, count: usize, server: &Server) -> Vec<TcpStream> {
    (0..count).map(|_| socket_from(last, server.tls_port())).collect()
}

#[test]
fn one_address_keeps_no_other_waiting_for_a_handshake() {
    let (site, authority) = (Site::new(), Authority::new("one"));
    let files = Files::of(&site, &authority);
    let server = site.start(&files.flags(&["--tls-auth-clients", "no"]));
    let friend = authority.friend();
    // Before the first of them has timed out. If that takes so long, somebody else had the machine: once more.
    let comes_in_at_once = (2..7).any(|last| {
        let _held = silent(last, 256, &server);
        let mut surplus = socket_from(last, server.tls_port());
        assert_eq!(surplus.read(&mut [0]).unwrap(), 0, "it has more than its share");
        assert_eq!(friend.ping(server.tls_port()), "+PONG");
        handshakes(&server, "timed_out") == 0.0
    });
    assert!(comes_in_at_once);
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn half_open_handshakes_time_out_and_hold_no_client_that_is_in() {
    let (site, authority) = (Site::new(), Authority::new("one"));
    let files = Files::of(&site, &authority);
    let server = site.start(&files.flags(&["--tls-auth-clients", "no"]));
    let friend = authority.friend();
    let mut wire = friend.connect(server.tls_port());
    wire.expect("PING", "+PONG");
    let mut silent: Vec<_> = (2..=5).flat_map(|last| silent(last, 16, &server)).collect();
    silent[0].write_all(b"\x16\x03\x01\x02\x00\x01").unwrap(); // as far as slow clients come
    wire.expect("PING", "+PONG");
    server.connect().expect("PING", "+PONG");
    assert_eq!(friend.ping(server.tls_port()), "+PONG", "as soon as the first of them are given up");
    for mut socket in silent {
        assert_eq!(socket.read(&mut [0]).unwrap(), 0, "all of them are");
    }
    assert_eq!((handshakes(&server, "timed_out"), handshakes(&server, "completed")), (64.0, 2.0));
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn bytes_come_in_any_pieces_and_leave_in_order() {
    let (site, authority) = (Site::new(), Authority::new("one"));
    let files = Files::of(&site, &authority);
    let server = site.start(&files.flags(&["--tls-auth-clients", "no"]));
    let port = server.tls_port();
    let mut wire = authority.friend().dribbling().connect(port);
    wire.send(&[request("CREDIT.GRANT a g1 5"), request("CREDIT.DEBIT a d1 2"), request("HELLO 3")].concat());
    assert!(wire.reply().line().contains("granted"));
    assert!(wire.reply().line().contains("debited"));
    assert!(wire.reply().line().starts_with("%7"));

    // A megabyte each way, sent before a reply is read: more than TLS or the sockets hold.
    let mut wire = authority.friend().connect(port);
    let echo = |n: usize| encode(&[b"ECHO", format!("{n:_>20000}").as_bytes()]);
    wire.send(&(0..50).flat_map(echo).collect::<Vec<_>>());
    for n in 0..50 {
        assert_eq!(wire.reply().body(), format!("{n:_>20000}"));
    }

    // Who ends his side gets what he is owed, and then a proper end.
    let debits: Vec<u8> = (0..1000).flat_map(|n| request(&format!("CREDIT.GRANT b g{n} 1"))).collect();
    wire.send(&[&debits[..], &request("ECHO half")[..15]].concat());
    wire.half_close();
    let replies = String::from_utf8(wire.rest()).unwrap();
    assert_eq!(replies.matches("granted").count(), 1000);
    let mut wire = authority.friend().connect(port);
    wire.send(&[request("CREDIT.BALANCE b"), request("QUIT"), request("PING")].concat());
    assert_eq!(wire.reply().number("balance"), 1000);
    assert_eq!(wire.rest(), b"+OK\r\n", "nothing behind QUIT");
}

#[test]
fn a_client_that_never_reads_is_held_back_behind_tls_too() {
    let (site, authority) = (Site::new(), Authority::new("one"));
    let files = Files::of(&site, &authority);
    let server = site.start(&files.flags(&["--tls-auth-clients", "no", "--cores", "1"]));
    let mut deaf = authority.friend().link(server.tls_port());
    assert_eq!(ping(&mut deaf), "+PONG");
    deaf.sock.hurry();
    let echo = encode(&[b"ECHO", &[b'x'; 50_000]]);
    let taken = (0..2_000).take_while(|_| deaf.write_all(&echo).is_ok()).count();
    assert!(taken < 2_000, "100 MB were taken from a client that reads nothing");
    let line = server.connect().ask("CLIENT LIST").body();
    let held = line.split("obl=").skip(1).filter_map(|rest| rest.split(' ').next()?.parse::<usize>().ok()).max();
    assert!(held.is_some_and(|bytes| (100_000..1 << 20).contains(&bytes)), "{line}");
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn who_has_not_logged_in_is_read_in_small_pieces_behind_tls_too() {
    let (site, authority) = (Site::new(), Authority::new("one"));
    let files = Files::of(&site, &authority);
    let server = site.start(&files.flags(&["--tls-auth-clients", "no", "--requirepass", "s3cret"]));
    let friend = authority.friend();
    let mut wire = friend.connect(server.tls_port());
    wire.expect("PING", "-NOAUTH Authentication required.");
    wire.expect("AUTH wrong", "-WRONGPASS invalid username-password pair or user is disabled.");
    wire.expect("AUTH s3cret", "+OK");
    // Records as large as they come, before a login and after it.
    let pings = "PING\r\n".repeat(20_000);
    wire.send(pings.as_bytes());
    (0..20_000).for_each(|_| assert_eq!(wire.reply().line(), "+PONG"));
    let mut stranger = friend.connect(server.tls_port());
    stranger.send(&pings.as_bytes()[..6 * 2_000]);
    (0..2_000).for_each(|_| assert!(stranger.reply().line().starts_with("-NOAUTH")));
    wire.expect("PING", "+PONG");
}
