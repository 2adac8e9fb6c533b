//! `creditd bench` against real servers, and against ones that lie, stall, die and speak another language.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::Value;

use crate::server::Site;
use crate::wire::info;

/// Starts `creditd bench` with the words of `line` against `port`.
fn begin(port: u16, line: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_creditd"));
    command.args(["bench", "--port", &port.to_string()]).args(line.split_whitespace());
    command.env_remove("REDISCLI_AUTH").stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the binary is built")
}

/// Runs it to its end: exit code and all it said.
fn bench(port: u16, line: &str) -> (Option<i32>, String) {
    let output = begin(port, line).wait_with_output().expect("it ends");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).expect("it says text"))
}

/// Runs it to a good end and returns its report.
fn report(site: &Site, port: u16, line: &str) -> Value {
    let path = site.path("report.json");
    let (code, text) = bench(port, &format!("{line} --json {}", path.display()));
    assert_eq!(code, Some(0), "{line}: {text}");
    assert!(text.contains("every credit is accounted for"), "{line}: {text}");
    serde_json::from_slice(&std::fs::read(path).expect("the report")).expect("JSON")
}

/// The figure of the first run's summary `name`.
fn figure(report: &Value, name: &str, figure: &str) -> f64 {
    let summaries = report["runs"][0]["summaries"].as_array().expect("summaries");
    let summary = summaries.iter().find(|summary| summary["name"] == name);
    summary.map_or(0.0, |summary| summary[figure].as_f64().expect("a number"))
}

#[test]
fn every_workload_runs_and_its_books_balance() {
    let site = Site::new();
    let server = site.start(&[]);
    for (workload, ops) in [
        ("debit", vec!["debit"]),
        ("reserve-capture", vec!["reserve", "capture"]),
        ("balance", vec!["balance"]),
        ("mixed", vec!["balance", "debit", "reserve", "capture"]),
        ("hot", vec!["debit"]),
        ("peak --rate 2k", vec!["debit"]),
    ] {
        for load in ["-P 1", "-P 16 --threads 2", "--rate 1k -P 4"] {
            if workload.contains("--rate") && load.contains("--rate") {
                continue;
            }
            let line = format!("--workload {workload} --accounts 300 -c 5 --seconds 0.3 {load}");
            let report = report(&site, server.port, &line);
            let answers: Vec<f64> = ops.iter().map(|op| figure(&report, op, "answers")).collect();
            assert!(answers.iter().all(|answers| *answers > 0.0), "{line}: {report}");
            assert_eq!(answers.iter().sum::<f64>(), figure(&report, "all", "answers"), "{line}: {report}");
            assert_eq!(report["runs"][0]["summaries"][0]["errors"], Value::Array(Vec::new()), "{line}");
        }
    }
    assert_eq!(info(&mut server.connect(), "credits", "accounts"), "300");
    assert_eq!(info(&mut server.connect(), "credits", "holds"), "0", "every hold was captured");
}

#[test]
fn accounts_are_funded_once() {
    let site = Site::new();
    let server = site.start(&["--requirepass", "secret"]);
    let (code, text) = bench(server.port, "--prepare 5k");
    assert_eq!(code, Some(64), "no password: {text}");
    for _ in 0..2 {
        let (code, text) = bench(server.port, "--prepare 5k --pass secret");
        assert_eq!(code, Some(0), "{text}");
        assert!(text.starts_with("5000 accounts funded"), "{text}");
    }
    let mut wire = server.connect();
    wire.expect("AUTH secret", "+OK");
    assert_eq!(info(&mut wire, "credits", "granted"), "5000000000000");
}

#[test]
fn a_sweep_leaves_files_that_can_be_compared() {
    let site = Site::new();
    let server = site.start(&[]);
    let [json, html, hdr] = ["report.json", "page.html", "hdr"].map(|name| site.path(name));
    let line =
        format!("--accounts 50 -c 4 --sweep 500,1k --seconds 0.3 --html {} --hdr {}", html.display(), hdr.display());
    let report = report(&site, server.port, &line);
    assert_eq!(report["runs"].as_array().map(Vec::len), Some(2), "{report}");
    let page = std::fs::read_to_string(html).expect("a page");
    for words in ["Latency against throughput", "Latency by percentile", "p99 over time", "1000 offered"] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("http"), "it needs nothing else");
    let latencies = std::fs::read_to_string(hdr.join("debit-at-500.hgrm")).expect("latencies");
    assert!(latencies.contains("#[Max"), "{latencies}");
    let (code, text) = bench(server.port, "--compare a b");
    assert_eq!(code, Some(64), "{text}");
    let output = Command::new(env!("CARGO_BIN_EXE_creditd")).args(["bench", "--compare"]).args([&json, &json]).output();
    let text = String::from_utf8(output.expect("it runs").stdout).expect("text");
    assert!(text.contains("the same set-up") && text.contains("1.00"), "{text}");
}

