//! The admin port as operators, scrapers and strangers meet it; alerts and dashboard against a real scrape.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::disk::Fault;
use crate::nested::has_strace;
use crate::scrape::{answer, get, sample, scrape};
use crate::secure::{Authority, Files};
use crate::server::{Server, Site};
use crate::wire::{Wire, info, request};

/// Some of everything; account and lead are named so that they would be seen.
fn traffic(server: &Server) -> Wire {
    let mut wire = server.connect();
    for line in [
        "CREDIT.GRANT canary:1 g1 100",
        "CREDIT.GRANT canary:1 g1 100",
        "CREDIT.GRANT canary:2 g1 50",
        "CREDIT.DEBIT canary:1 d1 10",
        "CREDIT.DEBIT canary:1 d2 1000",
        "CREDIT.DEBIT canary:1 d3 x",
        "CREDIT.DEBIT nobody d1 1",
        "CREDIT.RESERVE canary:1 r1 30 TTL 86400000",
        "CREDIT.RESERVE canary:1 r2 20 TTL 86400000",
        "CREDIT.CAPTURE canary:1 r1 AMOUNT 25",
        "CREDIT.RESERVE canary:1 r1 30 TTL 86400000",
        "CREDIT.RELEASE canary:1 void",
        "CREDIT.REFUND canary:1 f1 d1 AMOUNT 4",
        "LEAD.OPEN canary-lead 1",
        "LEAD.CLAIM canary:1 c1 canary-lead 5",
        "LEAD.CLAIM canary:2 c1 canary-lead 5",
        "LEAD.CLAIM canary:2 c2 no-lead 5",
        "CREDIT.BALANCE canary:1",
        "NONSENSE canary:1",
    ] {
        wire.ask(line);
    }
    wire
}

