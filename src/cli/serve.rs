//! `creditd serve`: the log, the server, the banner.

use std::net::SocketAddr;

use tracing::level_filters::LevelFilter;
use tracing::{error, info};

use crate::archive::accounts_near;
use crate::config::{Appendfsync, Config, Exit, LogFormat};
use crate::journal::JournalError;
use crate::server::{self, Ready, StartError};
use crate::telemetry::Loading;

use super::progress::Progress;

/// Serves until the server is told to stop, or cannot start.
pub(super) fn serve(config: Config) -> Exit {
    start_log(&config);
    let shown = config.clone();
    let reading = Progress::new("reading snapshots and log", 0);
    let on_loading = |loading: &Loading| reading.set(loading.loaded_bytes, loading.total_bytes);
    let on_ready = |ready: &Ready| {
        reading.finish();
        super::print(&banner(&shown, ready));
    };
    match server::run(config, on_loading, on_ready) {
        Ok(()) => {
            info!("stopped, everything is on disk");
            Exit::Ok
        }
        Err(err) => {
            reading.finish();
            error!(%err, "cannot serve");
            name_accounts(&err, &shown);
            err.exit()
        }
    }
}

/// Says who is concerned, if acknowledged data is damaged.
fn name_accounts(err: &StartError, config: &Config) {
    let StartError::Journal(JournalError::Refused(refusal)) = err else { return };
    let Some((shard, lost)) = refusal.shard.zip(refusal.lost.as_ref()) else { return };
    let accounts = accounts_near(&config.data_dir, shard, lost);
    if !accounts.is_empty() {
        error!(shard, accounts = accounts.join(" "), "accounts with entries next to what is lost, at least");
    }
}

/// Log lines go to standard error, so that standard output holds the banner alone.
fn start_log(config: &Config) {
    let level: LevelFilter = config.log_level.parse().expect("the knob's words are the levels of tracing");
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_target(false);
    // It would tell of a line that cannot be written on the same standard error, and panic: a full disk, or a collector
    // that went away, would end the server.
    let log = log.log_internal_errors(false);
    // A second start in one process (tests) keeps the first log.
    let _already_set = match config.log_format {
        LogFormat::Text => log.with_ansi(false).try_init(),
        LogFormat::Json => log.json().try_init(),
    };
}

/// What a new user wants to know. Scripts read the port from the first line.
fn banner(config: &Config, ready: &Ready) -> String {
    let joined = |addresses: &[SocketAddr]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let has_plain = !ready.addresses.is_empty();
    let addresses = if has_plain { &ready.addresses } else { &ready.tls_addresses };
    let tls = match &ready.tls_addresses[..] {
        [] => String::new(),
        addresses => format!("\x20 TLS         {}\n", joined(addresses)),
    };
    let data_dir = std::path::absolute(&config.data_dir).unwrap_or_else(|_| config.data_dir.clone());
    let durability = match config.appendfsync {
        Appendfsync::Always => "appendfsync always: a reply leaves when what it shows is on disk",
        Appendfsync::No => "appendfsync no: kill -9 loses nothing, a power cut loses what the kernel held",
    };
    format!(
        "creditd {version} listening on {addresses}\n\
         {tls}\
         \x20 data        {data_dir}\n\
         \x20 shards      {shards} on {cores} core{s}\n\
         \x20 durability  {durability}\n\
         \x20 metrics     http://{admin}/metrics\n\
         \x20 try         redis-cli -p {port}{options} CREDIT.GRANT tradie:7 pay_991 20\n",
        version = env!("CARGO_PKG_VERSION"),
        addresses = joined(addresses),
        port = addresses.first().map_or(0, SocketAddr::port),
        options = if has_plain { "" } else { " --tls --cacert CA.pem" },
        admin = ready.admin_addresses.first().map_or_else(String::new, ToString::to_string),
        data_dir = data_dir.display(),
        shards = ready.shards,
        cores = ready.cores,
        s = if ready.cores == 1 { "" } else { "s" },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_tells_where_what_and_how() {
        let flags = [("port", "0".to_string()), ("data-dir", "/tmp/d".to_string())];
        let config = Config::load(flags, []).unwrap();
        let addresses = vec!["127.0.0.1:4711".parse().unwrap(), "[::1]:4711".parse().unwrap()];
        let admin_addresses = vec!["127.0.0.1:14711".parse().unwrap()];
        let mut ready = Ready { addresses, tls_addresses: Vec::new(), admin_addresses, shards: 2, cores: 1 };
        let text = banner(&config, &ready);
        let first = format!("creditd {} listening on 127.0.0.1:4711 [::1]:4711\n", env!("CARGO_PKG_VERSION"));
        assert!(text.starts_with(&first), "{text}");
        for words in [
            "/tmp/d",
            "2 on 1 core\n",
            "appendfsync always",
            "redis-cli -p 4711 CREDIT.GRANT",
            "http://127.0.0.1:14711/metrics",
        ] {
            assert!(text.contains(words), "{words} in {text}");
        }
        assert!(!text.contains("TLS"), "{text}");
        ready.tls_addresses = vec!["127.0.0.1:4712".parse().unwrap()];
        assert!(banner(&config, &ready).contains("4711 [::1]:4711\n  TLS         127.0.0.1:4712\n  data"));
        ready.addresses.clear();
        let text = banner(&config, &ready);
        assert!(text.contains("listening on 127.0.0.1:4712\n") && text.contains("-p 4712 --tls"), "{text}");
    }

    #[test]
    fn every_log_level_of_the_knob_is_one_of_tracing() {
        for level in ["error", "warn", "info", "debug", "trace"] {
            let config = Config::load([("log-level", level.to_string())], []).unwrap();
            config.log_level.parse::<LevelFilter>().expect(level);
        }
    }
}
