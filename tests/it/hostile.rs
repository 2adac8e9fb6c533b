//! Whatever bytes come: a clear error or an end for that client, and the server goes on for all others.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::server::{Server, Site};
use crate::wire::{Wire, encode, info, request, socket_from};

/// What is left when the server ends the connection on `bytes`.
fn last_words(server: &Server, bytes: &[u8]) -> String {
    let mut wire = server.connect();
    // It may have ended the connection before it saw the last of them.
    let _ = wire.try_send(bytes);
    String::from_utf8_lossy(&wire.rest()).into_owned()
}

/// The same for bytes that come one at a time.
fn last_words_bytewise(server: &Server, bytes: &[u8]) -> String {
    let mut wire = server.connect();
    let _ = bytes.chunks(1).try_for_each(|byte| wire.try_send(byte));
    String::from_utf8_lossy(&wire.rest()).into_owned()
}

#[test]
fn every_malformed_frame_gets_redis_words_and_the_end() {
    let site = Site::new();
    let server = site.start(&[]);
    let long_line = [&b"PING "[..], &[b'x'; 70_000]].concat();
    let nested = b"*1\r\n".repeat(100_000);
    for (bytes, text) in [
        (&b"*x\r\n"[..], "invalid multibulk length"),
        (b"*05\r\n", "invalid multibulk length"),
        (b"*+1\r\n", "invalid multibulk length"),
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"*1025\r\n", "invalid multibulk length"),
        (b"*1000000000000000000000000\r\n", "too big mbulk count string"),
        (b"*1\r\nPING\r\n", "expected '$', got 'P'"),
        (b"*1\r\n:5\r\n", "expected '$', got ':'"),
        (b"*1\r\n\x1b[2J", "expected '$', got '?'"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$x\r\n", "invalid bulk length"),
        (b"*1\r\n$1048577\r\n", "invalid bulk length"),
        (b"*1\r\n$99999999999999999999999999\r\n", "too big bulk count string"),
        (b"*1\r\n$4\r\nPINGPING\r\n", "expected CRLF after an argument"),
        (b"PING \"half\r\n", "unbalanced quotes in request"),
        (b"PING 'a'b\r\n", "unbalanced quotes in request"),
        (&long_line, "too big inline request"),
        (&nested, "expected '$', got '*'"),
    ] {
        let sent = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        assert_eq!(last_words(&server, bytes), format!("-ERR Protocol error: {text}\r\n"), "{sent:?}");
        if bytes.len() < 100 {
            assert_eq!(last_words_bytewise(&server, bytes), format!("-ERR Protocol error: {text}\r\n"), "{sent:?}");
        }
        // What came before it is answered.
        let after_ping = [&request("PING"), bytes].concat();
        assert_eq!(last_words(&server, &after_ping), format!("+PONG\r\n-ERR Protocol error: {text}\r\n"), "{sent:?}");
    }
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn before_the_password_little_is_read() {
    let site = Site::new();
    let server = site.start(&["--requirepass", "x"]);
    assert_eq!(last_words(&server, b"*11\r\n"), "-ERR Protocol error: unauthenticated multibulk length\r\n");
    assert_eq!(last_words(&server, b"*1\r\n$16385\r\n"), "-ERR Protocol error: unauthenticated bulk length\r\n");
    server.connect().expect("AUTH x", "+OK");
}

#[test]
fn http_and_tls_are_cut_off_without_a_word() {
    let site = Site::new();
    let server = site.start(&[]);
    for bytes in [
        &b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nCREDIT.GRANT a g 5\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0\0\0\0",
        b"$4\r\nPING\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nCREDIT.GRANT a g 5\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        assert_eq!(last_words(&server, bytes), "", "{bytes:?}");
    }
    assert_eq!(server.connect().ask("CREDIT.BALANCE a").number("seq"), 0, "no page can forge a command");
    assert!(server.log().contains("SECURITY ATTACK"));
    assert!(info(&mut server.connect(), "stats", "connections_closed").starts_with("attack=6,"));
}

#[test]
fn a_crash_leaves_no_dump_unless_it_is_asked_for() {
    let (site, other) = (Site::new(), Site::new());
    let limit = |flags: &[&str], site: &Site| {
        let server = site.start(flags);
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.process_id())).expect("it runs");
        let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).expect("a line");
        line.split_whitespace().next().expect("a soft limit").to_owned()
    };
    assert!(["0", "1"].contains(&limit(&[], &site).as_str()), "no file is that small");
    let own = std::fs::read_to_string("/proc/self/limits").expect("this process runs");
    assert!(own.contains(&limit(&["--core-dumps", "yes"], &other)), "as it was");
}

