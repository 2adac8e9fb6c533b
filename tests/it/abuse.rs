//! What hostile clients do, in bulk: afterwards nothing was executed that was not asked for, everybody else was served,
//! and connections, descriptors and memory are back where they were.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use socket2::{Domain, SockRef, Socket, Type};

use crate::chance::Chance;
use crate::malformed::{FUNDED, Fate, inputs};
use crate::server::{Server, Site};
use crate::wire::{Wire, encode, info, request, socket};

/// What a server may grow by.
const GROWTH_BYTES_MAX: u64 = 16 << 20;

/// Asks that a figure may take to become what it is waited for to be.
const PATIENCE: usize = 300_000;

/// Threads of clients.
const THREADS: usize = 4;

/// Bytes of memory that the server has.
fn memory(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.process_id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().strip_suffix(" kB").and_then(|kib| kib.trim().parse::<u64>().ok()).expect("a number") << 10
}

/// Numbers of the descriptors that the server has open.
fn descriptors(server: &Server) -> BTreeSet<u64> {
    let open = fs::read_dir(format!("/proc/{}/fd", server.process_id())).expect("it runs");
    let number = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name().to_str()?.parse().ok();
    open.filter_map(number).collect()
}

/// Closed connections by reason.
fn closed(wire: &mut Wire) -> BTreeMap<String, u64> {
    let counts = info(wire, "stats", "connections_closed");
    let counts = counts.split(',').filter_map(|count| count.split_once('='));
    counts.map(|(word, count)| (word.to_owned(), count.parse().expect("a number"))).collect()
}

/// Asks until `is_so`; each question is a moment for the server.
#[track_caller]
fn until(wire: &mut Wire, what: &str, mut is_so: impl FnMut(&mut Wire) -> bool) {
    assert!((0..PATIENCE).any(|_| is_so(wire)), "{what}: never; closed so far: {:?}", closed(wire));
}

/// What must not have changed of an account.
fn figures(wire: &mut Wire) -> [u64; 3] {
    let reply = wire.ask(&format!("CREDIT.BALANCE {FUNDED}"));
    ["balance", "reserved", "seq"].map(|name| reply.number(name))
}

#[track_caller]
fn until_alone(wire: &mut Wire) {
    until(wire, "every other client is gone", |wire| info(wire, "clients", "connected_clients") == "1");
}

/// Sends `bytes` in these pieces on a connection of its own; what came back until its end.
fn exchange(port: u16, bytes: &[u8], pieces: usize, chance: &mut Chance) -> Vec<u8> {
    let mut wire = Wire::connect(port);
    let mut cuts: Vec<usize> = (1..pieces).map(|_| chance.below(bytes.len() as u64 + 1) as usize).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    // The server may end it before it saw the last of them.
    let _ = cuts.windows(2).try_for_each(|cut| wire.try_send(&bytes[cut[0]..cut[1]]));
    wire.half_close();
    wire.rest()
}

/// Whether `replies` are what an input of that fate may have.
fn fits(fate: Fate, replies: &str) -> bool {
    let own = replies.strip_prefix("+PONG\r\n").unwrap_or(replies); // of the request before it
    match fate {
        Fate::Half => own.is_empty(),
        Fate::Refused => own.starts_with('-') && own.ends_with("\r\n") && own.lines().count() == 1,
        Fate::Broken => own.lines().all(|line| line.starts_with("-ERR ")),
    }
}

