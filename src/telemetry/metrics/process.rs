//! The server as a process: version, recovery, connections, and what the system gives it.

use super::{Family, family};
use prometheus_client::metrics::MetricType::{Counter, Gauge, Info};
use prometheus_client::registry::Unit;

pub(super) const FAMILIES: &[Family] = &[
    family("credit_build", None, Info, "version", "What runs here", |looked, out| {
        out.info(&[("version", looked.view.server.version)])
    }),
    family("credit_serving", None, Gauge, "", "1 when commands are taken, 0 while the log is read", |looked, out| {
        out.gauge(&[], u64::from(looked.view.server.loading.is_none()))
    }),
    family(
        "credit_recovery_progress",
        None,
        Gauge,
        "",
        "The part of snapshots and log that a start has read, 0 to 1; 1 when it is over",
        |looked, out| {
            let progress =
                looked.view.server.loading.map_or(1.0, |l| {
                    if l.total_bytes == 0 { 0.0 } else { l.loaded_bytes as f64 / l.total_bytes as f64 }
                });
            out.gauge(&[], progress)
        },
    ),
    family("credit_recovery_left", Some(Unit::Seconds), Gauge, "", "How long a start goes on at its pace so far", {
        |looked, out| out.gauge(&[], looked.view.server.loading.map_or(0, |loading| loading.eta_seconds))
    }),
    family(
        "credit_silent_cores",
        None,
        Gauge,
        "",
        "Cores that did not answer this scrape within a second; their figures are those of an earlier one",
        |looked, out| out.gauge(&[], looked.scrape.silent_cores),
    ),
    family("credit_connections", None, Gauge, "", "Open connections of clients", |looked, out| {
        out.gauge(&[], looked.view.clients)
    }),
    family("credit_connections_max", None, Gauge, "", "Connections allowed: maxclients", |looked, out| {
        out.gauge(&[], looked.view.server.maxclients)
    }),
    family("credit_connections_memory", Some(Unit::Bytes), Gauge, "", "Memory of the buffers of all connections", {
        |looked, out| out.gauge(&[], looked.view.clients_bytes)
    }),
    family(
        "credit_connections_memory_max",
        Some(Unit::Bytes),
        Gauge,
        "",
        "Memory that the buffers of all connections may hold: maxmemory-clients",
        |looked, out| out.gauge(&[], looked.view.server.clients_bytes_max),
    ),
    family(
        "credit_connections_unauthenticated",
        None,
        Gauge,
        "",
        "Connections that have not logged in, where users have passwords",
        |looked, out| out.gauge(&[], looked.view.server.strangers),
    ),
    family("credit_connections_accepted", None, Counter, "", "Connections accepted", |looked, out| {
        out.counter(&[], looked.view.count(|core| core.connections))
    }),
    family(
        "credit_connections_closed",
        None,
        Counter,
        "reason",
        "Connections closed or not taken, by the reasons in limits.md",
        |looked, out| {
            let mut closed = looked.view.counters.iter().flat_map(|core| &core.closed);
            closed.try_for_each(|(word, count)| out.counter(&[("reason", word)], *count))
        },
    ),
    family(
        "credit_auth_failures",
        None,
        Counter,
        "",
        "Logins that were refused: wrong user or password",
        |looked, out| out.counter(&[], looked.view.count(|core| core.auth_failures)),
    ),
    family("credit_tls_handshakes", None, Counter, "result", "Handshakes of TLS: completed, failed, timed_out", {
        |looked, out| {
            let Some(tls) = &looked.view.server.tls else { return Ok(()) };
            out.counter(&[("result", "completed")], tls.completed)?;
            out.counter(&[("result", "failed")], tls.failed)?;
            out.counter(&[("result", "timed_out")], tls.timed_out)
        }
    }),
    family(
        "credit_tls_certificate_expires_at",
        Some(Unit::Seconds),
        Gauge,
        "",
        "Unix time at which the certificate of TLS ends",
        |looked, out| looked.view.server.tls.iter().try_for_each(|tls| out.gauge(&[], tls.expires_at_s)),
    ),
    family("credit_network", Some(Unit::Bytes), Counter, "direction", "Bytes read from and written to clients", {
        |looked, out| {
            out.counter(&[("direction", "in")], looked.view.count(|core| core.bytes_in))?;
            out.counter(&[("direction", "out")], looked.view.count(|core| core.bytes_out))
        }
    }),
    family("process_cpu", Some(Unit::Seconds), Counter, "", "CPU time of the process", |looked, out| {
        let process = &looked.view.server.process;
        out.counter(&[], (process.cpu_user_us + process.cpu_system_us) as f64 / 1e6)
    }),
    family("process_resident_memory", Some(Unit::Bytes), Gauge, "", "Resident memory", |looked, out| {
        out.gauge(&[], looked.view.server.process.rss_bytes)
    }),
    family("process_start_time", Some(Unit::Seconds), Gauge, "", "Unix time of the start", |looked, out| {
        out.gauge(&[], looked.view.server.started_ms as f64 / 1e3)
    }),
    family("process_open_fds", None, Gauge, "", "Open file descriptors", |looked, out| {
        out.gauge(&[], looked.scrape.system.open_fds)
    }),
    family("process_max_fds", None, Gauge, "", "File descriptors allowed", |looked, out| {
        out.gauge(&[], looked.scrape.system.max_fds)
    }),
];