#[test]
fn lines_typed_at_telnet_work_and_nothing_is_skipped_or_answered_twice() {
    let site = Site::new();
    let server = site.start(&[]);
    let mut wire = server.connect();
    wire.send(b"\r\n*0\r\n*-1\r\n   \nping\n  CREDIT.GRANT \"a b\" 'g\\'1' 5  \r\n*1\r\n$4\r\nPING\r\n");
    assert_eq!(wire.reply().line(), "+PONG");
    assert!(wire.reply().line().contains("granted"));
    assert_eq!(wire.reply().line(), "+PONG");
    assert!(wire.call(&[b"CREDIT.GRANT", b"a b", b"g'1", b"5"]).line().ends_with("replayed :1"));
}

#[test]
fn one_byte_at_a_time_is_as_good_as_all_at_once() {
    let site = Site::new();
    let server = site.start(&[]);
    let mut wire = server.connect();
    let bytes = [request("CREDIT.GRANT a g1 5"), b"CREDIT.DEBIT a d1 2\r\n".to_vec(), request("HELLO 3")].concat();
    for byte in bytes.chunks(1) {
        wire.send(byte);
    }
    assert!(wire.reply().line().contains("granted"));
    assert!(wire.reply().line().contains("debited"));
    assert!(wire.reply().line().starts_with("%7"));
}

#[test]
fn a_client_that_goes_away_mid_command_takes_nothing_with_it() {
    let site = Site::new();
    let server = site.start(&["--cores", "1"]);
    let mut watcher = server.connect();
    let whole = request("CREDIT.GRANT a g1 5");
    for cut in 1..whole.len() {
        server.connect().send(&whole[..cut]);
    }
    // Ended on this side, still listened to: the half request is none.
    let mut wire = server.connect();
    wire.send(&[&request("CREDIT.GRANT a g2 7")[..], &whole[..20]].concat());
    wire.half_close();
    let replies = wire.rest();
    assert!(String::from_utf8_lossy(&replies).contains("granted"), "what came whole is executed and answered");
    assert_eq!(watcher.ask("CREDIT.BALANCE a").number("balance"), 7);
}

#[test]
fn a_client_that_never_reads_is_held_back_and_the_others_are_served() {
    let site = Site::new();
    let server = site.start(&["--cores", "1"]);
    let mut other = server.connect();
    let rss = |wire: &mut Wire| info(wire, "memory", "used_memory_rss").parse::<u64>().expect("a number");
    let before = rss(&mut other);
    let mut deaf: Vec<TcpStream> = (0..4).map(|_| TcpStream::connect(("127.0.0.1", server.port)).unwrap()).collect();
    let echo = encode(&[b"ECHO", &[b'x'; 50_000]]);
    for stream in &mut deaf {
        stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        // Far more than both sockets' buffers: at some point the server stops reading.
        let taken = (0..2_000).take_while(|_| stream.write_all(&echo).is_ok()).count();
        assert!(taken < 2_000, "100 MB were taken from a client that reads nothing");
        other.expect("PING", "+PONG");
    }
    let grown = rss(&mut other).saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes of memory for four clients that never read");
    assert!(other.ask("CREDIT.GRANT a g 1").line().contains("granted"));
    // The one that starts to read finds its replies in order and whole.
    let mut late = deaf.pop().unwrap();
    late.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let expected = [b"$50000\r\n", &[b'x'; 50_000][..], b"\r\n"].concat().repeat(20);
    let mut read = vec![0; expected.len()];
    late.read_exact(&mut read).unwrap();
    assert!(read == expected);
    assert_eq!(server.terminate(), Some(0), "deaf clients do not keep it from ending");
}

