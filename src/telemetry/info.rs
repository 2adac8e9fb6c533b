//! The text of INFO: Redis' sections and field names (redis-protocol.md A), then our own.
//!
//! One table of sections; each is a function that writes `name:value` lines. Totals are sums over all cores and
//! shards, so they satisfy I2 and I3 up to the batch that runs meanwhile (commands.md C.8).

use std::fmt::{Display, Write};

use super::counters::CoreCounters;
use super::facts::{CoreFacts, CreditTotals, DiskState, FeedFacts, ServerFacts, ShardFacts};
use super::latency::STAGES;

/// A section: its name in requests, its title, whether it is shown unasked, and its lines.
struct Section {
    name: &'static str,
    title: &'static str,
    by_default: bool,
    write: fn(&View<'_>, &mut Lines),
}

const fn section(
    name: &'static str,
    title: &'static str,
    by_default: bool,
    write: fn(&View<'_>, &mut Lines),
) -> Section {
    Section { name, title, by_default, write }
}

/// In the order of Redis.
const SECTIONS: &[Section] = &[
    section("server", "Server", true, server_section),
    section("clients", "Clients", true, clients_section),
    section("memory", "Memory", true, memory_section),
    section("persistence", "Persistence", true, persistence_section),
    section("stats", "Stats", true, stats_section),
    section("replication", "Replication", true, replication_section),
    section("cpu", "CPU", true, cpu_section),
    section("modules", "Modules", true, |_, _| {}),
    section("commandstats", "Commandstats", false, commandstats_section),
    section("errorstats", "Errorstats", true, errorstats_section),
    section("latencystats", "Latencystats", false, latencystats_section),
    section("cluster", "Cluster", true, cluster_section),
    section("keyspace", "Keyspace", true, keyspace_section),
    section("credits", "Credits", true, credits_section),
    section("shards", "Shards", true, shards_section),
];

/// Renders the asked sections, CRLF lines, in the order of Redis, each once. No names: the default ones; `all` and
/// `everything`: every one; unknown names add nothing. Names are compared without case.
pub fn info(server: &ServerFacts, cores: &[CoreFacts], sections: &[&str]) -> String {
    let view = View::new(server, cores);
    let mut lines = Lines(String::with_capacity(4096));
    for section in SECTIONS.iter().filter(|section| is_asked(section, sections)) {
        if !lines.0.is_empty() {
            lines.0.push_str("\r\n");
        }
        lines.0.push_str("# ");
        lines.0.push_str(section.title);
        lines.0.push_str("\r\n");
        (section.write)(&view, &mut lines);
    }
    lines.0
}

fn is_asked(section: &Section, names: &[&str]) -> bool {
    let asks = |name: &&str| match () {
        () if name.eq_ignore_ascii_case("all") || name.eq_ignore_ascii_case("everything") => true,
        () if name.eq_ignore_ascii_case("default") => section.by_default,
        () => name.eq_ignore_ascii_case(section.name),
    };
    if names.is_empty() { section.by_default } else { names.iter().any(asks) }
}

/// The facts with their sums.
pub(super) struct View<'a> {
    pub(super) server: &'a ServerFacts,
    /// In order, with the cores that they live on.
    pub(super) shards: Vec<(usize, &'a ShardFacts)>,
    /// `None` before the first core reports, while loading.
    pub(super) counters: Option<CoreCounters>,
    pub(super) clients: u64,
    pub(super) clients_bytes: u64,
    pub(super) feed: FeedFacts,
    cores: usize,
    pub(super) totals: CreditTotals,
}

impl<'a> View<'a> {
    pub(super) fn new(server: &'a ServerFacts, cores: &'a [CoreFacts]) -> Self {
        let mut shards: Vec<_> = cores.iter().flat_map(|core| core.shards.iter().map(|s| (core.core, s))).collect();
        shards.sort_by_key(|(_, shard)| shard.shard);
        let mut totals = CreditTotals::default();
        shards.iter().for_each(|(_, shard)| totals.add(&shard.totals));
        let mut counters = cores.first().map(|core| core.counters.clone());
        if let Some(sum) = &mut counters {
            cores[1..].iter().for_each(|core| sum.merge(&core.counters));
        }
        let clients = cores.iter().map(|core| core.clients).sum();
        let clients_bytes = cores.iter().map(|core| core.clients_bytes).sum();
        let mut feed = FeedFacts::default();
        cores.iter().for_each(|core| feed.merge(&core.feed));
        Self { server, shards, counters, clients, clients_bytes, feed, cores: cores.len(), totals }
    }

    pub(super) fn shard_sum(&self, figure: impl Fn(&ShardFacts) -> u64) -> u64 {
        self.shards.iter().map(|(_, shard)| figure(shard)).sum()
    }

    pub(super) fn count(&self, figure: impl Fn(&CoreCounters) -> u64) -> u64 {
        self.counters.as_ref().map_or(0, figure)
    }
}

/// `name:value` lines.
struct Lines(String);

impl Lines {
    fn put(&mut self, name: impl Display, value: impl Display) {
        write!(self.0, "{name}:{value}\r\n").expect("a string takes every write");
    }
}

fn server_section(view: &View<'_>, out: &mut Lines) {
    let server = view.server;
    out.put("redis_version", server.redis_version);
    out.put("creditd_version", server.version);
    out.put("redis_mode", "standalone");
    out.put("os", std::env::consts::OS);
    out.put("arch_bits", usize::BITS);
    out.put("process_id", server.process_id);
    out.put("run_id", &server.run_id);
    out.put("tcp_port", server.tcp_port);
    out.put("server_time_usec", server.now_us);
    out.put("uptime_in_seconds", server.uptime_ms / 1_000);
    out.put("uptime_in_days", server.uptime_ms / 86_400_000);
    out.put("hz", 10);
    out.put("executable", &server.executable);
    out.put("config_file", &server.config_file);
    out.put("data_dir", &server.data_dir);
    out.put("cores", view.cores);
    out.put("shards", view.shards.len());
}

fn clients_section(view: &View<'_>, out: &mut Lines) {
    out.put("connected_clients", view.clients);
    out.put("cluster_connections", 0);
    out.put("maxclients", view.server.maxclients);
    out.put("blocked_clients", view.feed.blocked);
    out.put("tracking_clients", 0);
    out.put("pubsub_clients", view.feed.subscribed);
}

fn memory_section(view: &View<'_>, out: &mut Lines) {
    let process = &view.server.process;
    let dataset = view.shard_sum(|shard| shard.account_bytes + shard.transaction_bytes + shard.leads.bytes);
    for (name, bytes) in [
        ("used_memory", process.rss_bytes),
        ("used_memory_rss", process.rss_bytes),
        ("used_memory_peak", process.rss_peak_bytes),
        ("used_memory_dataset", dataset),
        ("total_system_memory", process.machine_bytes),
    ] {
        out.put(name, bytes);
        out.put(format_args!("{name}_human"), human(bytes));
    }
    out.put("accounts_memory", view.shard_sum(|shard| shard.account_bytes));
    out.put("transactions_memory", view.shard_sum(|shard| shard.transaction_bytes));
    out.put("leads_memory", view.shard_sum(|shard| shard.leads.bytes));
    out.put("mem_clients_normal", view.clients_bytes);
    out.put("maxmemory_clients", view.server.clients_bytes_max);
    out.put("maxmemory", 0);
    out.put("maxmemory_human", "0B");
    out.put("maxmemory_policy", "noeviction");
    out.put("mem_allocator", if cfg!(feature = "mimalloc") { "mimalloc" } else { "libc" });
}

fn persistence_section(view: &View<'_>, out: &mut Lines) {
    let server = view.server;
    out.put("loading", u8::from(server.loading.is_some()));
    out.put("async_loading", 0);
    if let Some(loading) = server.loading {
        let percent = 100.0 * loading.loaded_bytes as f64 / loading.total_bytes.max(1) as f64;
        out.put("loading_start_time", server.started_ms / 1_000);
        out.put("loading_total_bytes", loading.total_bytes);
        out.put("loading_loaded_bytes", loading.loaded_bytes);
        out.put("loading_loaded_perc", format_args!("{percent:.2}"));
        out.put("loading_eta_seconds", loading.eta_seconds);
    }
    let failed = view.shards.iter().any(|(_, shard)| shard.save_failed);
    out.put("rdb_changes_since_last_save", view.shard_sum(|shard| shard.changes_since_save));
    out.put("rdb_bgsave_in_progress", u8::from(server.saving));
    out.put("rdb_last_save_time", server.last_save_ms / 1_000);
    out.put("rdb_last_bgsave_status", if failed { "err" } else { "ok" });
    out.put("rdb_last_bgsave_time_sec", server.last_save_duration_ms.map_or(-1, |ms| (ms / 1_000) as i64));
    out.put("snapshot_bytes", view.shard_sum(|shard| shard.snapshot_bytes));
    out.put("snapshot_longest_step_us", server.snapshot_longest_step_ns / 1_000);
    out.put("aof_enabled", 1);
    out.put("aof_rewrite_in_progress", 0);
    let disk = view.shards.iter().map(|(_, shard)| shard.disk).max().unwrap_or_default();
    out.put("aof_last_write_status", if disk < DiskState::Full { "ok" } else { "err" });
    out.put("aof_last_bgrewrite_status", "ok");
    out.put("appendfsync", server.appendfsync);
    out.put("disk_state", disk.word());
    let full_ms = view.shards.iter().map(|(_, shard)| shard.disk_full_ms).max().unwrap_or(0);
    out.put("disk_full_seconds", full_ms / 1_000);
    out.put("log_clean_start", u8::from(server.clean_start));
    let commits = view.shard_sum(|shard| shard.commits);
    let device_bytes = server.process.device_write_bytes.saturating_sub(server.device_write_bytes_at_ready);
    out.put("log_commits", commits);
    out.put("log_inline_commits", view.shard_sum(|shard| shard.inline_commits));
    out.put("log_records", view.shard_sum(|shard| shard.records));
    out.put("log_bytes", view.shard_sum(|shard| shard.commit_bytes));
    out.put("log_bytes_kept", view.shard_sum(|shard| shard.next_lsn - shard.oldest_lsn));
    out.put("log_undurable_bytes", view.shard_sum(ShardFacts::undurable_bytes));
    out.put("log_records_per_commit", ratio(view.shard_sum(|shard| shard.records), commits));
    out.put("log_device_bytes", device_bytes);
    out.put("log_device_kib_per_commit", ratio(device_bytes / 1_024, commits));
}

fn stats_section(view: &View<'_>, out: &mut Lines) {
    out.put("total_connections_received", view.count(|core| core.connections));
    out.put("total_commands_processed", view.count(CoreCounters::calls));
    out.put("instantaneous_ops_per_sec", view.server.ops_per_second);
    out.put("total_net_input_bytes", view.count(|core| core.bytes_in));
    out.put("total_net_output_bytes", view.count(|core| core.bytes_out));
    out.put("rejected_connections", view.count(|core| core.closed_for("maxclients")));
    out.put("evicted_clients", view.count(|core| core.closed_for("clients_memory")));
    out.put("client_output_buffer_limit_disconnections", view.count(|core| core.closed_for("unread_replies")));
    out.put("acl_access_denied_auth", view.count(|core| core.auth_failures));
    out.put("rejected_misconf", view.shard_sum(|shard| shard.refused_disk_full));
    out.put("expired_keys", view.totals.expired);
    out.put("evicted_keys", 0);
    out.put("keyspace_hits", view.count(|core| core.read_hits));
    out.put("keyspace_misses", view.count(|core| core.read_misses));
    out.put("pubsub_channels", view.feed.channels.len());
    out.put("pubsub_patterns", view.feed.patterns.len());
    out.put("pubsub_messages_lost", view.server.messages_lost);
    out.put("pubsub_subscribers_cut", view.count(|core| core.closed_for("unread_messages")));
    let closed = view.counters.iter().flat_map(|core| &core.closed).map(|(word, count)| format!("{word}={count}"));
    out.put("connections_closed", closed.collect::<Vec<_>>().join(","));
    out.put("total_error_replies", view.count(CoreCounters::error_replies));
    out.put("total_replays", view.count(|core| core.replays));
    out.put("total_batches", view.count(|core| core.batches));
    out.put("total_hops", view.count(|core| core.hops));
    out.put("total_hop_batches", view.count(|core| core.hop_batches));
    out.put("total_recalls", view.count(|core| core.recalls));
    out.put("total_walks", view.count(|core| core.walks));
}

fn replication_section(view: &View<'_>, out: &mut Lines) {
    out.put("role", "master");
    out.put("connected_slaves", 0);
    out.put("master_failover_state", "no-failover");
    out.put("master_replid", &view.server.run_id);
    out.put("master_replid2", "0".repeat(40));
    out.put("master_repl_offset", view.shard_sum(|shard| shard.durable_lsn));
    out.put("second_repl_offset", -1);
    out.put("repl_backlog_active", 0);
}

fn cpu_section(view: &View<'_>, out: &mut Lines) {
    let process = &view.server.process;
    for (name, us) in [
        ("used_cpu_sys", process.cpu_system_us),
        ("used_cpu_user", process.cpu_user_us),
        ("used_cpu_sys_children", 0),
        ("used_cpu_user_children", 0),
    ] {
        out.put(name, format_args!("{}.{:06}", us / 1_000_000, us % 1_000_000));
    }
}

fn commandstats_section(view: &View<'_>, out: &mut Lines) {
    let Some(counters) = &view.counters else { return };
    for command in counters.commands().iter().filter(|command| command.calls + command.rejected > 0) {
        out.put(
            format_args!("cmdstat_{}", command.name),
            format_args!(
                "calls={},usec={},usec_per_call={},rejected_calls={},failed_calls={}",
                command.calls,
                command.busy_ns / 1_000,
                ratio(command.busy_ns, command.calls * 1_000),
                command.rejected,
                command.failed
            ),
        );
    }
}

fn errorstats_section(view: &View<'_>, out: &mut Lines) {
    for (code, count) in view.counters.iter().flat_map(CoreCounters::errors_by_code) {
        out.put(format_args!("errorstat_{code}"), format_args!("count={count}"));
    }
}

fn latencystats_section(view: &View<'_>, out: &mut Lines) {
    let Some(counters) = &view.counters else { return };
    let latencies = &counters.latencies;
    for (stage, name) in STAGES.iter().filter(|(stage, _)| latencies.count(*stage) > 0) {
        let us = |quantile| latencies.quantile_ns(*stage, quantile) as f64 / 1_000.0;
        out.put(
            format_args!("latency_percentiles_usec_{name}"),
            format_args!("p50={:.3},p99={:.3},p99.9={:.3}", us(0.5), us(0.99), us(0.999)),
        );
    }
}

fn cluster_section(_: &View<'_>, out: &mut Lines) {
    out.put("cluster_enabled", 0);
}

fn keyspace_section(view: &View<'_>, out: &mut Lines) {
    // As in Redis, an empty database has no line.
    if view.totals.accounts > 0 {
        out.put("db0", format_args!("keys={},expires=0,avg_ttl=0", view.totals.accounts));
    }
}

fn credits_section(view: &View<'_>, out: &mut Lines) {
    let totals = &view.totals;
    out.put("accounts", totals.accounts);
    out.put("holds", totals.holds);
    out.put("transactions", view.shard_sum(|shard| shard.transactions));
    out.put("granted", totals.granted);
    out.put("debited", totals.debited);
    out.put("captured", totals.captured);
    out.put("refunded", totals.refunded);
    out.put("balance", totals.balance);
    out.put("reserved", totals.reserved);
    out.put("leads", view.shard_sum(|shard| shard.leads.leads));
    out.put("leads_open", view.shard_sum(|shard| shard.leads.open));
    out.put("lead_claims", view.shard_sum(|shard| shard.leads.claims));
    out.put("claims_running", view.shard_sum(|shard| shard.leads.running));
}

fn shards_section(view: &View<'_>, out: &mut Lines) {
    for (core, shard) in &view.shards {
        out.put(
            format_args!("shard{}", shard.shard),
            format_args!(
                "core={core},accounts={},holds={},transactions={},oldest_lsn={},next_lsn={},durable_lsn={},\
                 undurable_bytes={},commits={},inline_commits={},records={},bytes_per_commit={}",
                shard.totals.accounts,
                shard.totals.holds,
                shard.transactions,
                shard.oldest_lsn,
                shard.next_lsn,
                shard.durable_lsn,
                shard.undurable_bytes(),
                shard.commits,
                shard.inline_commits,
                shard.records,
                ratio(shard.commit_bytes, shard.commits),
            ),
        );
    }
}

/// `part / whole` with two decimals; 0.00 of nothing.
fn ratio(part: u64, whole: u64) -> String {
    format!("{:.2}", if whole == 0 { 0.0 } else { part as f64 / whole as f64 })
}

/// As Redis shows sizes: `1.00M`.
fn human(bytes: u64) -> String {
    const UNITS: [(u32, char); 4] = [(40, 'T'), (30, 'G'), (20, 'M'), (10, 'K')];
    match UNITS.iter().find(|(shift, _)| bytes >> shift > 0) {
        Some((shift, unit)) => format!("{:.2}{unit}", bytes as f64 / (1u64 << shift) as f64),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
#[path = "info_tests.rs"]
mod tests;
