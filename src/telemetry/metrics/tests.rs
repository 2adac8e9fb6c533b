//! The tables keep their rules, and the page for operators shows them.

use super::super::{CoreCounters, FeedFacts, Stage};
use super::*;
use std::collections::BTreeSet;

/// What a label may be: all their values are words of ours or small numbers.
const LABELS: [&str; 15] = [
    "by",
    "code",
    "command",
    "core",
    "direction",
    "kind",
    "reason",
    "result",
    "shard",
    "stage",
    "state",
    "status",
    "table",
    "type",
    "version",
];

fn scrape() -> Scrape {
    let mut counters = CoreCounters::new(["credit.debit", "lead.claim", "ping"]);
    counters.written = [0, 5, 0, 0, 0, 0, 2];
    counters.failed(0, "INSUFFICIENT");
    counters.failed(0, "TRYAGAIN");
    counters.rejected(0, "ERR");
    counters.failed(1, "LEADFULL");
    counters.error("ERR");
    counters.called(0);
    counters.batch_ended(2_000);
    counters.latencies.record(Stage::Execute, 700, 3);
    let core = |core| CoreFacts {
        core,
        clients: 1,
        clients_bytes: 1,
        feed: FeedFacts::default(),
        counters: counters.clone(),
        shards: vec![ShardFacts::default()],
    };
    Scrape { cores: vec![core(0), core(1)], ..Scrape::default() }
}

#[test]
fn the_page_shows_every_metric_and_no_other() {
    let page = include_str!("../../../docs/operate/metrics.md");
    let table = page.lines().skip_while(|line| !line.starts_with("| metric | type |")).skip(2);
    let shown: Vec<_> = table.take_while(|line| line.starts_with('|')).collect();
    let catalog = catalog();
    assert_eq!(shown, catalog.lines().collect::<Vec<_>>(), "the table should be:\n{catalog}");
}

#[test]
fn names_are_unique_and_labels_are_words_of_ours() {
    let names: BTreeSet<_> = families().map(Family::full_name).collect();
    assert_eq!(names.len(), families().count());
    for family in families() {
        let name = family.full_name();
        assert!(["credit_", "process_", "actor_queue_size"].iter().any(|prefix| name.starts_with(prefix)), "{name}");
        assert!(
            !family.help.ends_with('.') && !family.help.contains(['|', '\n', '\\', '"']),
            "{name}: {}",
            family.help
        );
        assert!(family.labels.split_whitespace().all(|label| LABELS.contains(&label)), "{name}: {}", family.labels);
    }
}

#[test]
fn writes_are_done_declined_or_refused_and_cores_are_summed() {
    let text = openmetrics(scrape());
    for line in [
        "credit_transactions_total{type=\"debit\",status=\"ok\"} 10",
        "credit_transactions_total{type=\"debit\",status=\"declined\"} 2",
        "credit_transactions_total{type=\"debit\",status=\"refused\"} 4",
        "credit_declined_total{type=\"debit\",reason=\"insufficient\"} 2",
        "credit_claims_total{result=\"claimed\"} 4",
        "credit_claims_total{result=\"leadfull\"} 2",
        "credit_errors_total{code=\"err\"} 4",
        "credit_processing_duration_seconds_count{type=\"debit\"} 2",
        "credit_processing_duration_seconds_bucket{le=\"0.0000025\",type=\"debit\"} 2",
        "credit_processing_duration_bucket{le=\"+Inf\",type=\"debit\"} 2",
        "credit_stage_duration_seconds_bucket{le=\"0.000001\",stage=\"execute\"} 6",
        "credit_connections 2",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn samples_have_the_labels_that_the_page_says() {
    let text = openmetrics(scrape());
    for part in text.split("# HELP ").skip(1) {
        let described = part.split(' ').next().expect("a name");
        let family = families().find(|family| family.full_name().starts_with(described)).expect("it is in the table");
        for sample in part.lines().skip(1).filter_map(|line| line.strip_prefix(family.name)) {
            let labels = sample.split_once('{').map_or("", |(_, rest)| rest.split_once('}').expect("an end").0);
            let names = labels.split(',').filter_map(|label| Some(label.split_once('=')?.0));
            let names: Vec<_> = names.filter(|name| *name != "le").collect();
            assert_eq!(names.join(" "), family.labels, "{}{sample}", family.name);
        }
    }
}

#[test]
fn before_any_core_has_answered_there_is_an_exposition_too() {
    let text = openmetrics(Scrape { silent_cores: 2, ..Scrape::default() });
    assert!(text.contains("\ncredit_silent_cores 2\n") && text.ends_with("# EOF\n"), "{text}");
}