#[test]
fn who_fills_the_memory_of_all_is_closed_and_the_others_are_served() {
    let site = Site::new();
    let server = site.start(&["--maxmemory-clients", "16MiB", "--cores", "1"]);
    let mut good = server.connect();
    good.expect("PING", "+PONG");
    let half = [&b"*2\r\n$4\r\nECHO\r\n$1000000\r\n"[..], &[b'x'; 900_000]].concat();
    let mut heavy: Vec<_> = (0..40).map(|_| server.connect()).collect();
    heavy.iter_mut().for_each(|wire| {
        let _ = wire.try_send(&half); // 36 MB in all
        good.expect("PING", "+PONG");
    });
    let closed = |wire: &mut Wire| info(wire, "stats", "evicted_clients").parse::<u64>().expect("a number");
    assert!((0..10_000).any(|_| closed(&mut good) >= 20), "what is too much is closed as it comes");
    let held: u64 = info(&mut good, "memory", "mem_clients_normal").parse().expect("a number");
    assert!((4 << 20..=16 << 20).contains(&held), "{held} bytes are held");
    let ends = heavy.iter_mut().filter_map(|wire| wire.try_send(&[b'x'; 100_002]).ok().and_then(|()| wire.next()));
    assert!(ends.count() >= 4, "those that stayed are served");
}

#[test]
fn one_connection_too_many_is_told_so() {
    let site = Site::new();
    let server = site.start(&["--maxclients", "3", "--cores", "2"]);
    let mut wires: Vec<_> = (0..3).map(|_| server.connect()).collect();
    wires.iter_mut().for_each(|wire| wire.expect("PING", "+PONG"));
    assert_eq!(server.connect().rest(), b"-ERR max number of clients reached\r\n");
    wires.pop().unwrap().expect("QUIT", "+OK");
    // Its place is free as soon as the server has seen its end.
    let served = (0..1_000).any(|_| {
        let mut wire = server.connect();
        wire.try_send(&request("PING")).is_ok() && wire.next().is_some_and(|reply| reply.line() == "+PONG")
    });
    assert!(served);
}