#[test]
fn a_scrape_says_what_happened() {
    let site = Site::new();
    let server = site.start(&["--cores", "2", "--shards", "4", "--maxclients", "77"]);
    let mut wire = traffic(&server);
    let samples = scrape(server.admin_port());
    for (key, value) in [
        ("credit_transactions_total{type=\"grant\",status=\"ok\"}", 2.0),
        ("credit_transactions_total{type=\"debit\",status=\"ok\"}", 1.0),
        ("credit_transactions_total{type=\"debit\",status=\"declined\"}", 2.0),
        ("credit_transactions_total{type=\"debit\",status=\"refused\"}", 1.0),
        ("credit_transactions_total{type=\"reserve\",status=\"ok\"}", 2.0),
        ("credit_transactions_total{type=\"capture\",status=\"ok\"}", 1.0),
        ("credit_transactions_total{type=\"release\",status=\"ok\"}", 1.0),
        ("credit_transactions_total{type=\"refund\",status=\"ok\"}", 1.0),
        ("credit_transactions_total{type=\"claim\",status=\"ok\"}", 1.0),
        ("credit_transactions_total{type=\"claim\",status=\"declined\"}", 2.0),
        ("credit_declined_total{type=\"debit\",reason=\"insufficient\"}", 1.0),
        ("credit_declined_total{type=\"debit\",reason=\"noaccount\"}", 1.0),
        ("credit_claims_total{result=\"claimed\"}", 1.0),
        ("credit_claims_total{result=\"leadfull\"}", 1.0),
        ("credit_claims_total{result=\"nolead\"}", 1.0),
        ("credit_errors_total{code=\"err\"}", 2.0),
        ("credit_replays_total", 2.0),
        ("credit_commands_total{command=\"credit.reserve\"}", 3.0),
        ("credit_processing_duration_seconds_count{type=\"reserve\"}", 3.0),
        ("credit_processing_duration_count{type=\"reserve\"}", 3.0),
        ("credit_accounts", 2.0),
        ("credit_holds_open", 1.0),
        ("credit_credits{state=\"balance\"}", 150.0 - 10.0 - 25.0 + 4.0 - 5.0),
        ("credit_credits{state=\"reserved\"}", 20.0),
        ("credit_moved_credits_total{by=\"capture\"}", 30.0),
        ("credit_leads{state=\"open\"}", 0.0),
        ("credit_lead_slots_taken", 1.0),
        ("credit_claims_running", 0.0),
        ("credit_invariant_violations_total", 0.0),
        ("credit_connections", 1.0),
        ("credit_connections_max", 77.0),
        ("credit_serving", 1.0),
        ("credit_feed_lag_bytes{shard=\"3\"}", 0.0),
        ("credit_recovery_progress", 1.0),
        ("credit_silent_cores", 0.0),
        (concat!("credit_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1.0),
    ] {
        assert_eq!(sample(&samples, key), value, "{key}");
    }
    let by_shard = |name: &str| (0..4).map(|shard| sample(&samples, &format!("{name}{{shard=\"{shard}\"}}"))).sum();
    for (name, line) in [("credit_commits_total", "log_commits"), ("credit_commit_records_total", "log_records")] {
        let in_all: f64 = by_shard(name);
        assert_eq!(in_all.to_string(), info(&mut wire, "persistence", line), "{name}");
    }
    let nothing = [by_shard("actor_queue_size"), by_shard("credit_undurable_bytes"), by_shard("credit_disk_state")];
    assert_eq!(nothing, [0.0; 3]);
    assert!(sample(&samples, "credit_disk_free_bytes") <= sample(&samples, "credit_disk_size_bytes"));
    assert!(sample(&samples, "credit_disk_full_in_seconds") > 0.0);

    wire.expect("SAVE", "+OK");
    let later = scrape(server.admin_port());
    let by_shard = |name: &str| (0..4).map(|shard| sample(&later, &format!("{name}{{shard=\"{shard}\"}}"))).sum();
    let (behind, bytes): (f64, f64) = (by_shard("credit_snapshot_behind_records"), by_shard("credit_snapshot_bytes"));
    assert!(behind == 0.0 && bytes > 0.0, "{behind} {bytes}");
    let fell = |(key, before): (&String, &f64)| key.contains("_total") && sample(&later, key) < *before;
    assert!(!samples.iter().any(fell), "no counter goes back");
    // The sweep takes a step a second while a client is connected.
    for (what, count) in [("accounts", 2.0), ("leads", 1.0)] {
        let checked = || sample(&scrape(server.admin_port()), &format!("credit_{what}_checked_total"));
        assert!((0..100_000).any(|_| checked() >= count), "no {what} are checked");
    }
    assert_eq!(sample(&scrape(server.admin_port()), "credit_invariant_violations_total"), 0.0);
}

#[test]
fn a_scrape_is_openmetrics_without_names_of_clients() {
    let site = Site::new();
    let server = site.start(&[]);
    let _wire = traffic(&server);
    let page = get(server.admin_port(), "/metrics", "");
    assert!(page.head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(!page.body.contains("canary") && !page.body.contains("NONSENSE"), "{}", page.body);
}

#[test]
fn health_follows_a_start() {
    if !has_strace() {
        return;
    }
    let site = Site::new();
    let server = site.start(&["--shards", "1"]);
    let mut wire = server.connect();
    wire.pipeline((0..3000).map(|n| format!("CREDIT.GRANT a g{n} 1 META {}", "m".repeat(1000))));
    server.kill9();
    let slow =
        ["strace", "-D", "-f", "-o", "/dev/null", "-e", "trace=pread64", "-e", "inject=pread64:delay_enter=150000"];
    let starting = site.begin(&slow, &["--shards", "1"]);
    let port = (0..10_000_000).find_map(|_| starting.admin_port()).expect("it listens before it serves");
    assert_eq!(get(port, "/livez", "").status, 200);
    let loading = get(port, "/readyz", "");
    let facts: serde_json::Value = serde_json::from_str(&loading.body).expect("JSON");
    assert_eq!((loading.status, facts["status"].as_str()), (503, Some("loading")), "{facts}");
    assert!(facts["loaded_bytes"].as_u64() <= facts["total_bytes"].as_u64(), "{facts}");
    let samples = scrape(port);
    assert_eq!(sample(&samples, "credit_serving"), 0.0);
    assert!(sample(&samples, "credit_recovery_progress") < 1.0);
    let server = starting.ready().unwrap_or_else(|(status, log)| panic!("{status}\n{log}"));
    let ready = get(port, "/readyz", "");
    assert_eq!((ready.status, ready.body.as_str()), (200, "{\"status\":\"ready\"}\n"));
    assert_eq!(sample(&scrape(port), "credit_recovery_progress"), 1.0);
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn where_there_is_a_token_every_request_needs_it() {
    let site = Site::new();
    let (code, log) = site.refusal(&["--admin-bind", "0.0.0.0"]);
    assert!(code == Some(78) && log.contains("admin-token"), "{code:?} {log}");
    let server = site.start(&["--admin-bind", "0.0.0.0", "--admin-token", "s3cret-canary"]);
    for path in ["/metrics", "/readyz", "/livez", "/nothing"] {
        for lines in ["", "Authorization: Bearer s3cret\r\n", "Authorization: Basic s3cret-canary\r\n"] {
            let refused = get(server.admin_port(), path, lines);
            assert_eq!(refused.status, 401, "{path} {lines}");
            assert!(refused.head.contains("www-authenticate: bearer") && !refused.body.contains("credit_"));
        }
        let status = if path == "/nothing" { 404 } else { 200 };
        assert_eq!(get(server.admin_port(), path, "Authorization: Bearer s3cret-canary\r\n").status, status, "{path}");
    }
    assert!(!server.log().contains("canary"));
}

#[test]
fn strangers_get_little_and_disturb_nobody() {
    let site = Site::new();
    let server = site.start(&[]);
    let port = server.admin_port();
    // More than there is room for: those behind wait until the first have had their time.
    let mut silent: Vec<_> = (0..40).map(|_| Wire::connect(port)).collect();
    silent.iter_mut().take(20).for_each(|wire| wire.send(b"GET /metrics HTTP/1.1\r\nHost: "));
    server.connect().expect("PING", "+PONG");
    assert_eq!(get(port, "/livez", "").status, 200, "after the silent ones have had their time");
    assert!(silent.iter_mut().take(20).all(|wire| !String::from_utf8_lossy(&wire.rest()).contains("200 OK")));

    let long = format!("X-Long: {}\r\n", "x".repeat(100_000));
    assert!([0, 431].contains(&get(port, "/metrics", &long).status), "it may end before all of it is sent");
    assert_eq!(get(port, "/metrics", &"X: y\r\n".repeat(1000)).status, 431);
    assert_eq!(get(port, "/", "").status, 404);
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let request = format!("{method} /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
        assert_eq!(answer(port, request.as_bytes()).status, 405, "{method}");
    }
    for bytes in [&b"*1\r\n$4\r\nPING\r\n"[..], b"\x16\x03\x01\x02\x00\x01", b"GET /metrics\r\n\r\n", b"\0\0\0\0"] {
        let page = answer(port, bytes);
        assert!([0, 400].contains(&page.status), "{bytes:?}: {}", page.head);
    }
    let two = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(answer(port, two).body, "alive\n", "one request a connection");
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_core_that_waits_for_its_disk_is_shown_as_it_was() {
    let site = Site::new();
    let server = site.start(&["--cores", "1", "--shards", "1", "--inline-sync-max", "1s"]);
    let mut wire = server.connect();
    assert!(wire.ask("CREDIT.GRANT a g 5").line().contains("granted"));
    let before = scrape(server.admin_port());
    let Some(_fault) = Fault::inject(&server, "fdatasync", "delay_enter=3000000") else { return };
    wire.send(&request("CREDIT.GRANT a h 5"));
    let mut during = scrape(server.admin_port());
    while sample(&during, "credit_silent_cores") == 0.0 {
        assert_eq!(sample(&during, "credit_transactions_total{type=\"grant\",status=\"ok\"}"), 1.0, "it never hung");
        during = scrape(server.admin_port());
    }
    assert_eq!(sample(&during, "credit_accounts"), sample(&before, "credit_accounts"));
    assert_eq!(get(server.admin_port(), "/readyz", "").status, 200);
    assert!(wire.reply().line().contains("granted"));
}

/// Names of metrics in an expression.
fn names(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = ["credit_", "actor_", "process_"];
    words.filter(|word| ours.iter().any(|prefix| word.starts_with(prefix))).map(str::to_owned).collect()
}

#[track_caller]
fn check_known(samples: &BTreeMap<String, f64>, expression: &str) {
    let is_there = |name: &String| samples.keys().any(|key| key.split('{').next() == Some(name));
    let unknown: Vec<_> = names(expression).into_iter().filter(|name| !is_there(name)).collect();
    assert!(unknown.is_empty(), "no {unknown:?}, of {expression}");
}

#[test]
fn alerts_and_the_dashboard_name_metrics_that_are_there_and_alerts_their_runbooks() {
    let site = Site::new();
    let files = Files::of(&site, &Authority::new("one"));
    let server = site.start(&files.flags(&["--tls-auth-clients", "no"]));
    let _wire = traffic(&server);
    let samples = scrape(server.admin_port());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let alerts = fs::read_to_string(root.join("docs/operate/alerts.yml")).expect("the alerts");
    let alerts: Vec<_> = alerts.split("- alert: ").skip(1).collect();
    assert!(alerts.len() > 10);
    for alert in alerts {
        let line = |key: &str| alert.lines().find_map(|line| line.trim_start().strip_prefix(key)?.strip_prefix(": "));
        let expression = line("expr").unwrap_or_else(|| panic!("an expression on one line: {alert}"));
        assert!(!names(expression).is_empty() || expression.starts_with("up{"), "{expression}");
        check_known(&samples, expression);
        let runbook = line("runbook_url").unwrap_or_else(|| panic!("a runbook: {alert}"));
        assert!(runbook.starts_with("docs/operate/runbooks/") && root.join(runbook).is_file(), "{runbook}");
        assert!(line("summary").is_some() && ["page", "ticket"].iter().any(|word| alert.contains(word)), "{alert}");
    }
    let dashboard = fs::read_to_string(root.join("docs/operate/dashboard.json")).expect("the dashboard");
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let expressions: Vec<_> = targets.map(|target| target["expr"].as_str().expect("an expression")).collect();
    assert!(expressions.len() > 20);
    expressions.iter().for_each(|expression| check_known(&samples, expression));
}
