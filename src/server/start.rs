//! From a configuration to a serving server, and back.

use super::descriptors;
use super::home::Home;
use super::loading::{RecoveredShard, recover_all};
use super::mailbox::{Accepted, Phase, Request};
use super::observe::Observer;
use super::quota;
use super::readers::Readers;
use super::router::Router;
use super::saving::Saver;
use super::shared::{Shared, Signals};
use super::tls::{self, Identity, TlsError};
use super::watch::{self, Post};
use super::{access, core};
use crate::admin;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Exit};
use crate::journal::manifest::SHARDS_MAX;
use crate::journal::{DataDir, JournalError, NewDir, Opened};
use crate::net::connection::CloseReason;
use crate::net::listener::{self, ListenError};
use crate::net::tls::Fresh;
use crate::shard::{Patience, Shard};
use crate::telemetry::Loading;
use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// A wall clock further ahead of the log than this is taken for wrong (journal.md 9): 30 days.
const CLOCK_JUMP_MS_MAX: u64 = 30 * DAY_MS;

/// From the port of clients to the usual admin port: as far as Redis' cluster bus.
const ADMIN_PORT_OFFSET: u16 = 10_000;

const DAY_MS: u64 = 24 * 3600 * 1000;

/// What a server that serves can tell of itself.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Where it listens without TLS.
    pub addresses: Vec<SocketAddr>,
    /// Where it listens for TLS.
    pub tls_addresses: Vec<SocketAddr>,
    /// Where the admin port is.
    pub admin_addresses: Vec<SocketAddr>,
    /// Shards of the data directory.
    pub shards: u16,
    /// Core threads.
    pub cores: usize,
}

/// Why the server could not start, or did not stop well.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory or the log in it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A listening address.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The files that TLS needs.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The wall clock is far ahead of the log.
    #[error(
        "the wall clock is {days} days ahead of the log's newest entry: all holds would expire and all transaction ids \
         be forgotten; set the clock right, or start with --accept-clock-jump if it is"
    )]
    ClockJump {
        /// How far.
        days: u64,
    },
    /// The aclfile.
    #[error("{0}")]
    Users(String),
    /// Open to other machines, and the aclfile lets anybody in.
    #[error(
        "bind {address} lets other machines in and the aclfile lets anybody be `default`: give that user a password, or \
         turn it off (user default off), or bind to 127.0.0.1"
    )]
    Exposed {
        /// The address that is no loopback address.
        address: IpAddr,
    },
    /// The system refused a thread, a signal handler or random bytes.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

impl StartError {
    /// The exit code that says so (journal.md 6).
    pub fn exit(&self) -> Exit {
        match self {
            Self::Journal(error) => Exit::from_code(error.exit_code()),
            Self::Listen(error) if error.source.kind() == ErrorKind::PermissionDenied => Exit::Permission,
            Self::Listen(_) => Exit::Unavailable,
            Self::Tls(error) => error.exit(),
            Self::ClockJump { .. } | Self::Users(_) | Self::Exposed { .. } => Exit::Config,
            Self::System(_) => Exit::Sync,
        }
    }
}

/// What a client hears that is turned away because of the others.
const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";

