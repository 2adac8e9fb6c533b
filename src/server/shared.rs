//! What all threads of the server see: fixed after the start, or atomic and off the way of commands.

use super::access::Access;
use super::closes::Closes;
use super::gate::{Gate, Place, StrangersMax};
use super::mailbox::Mailbox;
use super::monitor::Overseers;
use super::router::Router;
use super::saving::Saves;
use super::slow::Slow;
use super::streams::Streams;
use super::tls;
use super::tuning::Tuning;
use crate::access::Users;
use crate::clock::{Clock, ShardClock};
use crate::commands::Defaults;
use crate::config::Config;
use crate::net::connection::{CloseReason, Limits};
use crate::telemetry::{Loading, ProcessFigures, Rate, ServerFacts};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use tokio::sync::mpsc;

/// Version of Redis whose protocol and INFO are spoken: clients gate features on it (redis-protocol.md A).
pub(super) const REDIS_VERSION: &str = "7.2.4";

/// The server, as its threads share it.
pub(crate) struct Shared {
    pub(super) config: Config,
    pub(super) connection_limits: Limits,
    /// Bytes that the buffers of all connections may hold.
    pub(super) clients_bytes_max: u64,
    pub(super) defaults: Defaults,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) mailboxes: Vec<Arc<Mailbox>>,
    pub(super) router: Router,
    pub(super) run_id: String,
    pub(super) started_ms: u64,
    pub(super) saves: Saves,
    pub(super) streams: Arc<Streams>,
    pub(super) slow: Slow,
    pub(super) access: Arc<Access>,
    pub(super) port: AtomicU16,
    pub(super) tuning: Tuning,
    pub(super) overseers: Overseers,
    pub(super) tls_port: AtomicU16,
    pub(super) tls: tls::Figures,
    shard_clock: OnceLock<ShardClock>,
    fallback_clock: ShardClock,
    loading: LoadingFigures,
    gate: Arc<Gate>,
    /// Connections that no core was given.
    turned_away: Mutex<Closes>,
    clean_start: AtomicBool,
    device_bytes_at_ready: AtomicU64,
    steps: mpsc::Sender<()>,
    stop: mpsc::Sender<()>,
    rate: Mutex<Rate>,
}

/// Progress of recovery, summed over the shards.
#[derive(Default)]
struct LoadingFigures {
    over: AtomicBool,
    total_bytes: AtomicU64,
    loaded_bytes: AtomicU64,
    started_ns: AtomicU64,
}

/// Channels to the thread that starts and stops the server.
pub(super) struct Signals {
    /// A core has done the step it was told.
    pub(super) steps: mpsc::Receiver<()>,
    /// A client has asked for SHUTDOWN.
    pub(super) stop: mpsc::Receiver<()>,
}

impl Shared {
    pub(super) fn new(
        config: Config,
        clock: Arc<dyn Clock>,
        router: Router,
        run_id: String,
        users: Users,
    ) -> std::io::Result<(Arc<Self>, Signals)> {
        let cores = usize::from(router.cores());
        let (steps, steps_out) = mpsc::channel(cores + usize::from(router.shards()));
        let (stop, stop_out) = mpsc::channel(1);
        let mailbox = || Arc::new(Mailbox::new(config.inbox_batches_max, usize::from(router.shards())));
        let mailboxes: Vec<_> = (0..cores).map(|_| mailbox()).collect();
        let shared = Self {
            connection_limits: Limits {
                slots_max: config.slots_per_connection,
                args_max: config.args_max,
                frame_bytes_max: config.frame_bytes_max,
                frame_timeout_ms: config.frame_timeout_ms,
                idle_timeout_ms: config.timeout_ms,
            },
            clients_bytes_max: config.clients_bytes_max.unwrap_or_else(|| ProcessFigures::now().machine_bytes / 4),
            defaults: Defaults { reserve_ttl_ms: config.reserve_ttl_ms, allow_auto_tx: config.allow_auto_tx },
            streams: Arc::new(Streams::start(router.shards(), &mailboxes)?),
            slow: Slow::new(&config),
            access: Access::start(&config, users, &mailboxes)?,
            mailboxes,
            started_ms: clock.wall_ms(),
            saves: Saves::new(router.shards()),
            fallback_clock: ShardClock::start(clock.as_ref(), 0),
            shard_clock: OnceLock::new(),
            port: AtomicU16::new(0),
            tuning: Tuning::new(&config),
            overseers: Overseers::default(),
            tls_port: AtomicU16::new(0),
            tls: tls::Figures::default(),
            loading: LoadingFigures { started_ns: AtomicU64::new(clock.boot_ns()), ..LoadingFigures::default() },
            gate: Gate::new(
                cores,
                StrangersMax { in_all: config.unauthenticated_max, per_ip: config.unauthenticated_per_ip_max },
            ),
            turned_away: Mutex::default(),
            clean_start: AtomicBool::new(false),
            device_bytes_at_ready: AtomicU64::new(0),
            rate: Mutex::default(),
            config,
            clock,
            router,
            run_id,
            steps,
            stop,
        };
        Ok((Arc::new(shared), Signals { steps: steps_out, stop: stop_out }))
    }

    /// Unix milliseconds of the shard clock, now.
    pub(super) fn now_ms(&self) -> u64 {
        self.now_ms_at(self.clock.boot_ns())
    }