#[test]
fn thousands_of_malformed_requests_change_nothing() {
    let inputs: Vec<(Vec<u8>, Fate)> = inputs(1).into_iter().collect();
    let distinct: BTreeSet<&[u8]> = inputs.iter().map(|(bytes, _)| &bytes[..]).collect();
    assert!(distinct.len() >= 5_000, "{} inputs", distinct.len());
    let site = Site::new();
    let server = site.start(&[]);
    let mut wire = server.connect();
    assert!(wire.ask(&format!("CREDIT.GRANT {FUNDED} first 1000")).line().contains("granted"));
    let before = figures(&mut wire);

    let send_all = |inputs: &[(Vec<u8>, Fate)]| {
        std::thread::scope(|scope| {
            for (thread, share) in inputs.chunks(inputs.len().div_ceil(THREADS)).enumerate() {
                let (port, mut chance) = (server.port, Chance::new(thread as u64));
                scope.spawn(move || {
                    for (bytes, fate) in share {
                        for pieces in [1, 4] {
                            let replies = exchange(port, bytes, pieces, &mut chance);
                            let replies = String::from_utf8_lossy(&replies);
                            assert!(fits(*fate, &replies), "{fate:?} {:?}: {replies}", String::from_utf8_lossy(bytes));
                        }
                    }
                });
            }
        });
    };
    // The first of them are what allocators get used to.
    send_all(&inputs.iter().step_by(10).cloned().collect::<Vec<_>>());
    until_alone(&mut wire);
    let memory_before = memory(&server);
    send_all(&inputs);
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let files = ["resp_request", "commands"].map(|target| fs::read_dir(corpus.join(target)).expect("the corpus"));
    let mut sent = 0;
    for file in files.into_iter().flatten() {
        let bytes = fs::read(file.expect("an entry").path()).expect("a readable file");
        (1..=3).for_each(|pieces| drop(exchange(server.port, &bytes, pieces, &mut Chance::new(sent))));
        sent += 1;
    }
    assert!(sent > 10, "{sent} files");
    until_alone(&mut wire);

    let grown = memory(&server).saturating_sub(memory_before);
    eprintln!("{} malformed requests, {grown} bytes of memory", distinct.len());
    assert!(grown <= GROWTH_BYTES_MAX);
    assert_eq!(figures(&mut wire), before, "nothing was executed");
    wire.expect("ACL USERS", "*1 $7 default");
    assert!(!server.log().contains("panic"), "{}", server.log());
    assert_eq!(server.terminate(), Some(0));
}

/// How many connections a test may have open, up to `wanted`: there are others beside it.
fn affordable(wanted: u64) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }); // or with what there is
    let affordable = getrlimit(Resource::Nofile).current.map_or(wanted, |limit| wanted.min(limit / 3));
    assert!(affordable >= 2_000, "ulimit -n: {affordable} connections are not many");
    affordable as usize
}

#[test]
fn thousands_of_half_sent_requests_are_given_up_and_nobody_else_waits() {
    let count = affordable(5_000);
    let site = Site::new();
    let server = site.start(&["--frame-timeout", "300ms"]);
    let mut good = server.connect();
    let whole = request(&format!("CREDIT.GRANT {FUNDED} slow 5"));
    let mut slow = Vec::with_capacity(count);
    for n in 0..count {
        let mut stream = socket(server.port).expect("the server listens");
        stream.write_all(&whole[..1 + n % (whole.len() - 1)]).expect("the server reads");
        slow.push(Wire::over(stream));
        if n % 50 == 0 {
            assert!(good.ask(&format!("CREDIT.GRANT good g{n} 1")).line().contains("granted"));
        }
    }
    for wire in &mut slow {
        assert_eq!(wire.rest(), b"");
    }
    until_alone(&mut good);
    assert_eq!(closed(&mut good)["frame_timeout"], count as u64);
    assert_eq!(good.ask(&format!("CREDIT.BALANCE {FUNDED}")).number("seq"), 0);
    assert_eq!(good.ask("CREDIT.BALANCE good").number("balance"), count.div_ceil(50) as u64);
    assert_eq!(server.terminate(), Some(0));
}

/// A connection whose side keeps little, neither what was not read nor what was not sent.
fn deaf(server: &Server) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(8 << 10).expect("a socket");
    socket.set_send_buffer_size(64 << 10).expect("a socket");
    socket.connect(&std::net::SocketAddr::from(([127, 0, 0, 1], server.port)).into()).expect("the server listens");
    socket.set_write_timeout(Some(Duration::from_secs(30))).expect("a socket");
    socket.into()
}