/// How often the progress of recovery is told.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Serves until SIGTERM, SIGINT or SHUTDOWN. `on_loading` is called now and then while recovery runs, `on_ready` once,
/// when commands are taken.
///
/// # Errors
/// [`StartError`]. A failed sync while serving ends the process instead (journal.md 1.2).
pub fn run(config: Config, on_loading: impl Fn(&Loading), on_ready: impl FnOnce(&Ready)) -> Result<(), StartError> {
    descriptors::provide(config.maxclients);
    if !config.core_dumps {
        descriptors::forbid_core_dumps();
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let cpus = core::cpus();
    let cores = config.cores.unwrap_or_else(|| quota::default_cores(cpus.len()));
    let identity = config.tls.as_ref().map(Identity::load).transpose()?;
    let dir = open_directory(&config, cores)?;
    let listen = |port: Option<u16>| port.map_or_else(|| Ok(Vec::new()), |port| listener::listen(&config.bind, port));
    let listeners = listen(config.port)?;
    let tls_listeners = listen(config.tls.as_ref().map(|tls| tls.port))?;
    let admin_listeners = listen_for_admin(&config)?;
    let router = Router::new(dir.manifest(), cores as u16);
    let users = access::load(&config).map_err(StartError::Users)?;
    if users.unasked().is_some()
        && !config.needs_certificates()
        && let Some(address) = config.exposed_address()
    {
        return Err(StartError::Exposed { address });
    }
    let (shared, signals) = Shared::new(config, clock, router.clone(), run_id()?, users)?;
    let (tls_addresses, admin_addresses) = (addresses(&tls_listeners)?, addresses(&admin_listeners)?);
    let addresses = addresses(&listeners)?;
    tracing::info!(?addresses, ?tls_addresses, ?admin_addresses, "listening");
    let observer = Observer::new(shared.clone());
    let _admin = admin::start(admin_listeners, shared.config.admin_token.clone(), observer.clone())?;
    let port = |addresses: &[SocketAddr]| addresses.first().map_or(0, SocketAddr::port);
    shared.port.store(port(&addresses), Ordering::Relaxed);
    shared.tls_port.store(port(&tls_addresses), Ordering::Relaxed);

    let readers = Readers::start(router.shards(), shared.config.history_threads)?;
    let saver = Saver::start()?;
    let mut threads = Vec::new();
    for id in 0..router.cores() {
        // More cores than CPUs: the rest run where the system puts them.
        threads.push(core::start(
            shared.clone(),
            id,
            cpus.get(usize::from(id)).copied(),
            readers.clone(),
            saver.clone(),
        )?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    let served = local.block_on(&runtime, async {
        let ready = Ready { addresses, tls_addresses, admin_addresses, shards: router.shards(), cores };
        let tls = identity.map(|identity| (tls_listeners, identity));
        serve(&observer, signals, (listeners, tls), &dir, on_loading, || on_ready(&ready)).await
    });
    if served.is_ok() {
        for thread in threads {
            join(thread)?;
        }
    }
    served // on an error the process ends with the cores as they are: they serve nobody yet
}

fn join(thread: JoinHandle<io::Result<()>>) -> io::Result<()> {
    thread.join().map_err(|_| io::Error::other("a core thread panicked"))?
}

fn addresses(listeners: &[TcpListener]) -> io::Result<Vec<SocketAddr>> {
    listeners.iter().map(TcpListener::local_addr).collect()
}

/// Listens where the configuration says, or, where it says nothing, at a usual place or wherever there is one.
fn listen_for_admin(config: &Config) -> Result<Vec<TcpListener>, ListenError> {
    let listen = |port| listener::listen(&config.admin_bind, port);
    if let Some(port) = config.admin_port {
        return listen(port);
    }
    let port = config.port.or(config.tls.as_ref().map(|tls| tls.port)).filter(|port| *port > 0);
    let usual = port.and_then(|port| port.checked_add(ADMIN_PORT_OFFSET));
    usual.map_or_else(|| listen(0), |port| listen(port).or_else(|_| listen(0)))
}

fn open_directory(config: &Config, cores: usize) -> Result<DataDir, StartError> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    let (instance, keys) = random.split_at(16);
    let key = |at: usize| u64::from_le_bytes(keys[at..at + 8].try_into().expect("eight bytes"));
    let new = NewDir {
        instance: instance.try_into().expect("sixteen bytes"),
        shards: config.shards.unwrap_or_else(|| cores.next_power_of_two().min(usize::from(SHARDS_MAX)) as u16),
        hash_keys: [key(0), key(8)],
    };
    Ok(DataDir::open_or_create(&config.data_dir, new)?)
}

/// Forty hex digits, new at every start, as Redis' `run_id`.
fn run_id() -> io::Result<String> {
    let mut random = [0; 20];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

async fn serve(
    observer: &Observer,
    mut signals: Signals,
    (listeners, tls): (Vec<TcpListener>, Option<(Vec<TcpListener>, Identity)>),
    dir: &DataDir,
    on_loading: impl Fn(&Loading),
    on_ready: impl FnOnce(),
) -> Result<(), StartError> {
    let shared = observer.shared();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let keepalive = shared.config.tcp_keepalive_ms.map(Duration::from_millis);
    let accepting: Vec<_> = listeners
        .into_iter()
        .map(|listener| {
            let (inside, outside) = (shared.clone(), shared.clone());
            tokio::task::spawn_local(listener::accept(
                listener,
                keepalive,
                move |stream, peer| place(&inside, stream.into(), peer).map_err(Fresh::into_socket),
                move |stream, peer| {
                    Fresh::from(stream).say(TOO_MANY);
                    outside.turn_away(CloseReason::Descriptors, peer);
                },
            ))
        })
        .collect();
    let start_tls = |(listeners, identity)| tls::start(listeners, identity, shared.clone(), place);
    let handshakes = tls.map(start_tls).transpose()?;
    // Clients connect already, and hear -LOADING.
    let recovered = tokio::select! {
        recovered = recover_all(shared, dir) => recovered?,
        never = tell_loading(shared, on_loading) => match never {},
        _ = terminate.recv() => std::process::exit(0), // nothing was promised yet
        _ = interrupt.recv() => std::process::exit(0),
    };
    install(shared, recovered, &mut signals).await?;
    on_ready();
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
        _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
        _ = signals.stop.recv() => tracing::info!("SHUTDOWN: stopping"),
    }
    observer.stopping();
    for task in accepting {
        task.abort();
    }
    drop(handshakes);
    for phase in [Phase::Quiescing, Phase::Settling, Phase::Finishing] {
        tell_all(shared, &mut signals, phase).await;
    }
    for mailbox in &shared.mailboxes {
        mailbox.request_blocking(Request::Phase(Phase::Closing));
    }
    Ok(())
}

/// Tells how far recovery is, for as long as it is let.
async fn tell_loading(shared: &Shared, on_loading: impl Fn(&Loading)) -> Infallible {
    loop {
        tokio::time::sleep(TELL_EVERY).await;
        if let Some(loading) = shared.loading() {
            on_loading(&loading);
        }
    }
}

/// Gives a fresh socket to the core with the fewest; gives it back if that core is too far behind.
fn place(shared: &Shared, stream: Fresh, peer: SocketAddr) -> Result<(), Fresh> {
    let place = match shared.admit(peer) {
        Ok(place) => place,
        Err(CloseReason::Maxclients) => {
            stream.say(TOO_MANY);
            return Ok(());
        }
        Err(_) => {
            stream.say(b"-ERR too many connections that are not authenticated\r\n");
            return Ok(());
        }
    };
    let Ok(local) = stream.local_addr() else { return Ok(()) }; // gone already
    let core = usize::from(place.core);
    match shared.mailboxes[core].request(Request::Connection(Accepted { stream, peer, local, place })) {
        Err(Request::Connection(accepted)) => Err(accepted.stream),
        _ => Ok(()),
    }
}

/// Tells all cores to go on to `phase` and waits until they have.
async fn tell_all(shared: &Shared, signals: &mut Signals, phase: Phase) {
    for mailbox in &shared.mailboxes {
        mailbox.request_blocking(Request::Phase(phase));
    }
    for _ in &shared.mailboxes {
        signals.steps.recv().await;
    }
}

/// Whether the wall clock can be believed, given the newest time in the log (0: an empty log).
fn check_clock(wall_ms: u64, last_ms: u64) -> Result<(), StartError> {
    let ahead_ms = wall_ms.saturating_sub(last_ms);
    if last_ms > 0 && ahead_ms > CLOCK_JUMP_MS_MAX {
        return Err(StartError::ClockJump { days: ahead_ms / DAY_MS });
    }
    Ok(())
}

/// Starts the shard clock and brings every shard home, in order; then commands are taken.
async fn install(
    shared: &Arc<Shared>,
    mut recovered: Vec<RecoveredShard>,
    signals: &mut Signals,
) -> Result<(), StartError> {
    recovered.sort_unstable_by_key(|shard| shard.number);
    let last_ms = recovered.iter().map(|shard| shard.opened.recovered.last_now_ms).max().unwrap_or(0);
    if !shared.config.accept_clock_jump {
        check_clock(shared.clock.wall_ms(), last_ms)?;
    }
    shared.start_shard_clock(last_ms);
    let patience =
        Patience { walk_max: shared.config.history_walk_max, claim_timeout_ms: shared.config.claim_timeout_ms };
    let clean = recovered.iter().all(|shard| shard.opened.recovered.clean);
    let mut posts = Vec::new();
    for RecoveredShard { number, opened, ledger, newest } in recovered {
        let reader = opened.reader();
        let Opened { committer, log, .. } = opened;
        shared.streams.tails.install(number, reader.clone(), log.durable_lsn());
        let shard = Shard::new(number, ledger, log, reader, shared.now_ms(), patience);
        let post = Post::default();
        posts.push((number, post.clone()));
        let home = Home::new(shard, Box::new(committer), post);
        let core = usize::from(shared.router.core(number));
        shared.mailboxes[core].request_blocking(Request::Install(Box::new(home), newest));
        signals.steps.recv().await;
    }
    watch::start(posts, Arc::downgrade(shared))?;
    tell_all(shared, signals, Phase::Resuming).await;
    shared.loading_over(clean);
    tell_all(shared, signals, Phase::Serving).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_far_ahead_of_the_log_is_not_believed() {
        let last_ms = 1_790_000_000_000;
        for wall_ms in [0, last_ms, last_ms + 30 * DAY_MS] {
            check_clock(wall_ms, last_ms).expect("the log's time wins over a clock behind it");
        }
        check_clock(last_ms, 0).expect("an empty log knows no time");
        let refused = check_clock(last_ms + 31 * DAY_MS, last_ms).expect_err("it would expire every hold");
        assert_eq!((refused.exit(), refused.to_string().contains("31 days")), (Exit::Config, true));
    }
}