    /// The same, from a reading of the boot clock. Before recovery has told the journal's time, the wall's.
    pub(super) fn now_ms_at(&self, boot_ns: u64) -> u64 {
        self.shard_clock.get().unwrap_or(&self.fallback_clock).now_ms(boot_ns)
    }

    /// The journal's newest time is known: the shard clock starts.
    pub(super) fn start_shard_clock(&self, last_journaled_ms: u64) {
        self.shard_clock.get_or_init(|| ShardClock::start(self.clock.as_ref(), last_journaled_ms));
    }

    /// A core has done what it was told; the thread that told it counts.
    pub(super) fn step_done(&self) {
        self.steps.try_send(()).expect("one step a core and a shard at a time");
    }

    /// A client asks the server to stop.
    pub(super) fn request_stop(&self) {
        let _ = self.stop.try_send(()); // full: somebody has asked already
    }

    /// A place for a fresh connection.
    ///
    /// # Errors
    /// Why there is none; it is counted.
    pub(super) fn admit(&self, peer: SocketAddr) -> Result<Place, CloseReason> {
        let is_stranger = self.access.current().unasked().is_none();
        let admitted = self.gate.admit(peer.ip(), self.tuning.maxclients(), is_stranger);
        admitted.inspect_err(|reason| self.turn_away(*reason, peer))
    }

    /// Counts a connection that no core is given.
    pub(super) fn turn_away(&self, reason: CloseReason, peer: SocketAddr) {
        self.turned_away.lock().expect("counting does not panic").closed(reason, peer, self.now_ms());
    }

    /// Connections that no core was given, by word.
    pub(super) fn turned_away_counts(&self) -> BTreeMap<&'static str, u64> {
        self.turned_away.lock().expect("counting does not panic").counts()
    }

    /// Recovery of a shard has come from `was` to `is`: bytes read, of so many. Both may shrink when a snapshot turns out
    /// to be bad; the sums over the shards do as they should.
    pub(super) fn loading_moved(&self, was: (u64, u64), is: (u64, u64)) {
        self.loading.loaded_bytes.fetch_add(is.0.wrapping_sub(was.0), Ordering::Relaxed);
        self.loading.total_bytes.fetch_add(is.1.wrapping_sub(was.1), Ordering::Relaxed);
    }

    /// Recovery is over; `clean` if every log ended with a clean stop.
    pub(super) fn loading_over(&self, clean: bool) {
        self.clean_start.store(clean, Ordering::Relaxed);
        self.device_bytes_at_ready.store(ProcessFigures::now().device_write_bytes, Ordering::Relaxed);
        self.loading.over.store(true, Ordering::Release);
    }

    /// How far recovery is; `None` when it is over.
    pub(super) fn loading(&self) -> Option<Loading> {
        if self.loading.over.load(Ordering::Acquire) {
            return None;
        }
        let total_bytes = self.loading.total_bytes.load(Ordering::Relaxed);
        let loaded_bytes = self.loading.loaded_bytes.load(Ordering::Relaxed).min(total_bytes);
        let elapsed_ns = self.clock.boot_ns() - self.loading.started_ns.load(Ordering::Relaxed);
        let left = u128::from(total_bytes - loaded_bytes) * u128::from(elapsed_ns);
        let eta_ns = left / u128::from(loaded_bytes.max(1));
        Some(Loading { total_bytes, loaded_bytes, eta_seconds: (eta_ns / 1_000_000_000) as u64 })
    }

    /// Unix milliseconds for LASTSAVE: of the shard whose newest snapshot is oldest; of the start, as in Redis, if one has
    /// none.
    pub(super) fn last_save_ms(&self) -> u64 {
        self.saves.last_ms().unwrap_or(self.started_ms)
    }

    /// The server's own facts for INFO. `calls`: commands executed so far, for the rate.
    pub(super) fn facts(&self, calls: u64) -> ServerFacts {
        let now_ms = self.now_ms();
        let ops_per_second = self.rate.lock().map_or(0, |mut rate| rate.sample(now_ms, calls));
        ServerFacts {
            version: env!("CARGO_PKG_VERSION"),
            redis_version: REDIS_VERSION,
            run_id: self.run_id.clone(),
            process_id: std::process::id(),
            tcp_port: self.port.load(Ordering::Relaxed),
            now_us: self.clock.wall_ms() * 1000,
            started_ms: self.started_ms,
            uptime_ms: self.clock.wall_ms().saturating_sub(self.started_ms),
            executable: std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default(),
            config_file: self.config.config_file().map(|path| path.display().to_string()).unwrap_or_default(),
            data_dir: self.config.data_dir.display().to_string(),
            appendfsync: self.config.appendfsync.word(),
            maxclients: self.tuning.maxclients() as u64,
            clients_bytes_max: self.clients_bytes_max,
            strangers: self.gate.strangers() as u64,
            ops_per_second,
            loading: self.loading(),
            clean_start: self.clean_start.load(Ordering::Relaxed),
            last_save_ms: self.last_save_ms(),
            saving: self.saves.is_busy(),
            last_save_duration_ms: self.saves.duration_ms(),
            snapshot_longest_step_ns: self.saves.step_ns_max(),
            tls: self.config.tls.as_ref().map(|_| self.tls.facts()),
            messages_lost: self.streams.interests.lost_so_far(),
            process: ProcessFigures::now(),
            device_write_bytes_at_ready: self.device_bytes_at_ready.load(Ordering::Relaxed),
        }
    }
}
