//! The feed of a whole server: how fast one consumer follows, how late events are, what readers that wait cost.
//!
//! ```text
//! cargo bench --bench follow                    all three, some 40 s
//! cargo bench --bench follow -- speed           one of speed, delay, waiting
//! ```
//! A program, not a sampled benchmark: it starts a server of its own with one core, loads it over loopback and prints
//! medians.

#![expect(clippy::print_stdout, reason = "its table is its product")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

/// Events that the consumer of `speed` finds.
const EVENTS: u64 = 2_000_000;
/// Commands of a load's pipeline.
const PIPELINE: usize = 64;
/// How long a load runs for one figure.
const SAMPLE: Duration = Duration::from_secs(2);
/// Readers that wait.
const READERS: usize = 1000;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|word| word == name);
    if wants("speed") {
        speed();
    }
    if wants("delay") {
        delay();
    }
    if wants("waiting") {
        waiting();
    }
}

/// One consumer, from the first event to the last.
fn speed() {
    let server = Server::start();
    let mut client = server.client();
    let accounts = server.accounts_of_shard_0("a", 10_000);
    let mut sent = 0;
    while sent < EVENTS {
        let account = |n| &accounts[n as usize % accounts.len()];
        client.pipeline((sent..sent + 1000).map(|n| format!("CREDIT.GRANT {} g{n} 1", account(n))));
        sent += 1000;
    }
    let (started, busy_s) = (now(), server.cpu_s());
    let (mut last, mut seen) = ("0".to_owned(), 0);
    while seen < EVENTS {
        let entries = client.follow(&format!("XREAD COUNT 1000 STREAMS credit:events:0 {last}"));
        seen += entries.len() as u64;
        last = entries.into_iter().next_back().expect("more events").0;
    }
    let (wall_s, busy_s) = (started.elapsed().as_secs_f64(), server.cpu_s() - busy_s);
    println!(
        "speed    {:.0} k events/s, {:.2} us of the server's CPU an event",
        seen as f64 / wall_s / 1e3,
        busy_s * 1e6 / seen as f64
    );
}

/// How long after the reply to a debit its event is with a consumer that waits, beside a load.
fn delay() {
    let server = Server::start();
    for (run, rate) in [Some(20_000), Some(100_000), None].into_iter().enumerate() {
        let load = Load::start(&server, "l", rate);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let follower = follow_probes(&server, run, seen.clone(), over.clone());
        let mut client = server.client();
        client.ask("CREDIT.GRANT probe g 1000000");
        let commits = server.commits();
        let (started, mut replied) = (now(), Vec::new());
        while started.elapsed() < SAMPLE {
            client.ask(&format!("CREDIT.DEBIT probe {run}-{} 1", replied.len()));
            replied.push(now());
            std::thread::park_timeout(Duration::from_millis(1));
        }
        let commit_us = SAMPLE.as_micros() as u64 / (server.commits() - commits).max(1);
        over.store(true, Ordering::Relaxed);
        client.ask(&format!("CREDIT.DEBIT probe {run}-end 1"));
        follower.join().expect("the follower ends");
        let seen = seen.lock().expect("no panic");
        let mut late: Vec<u64> = seen
            .iter()
            .filter_map(|(number, at): &(usize, Instant)| {
                replied.get(*number).map(|replied| at.saturating_duration_since(*replied).as_micros() as u64)
            })
            .collect();
        late.sort_unstable();
        let at = |part: f64| late[((late.len() - 1) as f64 * part) as usize];
        println!(
            "delay    {} k/s: event behind its reply p50 {} us, p99 {} us; a commit every {commit_us} us",
            load.stop() / 1000,
            at(0.5),
            at(0.99)
        );
    }
}

/// Notes when the debits of the probing account are seen.
fn follow_probes(
    server: &Server,
    run: usize,
    seen: Arc<Mutex<Vec<(usize, Instant)>>>,
    over: Arc<AtomicBool>,
) -> JoinHandle<()> {
    let mut reader = server.client();
    let (mut last, mut ended) = (reader.last_id(), false);
    spawn(move || {
        while !ended {
            let entries = reader.follow(&format!("XREAD BLOCK 5000 COUNT 1000 STREAMS credit:events:0 {last}"));
            let at = now();
            for (id, tx) in entries {
                last = id;
                let Some(number) = tx.strip_prefix(&format!("{run}-")) else { continue };
                ended |= number == "end" && over.load(Ordering::Relaxed);
                if let Ok(number) = number.parse() {
                    seen.lock().expect("no panic").push((number, at));
                }
            }
        }
    })
}