/// Clients that never read.
const DEAF: usize = 200;

#[test]
fn many_that_never_read_are_cut_off_and_counted() {
    let site = Site::new();
    let server = site.start(&["--cores", "1", "--output-bytes-max", "64KiB"]);
    let mut other = server.connect();
    let echo = encode(&[b"ECHO", &[b'x'; 60_000]]);
    let (mut open, before) = (Vec::new(), memory(&server));
    for n in 0..DEAF {
        let mut stream = deaf(&server);
        let refused = (0..2_000).find_map(|_| stream.write_all(&echo).err()).map(|error| error.kind());
        // A timeout would mean that it is held back, for ever.
        assert!(
            matches!(refused, Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)),
            "120 MB were taken, or it was not cut off: {refused:?}"
        );
        open.push(stream);
        assert!(other.ask(&format!("CREDIT.GRANT other g{n} 1")).line().contains("granted"));
        let grown = memory(&server).saturating_sub(before);
        assert!(grown < 64 << 20, "{grown} bytes of memory for {n} clients that never read");
    }
    until_alone(&mut other);
    assert_eq!(closed(&mut other)["unread_replies"], DEAF as u64);
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn many_that_never_read_are_held_back_within_bounds() {
    let site = Site::new();
    let server = site.start(&["--cores", "1"]);
    let mut other = server.connect();
    let before = memory(&server);
    let echo = encode(&[b"ECHO", &[b'x'; 60_000]]).repeat(4);
    let mut clients: Vec<(TcpStream, usize)> = (0..DEAF).map(|_| (deaf(&server), 0)).collect();
    clients.iter().for_each(|(stream, _)| stream.set_nonblocking(true).expect("a socket"));
    // Until a few rounds in a row no socket has taken more.
    let (mut quiet, mut taken) = (0, 0);
    while quiet < 20 {
        quiet += 1;
        for (stream, sent) in &mut clients {
            if let Ok(n) = stream.write(&echo[*sent % echo.len()..]) {
                (*sent, taken, quiet) = (*sent + n, taken + n, 0);
            }
        }
        assert!(taken < 4 << 30, "they are never held back");
        other.expect("PING", "+PONG");
    }
    // Of each: 256 KiB of output and the reply that went over it, a read's worth of input, and a request.
    let grown = memory(&server).saturating_sub(before);
    assert!(grown < (DEAF as u64) * (1 << 20), "{grown} bytes of memory for {DEAF} clients that never read");
    assert!(other.ask("CREDIT.GRANT other g 1").line().contains("granted"));
    drop(clients);
    until_alone(&mut other);
    assert_eq!(server.terminate(), Some(0), "deaf clients do not keep it from ending");
}

/// A client that will go with a reset, whatever it has not read or sent.
fn rude(server: &Server) -> Wire {
    let stream = socket(server.port).expect("the server listens");
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket");
    Wire::over(stream)
}