#[test]
fn a_server_that_dies_and_comes_back_is_asked_again() {
    let site = Site::new();
    let server = site.start(&[]);
    let port = server.port;
    let path = site.path("report.json");
    let mut child = begin(port, &format!("--accounts 100 -c 8 -P 4 --seconds 4 --json {}", path.display()));
    let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    while !line.contains(" ops/s") {
        line.clear();
        assert!(output.read_line(&mut line).expect("its output") > 0, "it ended early");
    }
    server.kill9();
    let _again = site.start(&["--port", &port.to_string()]);
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("its output");
    assert_eq!(child.wait().expect("a child").code(), Some(0), "{rest}");
    let report: Value = serde_json::from_slice(&std::fs::read(path).expect("the report")).expect("JSON");
    assert!(report["runs"][0]["reconnects"].as_u64() >= Some(8), "{rest}");
}

/// A server that knows no more than the test asks of it. Every debit is answered with success.
struct Fake {
    /// Whether its books have the debits.
    is_honest: bool,
    /// The debit before which it waits a fifth of a second.
    stalls_at: u64,
    /// Each time so many debits are done it ends the connection right behind the answer; 0: never.
    hangs_up_every: u64,
    debits: AtomicU64,
}

impl Fake {
    /// Starts it; it lives as long as the tests do. Its port.
    fn start(is_honest: bool, stalls_at: u64, hangs_up_every: u64) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let fake = Arc::new(Self { is_honest, stalls_at, hangs_up_every, debits: AtomicU64::new(0) });
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let fake = fake.clone();
                std::thread::spawn(move || fake.serve(stream));
            }
        });
        port
    }

    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut lines = BufReader::new(stream.try_clone().ok()?).lines().map_while(Result::ok);
        loop {
            let count: usize = lines.next()?.strip_prefix('*')?.parse().ok()?;
            let words: Vec<String> = lines.by_ref().take(2 * count).skip(1).step_by(2).collect();
            stream.write_all(self.answer(&words).as_bytes()).ok()?;
            let debits = self.debits.load(Ordering::SeqCst);
            if words[0] == "CREDIT.DEBIT" && debits.checked_rem(self.hangs_up_every) == Some(0) {
                return None;
            }
        }
    }

    fn answer(&self, words: &[String]) -> String {
        match words[0].as_str() {
            "INFO" => {
                let debited = if self.is_honest { self.debits.load(Ordering::SeqCst) } else { 0 };
                let balance = 1_000_000 - debited;
                let text = format!(
                    "granted:1000000\ndebited:{debited}\ncaptured:0\nrefunded:0\nbalance:{balance}\nreserved:0\n"
                );
                format!("${}\r\n{text}\r\n", text.len())
            }
            "CONFIG" => "*0\r\n".to_owned(),
            "CREDIT.BALANCE" => "*2\r\n$7\r\nbalance\r\n:1000\r\n".to_owned(),
            "CREDIT.DEBIT" => {
                if self.debits.fetch_add(1, Ordering::SeqCst) + 1 == self.stalls_at {
                    // Nothing is ever sent, so that the whole time passes.
                    let (_sender, nothing) = channel::<()>();
                    let _timeout = nothing.recv_timeout(Duration::from_millis(200));
                }
                "*2\r\n$6\r\nstatus\r\n$7\r\ndebited\r\n".to_owned()
            }
            _ => "-ERR unknown command\r\n".to_owned(),
        }
    }
}

#[test]
fn a_server_that_loses_money_makes_it_fail() {
    let (code, text) = bench(Fake::start(false, 0, 0), "--accounts 10 -c 2 --seconds 0.2");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("BOOKS: balance changed by 0 credits"), "{text}");
    let (code, text) = bench(Fake::start(true, 0, 0), "--accounts 10 -c 2 --seconds 0.2");
    assert_eq!(code, Some(0), "an honest one passes: {text}");
}

#[test]
fn a_stall_counts_for_every_command_that_was_due_in_it() {
    let site = Site::new();
    // 40 % of the commands are due while the server stalls, half of these wait longer than half of it.
    let report = report(&site, Fake::start(true, 100, 0), "--accounts 10 -c 1 --rate 1k --seconds 0.5");
    assert_eq!(figure(&report, "all", "answers"), 500.0, "{report}");
    assert!(figure(&report, "all", "max_us") >= 190_000.0, "{report}");
    assert!(figure(&report, "all", "p90_us") >= 50_000.0, "{report}");
}

#[test]
fn a_connection_that_ends_behind_an_answer_is_opened_again() {
    let site = Site::new();
    let report = report(&site, Fake::start(true, 0, 50), "--accounts 10 -c 1 --seconds 0.3");
    let (answers, reconnects) = (figure(&report, "all", "answers"), report["runs"][0]["reconnects"].as_f64());
    assert!(answers >= 100.0 && reconnects >= Some((answers / 50.0).floor() - 1.0), "{report}");
}

#[test]
fn what_is_no_server_is_said() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    let speaker = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut request = [0; 1];
        stream.read_exact(&mut request).expect("a request");
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").expect("it listens");
    });
    let (code, text) = bench(port, "--seconds 0.2");
    assert_eq!(code, Some(64), "{text}");
    assert!(text.contains("not the Redis protocol"), "{text}");
    speaker.join().expect("it ends");
    let (code, text) = bench(port, "--seconds 0.2");
    assert_eq!(code, Some(64), "nobody listens: {text}");
}