/// Throughput, and the server's CPU for a debit, with and without a thousand readers that wait for what does not come.
fn waiting() {
    let server = Server::start();
    let mut client = server.client();
    client.pipeline((0..READERS).map(|account| format!("CREDIT.GRANT idle{account} g 1")));
    for (what, key) in [("another shard's events", "credit:events:1"), ("idle accounts' logs", "credit:log:{idle#}")] {
        let (mut throughput, mut cpu) = (Vec::new(), Vec::new());
        for _ in 0..9 {
            let before = Load::start(&server, "w", None).sample(&server);
            let readers: Vec<_> = (0..READERS).map(|n| server.blocked(&key.replace('#', &n.to_string()))).collect();
            let beside = Load::start(&server, "w", None).sample(&server);
            drop(readers);
            let after = Load::start(&server, "w", None).sample(&server);
            throughput.push(2.0 * beside.0 / (before.0 + after.0));
            cpu.push(2.0 * beside.1 / (before.1 + after.1));
        }
        for ratios in [&mut throughput, &mut cpu] {
            ratios.sort_by(f64::total_cmp);
        }
        println!(
            "waiting  {READERS} readers of {what}: throughput x {:.3} ({:.2} to {:.2}), CPU a debit x {:.3} ({:.2} to {:.2})",
            throughput[4], throughput[0], throughput[8], cpu[4], cpu[0], cpu[8]
        );
    }
}

/// Debits of one account after the other, of shard 0.
struct Load {
    over: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    started: Instant,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// `rate`: debits a second; `None`: as many as go.
    fn start(server: &Server, name: &str, rate: Option<u64>) -> Self {
        static RUN: AtomicU64 = AtomicU64::new(0);
        let run = RUN.fetch_add(1, Ordering::Relaxed);
        let (over, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let accounts = server.accounts_of_shard_0(name, 256);
        let mut client = server.client();
        client.pipeline(accounts.iter().map(|account| format!("CREDIT.GRANT {account} g{run} 1000000000")));
        let (ends, counted, started) = (over.clone(), done.clone(), now());
        let thread = spawn(move || {
            let mut next = 0_u64;
            while !ends.load(Ordering::Relaxed) {
                if let Some(rate) = rate {
                    let due = Duration::from_secs_f64(next as f64 / rate as f64);
                    if let Some(early) = due.checked_sub(started.elapsed()) {
                        std::thread::park_timeout(early);
                    }
                }
                let debits = (next..next + PIPELINE as u64)
                    .map(|n| format!("CREDIT.DEBIT {} d{run}-{n} 1", accounts[n as usize % accounts.len()]));
                client.pipeline(debits);
                next += PIPELINE as u64;
                counted.store(next, Ordering::Relaxed);
            }
        });
        Self { over, done, started, threads: vec![thread] }
    }

    /// Debits a second of a while, and the server's CPU time of each in microseconds.
    fn sample(self, server: &Server) -> (f64, f64) {
        std::thread::park_timeout(SAMPLE / 10); // it has found its pace
        let (started, done, busy_s) = (now(), self.done.load(Ordering::Relaxed), server.cpu_s());
        std::thread::park_timeout(SAMPLE);
        let debits = (self.done.load(Ordering::Relaxed) - done) as f64;
        let sampled = (debits / started.elapsed().as_secs_f64(), (server.cpu_s() - busy_s) * 1e6 / debits);
        self.stop();
        sampled
    }

    /// Ends it; debits a second.
    fn stop(self) -> u64 {
        let per_second = self.done.load(Ordering::Relaxed) as f64 / self.started.elapsed().as_secs_f64();
        self.over.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("the load ends"));
        per_second as u64
    }
}

/// A server with one core and two shards.
struct Server {
    child: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut child = Command::new(env!("CARGO_BIN_EXE_creditd"))
            .args(["--port", "0", "--cores", "1", "--shards", "2", "--data-dir"])
            .arg(dir.path().join("data"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let mut banner = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut banner).expect("a banner");
        let port = banner.trim().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        Self { child, port, _dir: dir }
    }

