//! INFO as clients and tools read it.

use super::super::latency::Stage;
use super::super::{LeadFacts, Loading, ProcessFigures};
use super::*;

fn shard(shard: u16, granted: u128, debited: u128) -> ShardFacts {
    let totals = CreditTotals { accounts: 3, granted, debited, balance: granted - debited, ..Default::default() };
    ShardFacts {
        shard,
        totals,
        next_lsn: 8_192,
        oldest_lsn: 1_024,
        changes_since_save: 4,
        snapshot_bytes: 4_096,
        durable_lsn: 4_096,
        commits: 2,
        records: 5,
        commit_bytes: 8_192,
        leads: LeadFacts { leads: 4, open: 3, claims: 7, bytes: 500, running: 2 },
        ..Default::default()
    }
}

fn two_cores() -> Vec<CoreFacts> {
    let mut counters = CoreCounters::new(["ping", "credit.debit"]);
    counters.called(1);
    counters.batch_ended(2_500);
    counters.failed(1, "INSUFFICIENT");
    counters.latencies.record(Stage::Sync, 100_000, 1);
    let core = |core, shards| CoreFacts {
        core,
        clients: 4,
        clients_bytes: 700,
        feed: FeedFacts::default(),
        counters: counters.clone(),
        shards,
    };
    vec![core(0, vec![shard(0, 100, 30), shard(2, 1, 0)]), core(1, vec![shard(1, u128::from(u64::MAX), 5)])]
}

fn server() -> ServerFacts {
    let process =
        ProcessFigures { rss_bytes: 3 << 19, cpu_user_us: 1_020_000, device_write_bytes: 32_768, ..Default::default() };
    ServerFacts {
        version: "0.1.0",
        redis_version: "7.2.4",
        maxclients: 10_000,
        clients_bytes_max: 6_000_000,
        strangers: 0,
        uptime_ms: 90_061_000,
        process,
        device_write_bytes_at_ready: 8_192,
        ..Default::default()
    }
}

fn rendered(sections: &[&str]) -> String {
    info(&server(), &two_cores(), sections)
}

fn titles(text: &str) -> Vec<&str> {
    text.split("\r\n").filter_map(|line| line.strip_prefix("# ")).collect()
}

#[track_caller]
fn value<'a>(text: &'a str, name: &str) -> &'a str {
    let mut found = text.split("\r\n").filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let value = found.next().unwrap_or_else(|| panic!("no {name}"));
    assert_eq!(found.next(), None, "{name} stands once");
    value
}

#[test]
fn sections_are_chosen_as_in_redis() {
    let all: Vec<_> = SECTIONS.iter().map(|section| section.title).collect();
    assert_eq!(titles(&rendered(&["all"])), all);
    assert_eq!(titles(&rendered(&["EVERYTHING"])), all);
    let default = titles(&rendered(&[])).join(" ");
    assert!(!default.contains("Commandstats") && default.contains("Server") && default.contains("Shards"));
    assert_eq!(titles(&rendered(&["default"])).join(" "), default);
    assert_eq!(titles(&rendered(&["keyspace", "Server", "server"])), ["Server", "Keyspace"]);
    assert_eq!(titles(&rendered(&["default", "commandstats"])).len(), titles(&rendered(&[])).len() + 1);
    assert_eq!(rendered(&["nonsense"]), "");
}

#[test]
fn every_line_is_a_title_a_field_or_empty_and_ends_with_crlf() {
    let text = rendered(&["all"]);
    assert!(text.ends_with("\r\n") && !text.replace("\r\n", "").contains(['\r', '\n']));
    for line in text.trim_end().split("\r\n") {
        assert!(line.is_empty() || line.starts_with("# ") || line.contains(':'), "{line}");
    }
}

/// What redis-protocol.md A says that INFO must carry at least.
#[test]
fn every_field_that_clients_and_tools_parse_is_there() {
    let text = rendered(&["everything"]);
    for (section, names) in [
        (
            "Server",
            "redis_version redis_mode os arch_bits process_id run_id tcp_port uptime_in_seconds uptime_in_days executable config_file creditd_version",
        ),
        ("Clients", "connected_clients blocked_clients maxclients"),
        ("Memory", "used_memory used_memory_human used_memory_peak used_memory_rss maxmemory maxmemory_policy"),
        (
            "Persistence",
            "loading rdb_changes_since_last_save rdb_bgsave_in_progress rdb_last_save_time rdb_last_bgsave_status aof_enabled aof_last_write_status",
        ),
        (
            "Stats",
            "total_connections_received total_commands_processed instantaneous_ops_per_sec total_net_input_bytes total_net_output_bytes rejected_connections keyspace_hits keyspace_misses expired_keys evicted_keys",
        ),
        ("Replication", "role connected_slaves master_replid master_repl_offset"),
        ("CPU", "used_cpu_sys used_cpu_user"),
        ("Modules", ""),
        ("Commandstats", "cmdstat_credit.debit"),
        ("Errorstats", "errorstat_INSUFFICIENT"),
        ("Latencystats", ""),
        ("Cluster", "cluster_enabled"),
        ("Keyspace", "db0"),
    ] {
        let alone = rendered(&[section]);
        assert!(alone.starts_with(&format!("# {section}\r\n")) && text.contains(&alone), "{section}");
        names.split_whitespace().for_each(|name| {
            assert!(
                !value(&alone, name).is_empty()
                    || name == "executable"
                    || name == "config_file"
                    || name.ends_with("id"),
                "{name}"
            )
        });
    }
    let two = rendered(&["replication", "server"]);
    assert_eq!(two, format!("{}\r\n{}", rendered(&["server"]), rendered(&["replication"])));
}