#[test]
fn noise_of_every_kind_does_not_end_the_server() {
    let site = Site::new();
    let server = site.start(&[]);
    let mut state = 7_u64;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let words: [&[u8]; 12] = [
        b"*3\r\n",
        b"$5\r\n",
        b"\r\n",
        b"CREDIT.GRANT",
        b"$12\r\nCREDIT.DEBIT\r\n",
        b"*-1\r\n",
        b"$0\r\n\r\n",
        b"HELLO 3\r\n",
        b"MULTI\r\n",
        b"EXEC\r\n",
        b"\"",
        b"99999999999",
    ];
    for _ in 0..300 {
        let mut bytes = Vec::new();
        for _ in 0..byte() % 24 {
            match byte() % 4 {
                0 => bytes.push(byte()),
                _ => bytes.extend_from_slice(words[usize::from(byte()) % words.len()]),
            }
        }
        let mut wire = server.connect();
        let _ = wire.try_send(&bytes);
        wire.half_close();
        wire.rest();
    }
    server.connect().expect("PING", "+PONG");
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_connection_that_is_silent_too_long_is_closed() {
    let site = Site::new();
    let server = site.start(&["--frame-timeout", "100ms"]);
    let mut patient = server.connect();
    let mut half = server.connect();
    half.send(b"*2\r\n$4\r\nECHO\r\n$5\r\nhel");
    assert_eq!(half.rest(), b"", "half a request is not waited for");
    assert_eq!(patient.ask("PING").line(), "+PONG", "silence between requests is no fault");
    drop(server);
    let server = Site::new().start(&["--timeout", "1s"]);
    assert_eq!(server.connect().rest(), b"", "unless --timeout says so");
}

#[test]
fn a_full_server_says_oom_forgets_nothing_and_still_ends_holds() {
    let site = Site::new();
    let server = site.start(&["--shards", "1", "--accounts-max", "2", "--tx-index-memory", "2MiB"]);
    let mut wire = server.connect();
    wire.ask("CREDIT.GRANT a g 1000000");
    wire.ask("CREDIT.GRANT b g 1");
    assert!(wire.ask("CREDIT.GRANT c g 1").line().starts_with("-OOM "), "two accounts are all");
    wire.ask("CREDIT.RESERVE a hold 10");
    let mut filled = 0;
    for chunk in 0..60 {
        wire.send(&(0..1000).flat_map(|n| request(&format!("CREDIT.DEBIT a d{chunk}.{n} 1"))).collect::<Vec<_>>());
        let debited = (0..1000).filter(|_| !wire.reply().line().starts_with("-OOM ")).count() as u64;
        filled += debited;
        if debited < 1000 {
            break;
        }
    }
    assert!((20_000..60_000).contains(&filled), "{filled} ids took 2 MiB, not some 45,000");
    for refused in ["CREDIT.GRANT a g2 1", "CREDIT.RESERVE a r2 1", "CREDIT.RELEASE a unknown"] {
        assert!(wire.ask(refused).line().starts_with("-OOM "), "{refused}");
    }
    assert_eq!(wire.ask("CREDIT.DEBIT a d0.0 1").number("replayed"), 1, "no id is forgotten early");
    assert_eq!(wire.ask("CREDIT.CAPTURE a hold").number("captured"), 10, "a hold ends all the same");
    assert_eq!(wire.ask("CREDIT.BALANCE a").number("balance"), 1_000_000 - 10 - filled);
}

/// A connection from `127.0.0.last`.
fn connect_from(last: u8, server: &Server) -> Wire {
    Wire::over(socket_from(last, server.port))
}

#[test]
fn strangers_are_few_and_have_little_time() {
    let site = Site::new();
    let flags = ["--requirepass", "x", "--unauthenticated-max", "4", "--unauthenticated-per-ip-max", "3"];
    let server = site.start(&flags);
    let full: &[u8] = b"-ERR too many connections that are not authenticated\r\n";
    let mut wires: Vec<_> = (0..3).map(|_| connect_from(2, &server)).collect();
    assert_eq!(connect_from(2, &server).rest(), full, "three from one address");
    let _other = connect_from(3, &server);
    assert_eq!(connect_from(4, &server).rest(), full, "four in all");
    wires[0].expect("AUTH x", "+OK");
    let mut late = connect_from(2, &server);
    late.expect("PING", "-NOAUTH Authentication required.");
    wires[0].expect("RESET", "+RESET");
    assert_eq!(connect_from(5, &server).rest(), full, "who logs out is a stranger again");
    late.expect("AUTH x", "+OK");
    let closed = info(&mut late, "stats", "connections_closed");
    assert!(closed.contains("unauthenticated_max=2,unauthenticated_per_ip=1,"), "{closed}");
    drop(server);

    let server = Site::new().start(&["--requirepass", "x", "--auth-timeout", "100ms"]);
    let mut known = server.connect();
    known.expect("AUTH x", "+OK");
    assert_eq!(server.connect().rest(), b"", "silent");
    let mut busy = server.connect();
    while busy.try_send(&request("PING")).is_ok() && busy.next().is_some() {}
    let closed = info(&mut known, "stats", "connections_closed");
    assert!(closed.contains("auth_timeout=2,"), "{closed}");
}

#[test]
fn a_stranger_cannot_fill_memory() {
    let site = Site::new();
    let server = site.start(&["--requirepass", "x", "--cores", "1"]);
    let mut known = server.connect();
    known.expect("AUTH x", "+OK");
    let mut deaf = TcpStream::connect(("127.0.0.1", server.port)).expect("it listens");
    deaf.set_write_timeout(Some(Duration::from_millis(200))).expect("a socket");
    let pings = request("PING").repeat(1000);
    let taken = (0..10_000).take_while(|_| deaf.write_all(&pings).is_ok()).count();
    assert!(taken < 10_000, "140 MB were taken from a stranger that reads nothing");
    let line = known.ask("CLIENT LIST").body();
    let stranger = line.lines().find(|line| line.contains("cmd=ping")).expect("it is there");
    let figure =
        |name: &str| stranger.split(' ').find_map(|word| word.strip_prefix(name)).expect("it").parse::<usize>();
    assert!(figure("obl=").expect("a number") <= 65 * 1024 && figure("qbuf=").expect("a number") <= 4096, "{stranger}");
}