#[test]
fn a_reset_in_any_state_takes_nothing_with_it() {
    let site = Site::new();
    let strangers = ["--unauthenticated-max", "1000", "--unauthenticated-per-ip-max", "1000"];
    let server = site.start(&[&["--requirepass", "short", "--cores", "2"], &strangers[..]].concat());
    let mut watcher = server.connect();
    watcher.expect("AUTH short", "+OK");
    assert!(watcher.ask(&format!("CREDIT.GRANT {FUNDED} first 1000")).line().contains("granted"));
    let before = figures(&mut watcher);
    let debit = request(&format!("CREDIT.DEBIT {FUNDED} rude 1"));
    let known = || {
        let mut wire = rude(&server);
        wire.expect("AUTH short", "+OK");
        wire
    };
    for round in 0..5 {
        let mut half = known();
        half.send(&debit[..debit.len() - 1 - 9 * round]);
        let mut owed = known();
        owed.send(&request(&format!("CREDIT.HISTORY {FUNDED}")).repeat(200));
        let mut subscribed = known();
        subscribed.expect("SUBSCRIBE credit.debited", "*3 $9 subscribe $14 credit.debited :1");
        let mut queued = known();
        queued.expect("MULTI", "+OK");
        queued.send(&debit);
        assert_eq!(queued.reply().line(), "+QUEUED");
        let mut blocked = known();
        blocked.send(&request("XREAD BLOCK 0 STREAMS credit:events:0 $"));
        until(&mut watcher, "it waits", |wire| info(wire, "clients", "blocked_clients") == "1");
        let mut unknown = [rude(&server), rude(&server)];
        unknown[0].send(&request("AUTH short"));
        unknown[1].send(&[&request("AUTH wrong")[..], &debit].concat());
        drop((half, owed, subscribed, queued, blocked, unknown));
        until_alone(&mut watcher);
        assert_eq!(info(&mut watcher, "clients", "blocked_clients"), "0");
        watcher.expect("PUBSUB NUMSUB credit.debited", "*2 $14 credit.debited :0");
    }
    assert_eq!(figures(&mut watcher), before, "what did not come whole was not executed");
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn ten_thousand_that_come_and_go_leave_nothing() {
    const EACH: usize = 10_000 / THREADS;
    let site = Site::new();
    let server = site.start(&["--cores", "2"]);
    let mut wire = server.connect();
    let port = server.port;
    let come_and_go = |count: usize| {
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(move || {
                    let mut open = VecDeque::new();
                    for n in 0..count {
                        let mut stream = socket(port).expect("the server listens");
                        if n % 2 == 0 {
                            stream.write_all(b"*").expect("the server reads");
                        }
                        open.push_back(stream);
                        if open.len() > 16 {
                            open.pop_front();
                        }
                    }
                });
            }
        });
    };
    come_and_go(EACH / 10);
    until_alone(&mut wire);
    let (memory_before, descriptors_before) = (memory(&server), descriptors(&server).len());
    come_and_go(EACH);
    let came = (THREADS * (EACH + EACH / 10) + 1).to_string();
    until(&mut wire, "all have come", |wire| info(wire, "stats", "total_connections_received") == came);
    until_alone(&mut wire);
    let grown = memory(&server).saturating_sub(memory_before);
    eprintln!("{came} connections, {grown} bytes of memory");
    assert!(grown <= GROWTH_BYTES_MAX);
    let left = descriptors(&server).len();
    assert!(left <= descriptors_before + 2, "{left} descriptors, and {descriptors_before} before"); // a log file beside
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn without_descriptors_every_client_is_answered_and_none_waits() {
    let site = Site::new();
    let server = site.start(&["--cores", "1"]);
    let mut known = server.connect();
    known.expect("PING", "+PONG");
    let process = Pid::from_raw(server.process_id() as i32);
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = |current| prlimit(process, Resource::Nofile, Rlimit { current, maximum }).expect("it is ours").current;
    let open = descriptors(&server);
    let free = (0..).find(|number| !open.contains(number)).expect("few are open");
    let usual = limit(Some(free + 8));

    let (mut served, mut told) = (Vec::new(), 0);
    for _ in 0..100 {
        let mut wire = server.connect();
        match wire.ask("PING").line().as_str() {
            "+PONG" => served.push(wire),
            "-ERR max number of clients reached" => told += 1,
            other => panic!("{other}"),
        }
    }
    assert!(!served.is_empty() && told >= 50, "{} served, {told} told", served.len());
    assert_eq!(closed(&mut known)["descriptors"], told);
    assert!(server.log().contains("reason=\"descriptors\""), "{}", server.log());
    assert!(!server.log().contains("accept failed"), "{}", server.log());
    assert!(served[0].ask("CREDIT.GRANT a g 1").line().contains("granted"));
    drop(served);
    until_alone(&mut known);
    server.connect().expect("PING", "+PONG");
    limit(usual);
    assert_eq!(server.terminate(), Some(0));
}