    fn client(&self) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        Client { stream, bytes: Vec::new(), at: 0 }
    }

    /// A connection that waits for the stream's next entry.
    fn blocked(&self, key: &str) -> Client {
        let mut client = self.client();
        client.ask("PING"); // it is accepted, so the next request is read
        client.send(&format!("XREAD BLOCK 0 STREAMS {key} $"));
        client
    }

    /// User and system time of the process, seconds.
    fn cpu_s(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it runs");
        let after = stat.rsplit(')').next().expect("a name");
        let ticks = after.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<f64>().ok()).sum::<f64>();
        ticks / 100.0
    }

    fn commits(&self) -> u64 {
        let info = self.client().ask("INFO persistence");
        let text = String::from_utf8_lossy(&info).into_owned();
        text.lines().find_map(|line| line.strip_prefix("log_commits:")?.trim().parse().ok()).expect("a count")
    }

    /// Names of accounts that shard 0 owns: half of the slots are its own.
    fn accounts_of_shard_0(&self, name: &str, count: usize) -> Vec<String> {
        let names = (0..).map(|n| format!("{name}{n}"));
        names.filter(|name| redis_protocol::redis_keyslot(name.as_bytes()) < 8192).take(count).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client {
    stream: TcpStream,
    bytes: Vec<u8>,
    at: usize,
}

impl Client {
    fn send(&mut self, line: &str) {
        self.stream.write_all(&request(line)).expect("it reads");
    }

    fn ask(&mut self, line: &str) -> Vec<u8> {
        self.send(line);
        self.reply()
    }

    fn pipeline(&mut self, lines: impl Iterator<Item = String>) {
        let mut bytes = Vec::new();
        let count = lines.map(|line| bytes.extend_from_slice(&request(&line))).count();
        self.stream.write_all(&bytes).expect("it reads");
        for _ in 0..count {
            let reply = self.reply();
            assert!(!reply.starts_with(b"-"), "{}", String::from_utf8_lossy(&reply));
        }
    }

    /// The id of the newest event of shard 0.
    fn last_id(&mut self) -> String {
        let entries = self.follow("XREAD STREAMS credit:events:0 +");
        entries.into_iter().next_back().map_or("0".to_owned(), |(id, _)| id)
    }

    /// Asks for entries of one stream: id and transaction of each.
    fn follow(&mut self, line: &str) -> Vec<(String, String)> {
        let reply = self.ask(line);
        let mut words = Words { bytes: &reply, at: 0 };
        if words.number(b'*') <= 0 {
            return Vec::new();
        }
        words.number(b'*');
        words.bulk();
        (0..words.number(b'*')).map(|_| words.entry()).collect()
    }

    fn reply(&mut self) -> Vec<u8> {
        loop {
            if let Some(len) = frame_len(&self.bytes[self.at..]) {
                let reply = self.bytes[self.at..self.at + len].to_vec();
                self.at += len;
                if self.at == self.bytes.len() {
                    self.bytes.clear();
                    self.at = 0;
                }
                return reply;
            }
            self.bytes.drain(..std::mem::take(&mut self.at));
            let mut buffer = [0; 256 * 1024];
            let n = self.stream.read(&mut buffer).expect("a reply");
            assert!(n > 0, "the server has ended");
            self.bytes.extend_from_slice(&buffer[..n]);
        }
    }
}

/// A reply, read from the left.
struct Words<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Words<'a> {
    fn number(&mut self, kind: u8) -> i64 {
        assert_eq!(self.bytes[self.at], kind, "{}", String::from_utf8_lossy(&self.bytes[self.at..][..20]));
        let (value, len) = number(&self.bytes[self.at..]).expect("a whole reply");
        self.at += len;
        value
    }

    fn bulk(&mut self) -> &'a [u8] {
        let len = self.number(b'$') as usize;
        let bytes = &self.bytes[self.at..self.at + len];
        self.at += len + 2;
        bytes
    }

    fn entry(&mut self) -> (String, String) {
        self.number(b'*');
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (id, mut tx) = (text(self.bulk()), String::new());
        for _ in 0..self.number(b'*') / 2 {
            let (name, value) = (self.bulk(), self.bulk());
            if name == b"tx" {
                tx = text(value);
            }
        }
        (id, tx)
    }
}

/// The number of a line such as `$12`, and the line's length.
fn number(bytes: &[u8]) -> Option<(i64, usize)> {
    let end = bytes.iter().take(24).position(|byte| *byte == b'\r')?;
    if bytes.len() < end + 2 {
        return None;
    }
    let (sign, digits) = if bytes[1] == b'-' { (-1, &bytes[2..end]) } else { (1, &bytes[1..end]) };
    Some((sign * digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit.wrapping_sub(b'0'))), end + 2))
}

/// Bytes of the first reply, if it is complete.
fn frame_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut left = 1_i64;
    while left > 0 {
        left -= 1;
        match bytes.get(at)? {
            b'*' => {
                let (values, len) = number(&bytes[at..])?;
                (left, at) = (left + values.max(0), at + len);
            }
            b'$' => {
                let (body, len) = number(&bytes[at..])?;
                at += len + if body < 0 { 0 } else { body as usize + 2 };
            }
            _ => at += bytes[at..].iter().position(|byte| *byte == b'\n')? + 1,
        }
        if at > bytes.len() {
            return None;
        }
    }
    Some(at)
}

fn request(line: &str) -> Vec<u8> {
    let words: Vec<&str> = line.split(' ').collect();
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn now() -> Instant {
    Instant::now()
}