#[test]
fn clients_find_the_fields_they_ask_for() {
    let text = rendered(&["all"]);
    for (name, expected) in [
        ("redis_version", "7.2.4"),
        ("creditd_version", "0.1.0"),
        ("redis_mode", "standalone"),
        ("arch_bits", "64"),
        ("uptime_in_seconds", "90061"),
        ("uptime_in_days", "1"),
        ("connected_clients", "8"),
        ("blocked_clients", "0"),
        ("maxclients", "10000"),
        ("mem_clients_normal", "1400"),
        ("maxmemory_clients", "6000000"),
        ("used_memory", "1572864"),
        ("used_memory_human", "1.50M"),
        ("maxmemory_policy", "noeviction"),
        ("loading", "0"),
        ("rdb_changes_since_last_save", "12"),
        ("rdb_bgsave_in_progress", "0"),
        ("rdb_last_bgsave_status", "ok"),
        ("rdb_last_bgsave_time_sec", "-1"),
        ("snapshot_bytes", "12288"),
        ("log_bytes_kept", "21504"),
        ("aof_enabled", "1"),
        ("aof_last_write_status", "ok"),
        ("total_commands_processed", "2"),
        ("total_error_replies", "2"),
        ("role", "master"),
        ("connected_slaves", "0"),
        ("used_cpu_user", "1.020000"),
        ("cmdstat_credit.debit", "calls=2,usec=5,usec_per_call=2.50,rejected_calls=0,failed_calls=2"),
        ("errorstat_INSUFFICIENT", "count=2"),
        ("cluster_enabled", "0"),
        ("leads_memory", "1500"),
        ("leads", "12"),
        ("leads_open", "9"),
        ("lead_claims", "21"),
        ("claims_running", "6"),
        ("db0", "keys=9,expires=0,avg_ttl=0"),
        ("log_commits", "6"),
        ("log_undurable_bytes", "12288"),
        ("log_device_kib_per_commit", "4.00"),
    ] {
        assert_eq!(value(&text, name), expected, "{name}");
    }
    assert!(value(&text, "latency_percentiles_usec_sync").starts_with("p50="));
    assert!(!text.contains("cmdstat_ping"), "never called, as in Redis no line");
}

#[test]
fn totals_satisfy_i2_beyond_64_bits_and_shards_have_a_line_each() {
    let text = rendered(&["credits", "shards"]);
    let figure = |name| value(&text, name).parse::<u128>().unwrap();
    assert_eq!(figure("granted"), u128::from(u64::MAX) + 101);
    assert_eq!(figure("balance"), figure("granted") + figure("refunded") - figure("debited") - figure("captured"));
    assert_eq!(figure("accounts"), 9);
    let shards: Vec<_> = text.split("\r\n").filter(|line| line.starts_with("shard")).collect();
    assert_eq!(shards.len(), 3);
    assert!(shards[1].starts_with("shard1:core=1,accounts=3,"), "by shard, not by core: {}", shards[1]);
    assert!(shards[0].contains("next_lsn=8192,durable_lsn=4096,undurable_bytes=4096,commits=2,"), "{}", shards[0]);
    assert!(shards[0].ends_with("records=5,bytes_per_commit=4096.00"), "{}", shards[0]);
}

#[test]
fn one_shard_that_could_not_be_saved_is_told() {
    let mut cores = two_cores();
    cores[1].shards[0].save_failed = true;
    let facts = ServerFacts { saving: true, last_save_duration_ms: Some(2_900), ..server() };
    let text = info(&facts, &cores, &["persistence"]);
    assert_eq!(value(&text, "rdb_last_bgsave_status"), "err");
    assert_eq!((value(&text, "rdb_bgsave_in_progress"), value(&text, "rdb_last_bgsave_time_sec")), ("1", "2"));
}

#[test]
fn a_loading_server_says_how_far_it_is_without_any_core() {
    let loading = Some(Loading { total_bytes: 400, loaded_bytes: 100, eta_seconds: 9 });
    let text = info(&ServerFacts { loading, ..server() }, &[], &["all"]);
    assert_eq!(value(&text, "loading"), "1");
    assert_eq!(value(&text, "loading_loaded_perc"), "25.00");
    assert_eq!(value(&text, "loading_eta_seconds"), "9");
    assert_eq!(value(&text, "total_commands_processed"), "0");
}

#[test]
fn sizes_are_shown_as_redis_shows_them() {
    for (bytes, text) in
        [(0, "0B"), (1_023, "1023B"), (1_024, "1.00K"), (5 << 20, "5.00M"), (3 << 29, "1.50G"), (1 << 40, "1.00T")]
    {
        assert_eq!(human(bytes), text);
    }
}
