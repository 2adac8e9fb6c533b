//! The thread `tls`: handshakes, and certificates that are read again when they change.
//!
//! ```text
//!  listener ──▶ sockets held: 1024, 256 of an address ──▶ handshakes: 64, 16 of an address ──▶ Fresh ──▶ the core with the fewest
//!  SIGHUP, changed files ──▶ Identity ──▶ the handshakes from now on
//! ```
//!
//! More clients wait in the kernel, and those of an address that has its share here are closed: it keeps no other one
//! waiting. Connections that are there keep what their handshake gave them. Absent on purpose: CRL and OCSP (a CA of one's
//! own whose certificates are short-lived does it), certificates by name (SNI).

mod expiry;
mod identity;

use super::shared::Shared;
use crate::config::Tls;
use crate::net::connection::CloseReason;
use crate::net::listener;
use crate::net::tls::{self, Fresh};
use crate::telemetry::TlsFacts;
use identity::Stamp;
use rustls::ServerConfig;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, oneshot, watch};

pub(super) use identity::Identity;
pub use identity::TlsError;

/// Handshakes at a time: what hostile clients can make of them is small, and more would not be faster.
const HANDSHAKES_MAX: usize = 64;

/// The same of one address: so it takes several to hold up the others.
const HANDSHAKES_PER_IP_MAX: usize = HANDSHAKES_MAX / 4;

/// Sockets that are held, shaking hands or waiting for their turn.
pub(super) const HELD_MAX: usize = 1024;

/// The same of one address. More than most pools open at once.
const HELD_PER_IP_MAX: usize = HELD_MAX / 4;

/// How long one may take, the client's pace included, the wait for its turn not.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);

/// How long before a certificate ends it is said, and how often.
const WARN_WITHIN_MS: u64 = 14 * DAY_MS;
const DAY_MS: u64 = 86_400_000;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Pause before a socket is offered to a core again.
const PLACE_RETRY: Duration = Duration::from_millis(1);

/// Gives a socket to a core; gives it back if that has no room now.
type Place = fn(&Shared, Fresh, SocketAddr) -> Result<(), Fresh>;

/// What the thread counts.
#[derive(Default)]
pub(super) struct Figures {
    completed: AtomicU64,
    failed: AtomicU64,
    timed_out: AtomicU64,
    expires_at_s: AtomicU64,
}

impl Figures {
    /// The figures now.
    pub(super) fn facts(&self) -> TlsFacts {
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        TlsFacts {
            completed: read(&self.completed),
            failed: read(&self.failed),
            timed_out: read(&self.timed_out),
            expires_at_s: read(&self.expires_at_s),
        }
    }
}

/// The running thread. Dropping it closes the port and waits for the thread.
pub(super) struct Handshakes {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Serves `listeners`, where the configuration has TLS. `place`: gives a socket to a core, or back.
///
/// # Errors
/// The system gives no thread, or nothing for it to wait with.
pub(super) fn start(
    listeners: Vec<TcpListener>,
    identity: Identity,
    shared: Arc<Shared>,
    place: Place,
) -> io::Result<Handshakes> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = oneshot::channel();
    let hangup = {
        let _inside = runtime.enter();
        signal(SignalKind::hangup())?
    };
    let settings = shared.config.tls.clone().expect("there are files of it");
    let serve = move || {
        runtime.block_on(async {
            let (current, config) = watch::channel(identity.config.clone());
            let semaphore = |permits| Arc::new(Semaphore::new(permits));
            let (held, room) = (semaphore(HELD_MAX), semaphore(HANDSHAKES_MAX));
            let door = Door { shared, config, held, room, turns: Arc::default(), place };
            door.expires(identity.expires_at_s);
            for listener in listeners {
                let (inside, outside) = (door.clone(), door.shared.clone());
                tokio::spawn(listener::accept(
                    listener,
                    outside.config.tcp_keepalive_ms.map(Duration::from_millis),
                    move |socket, peer| inside.admit(socket, peer),
                    move |_, peer| outside.turn_away(CloseReason::Descriptors, peer),
                ));
            }
            tokio::select! {
                () = door.renew(&settings, &current, hangup) => {}
                _ = stopped => {} // by a message or by the sender's end: both mean so
            }
        });
    };
    let thread = std::thread::Builder::new().name("tls".to_owned()).spawn(serve)?;
    Ok(Handshakes { stop: Some(stop), thread: Some(thread) })
}

impl Drop for Handshakes {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Who comes in, and by what.
#[derive(Clone)]
struct Door {
    shared: Arc<Shared>,
    config: watch::Receiver<Arc<ServerConfig>>,
    held: Arc<Semaphore>,
    room: Arc<Semaphore>,
    /// By address, while it has sockets here: each of them has its semaphore.
    turns: Arc<Mutex<BTreeMap<IpAddr, Weak<Semaphore>>>>,
    place: Place,
}

impl Door {
    /// Starts the handshake of a fresh socket, or lets it wait for its turn; gives it back if there are too many, and
    /// closes it if they are its own address's.
    fn admit(&self, socket: TcpStream, peer: SocketAddr) -> Result<(), TcpStream> {
        let Ok(held) = self.held.clone().try_acquire_owned() else { return Err(socket) };
        let turns = self.turns_of(peer.ip());
        if Arc::strong_count(&turns) > HELD_PER_IP_MAX {
            self.shared.turn_away(CloseReason::TlsHandshake, peer);
            return Ok(());
        }
        let door = self.clone();
        tokio::spawn(async move {
            let permits = (turns.acquire().await, door.room.acquire().await);
            let handshake = tls::accept(socket, door.config.borrow().clone());
            let within = HANDSHAKE_WITHIN * if planted!("handshakes have no end") { 1000 } else { 1 };
            let shaken = tokio::time::timeout(within, handshake).await;
            drop(permits);
            let figures = &door.shared.tls;
            match shaken {
                Ok(Ok(fresh)) => {
                    figures.completed.fetch_add(1, Ordering::Relaxed);
                    door.hand_over(fresh, peer).await;
                }
                Ok(Err(error)) => {
                    figures.failed.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(%peer, %error, "TLS handshake failed");
                    door.shared.turn_away(CloseReason::TlsHandshake, peer);
                }
                Err(_) => {
                    figures.timed_out.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(%peer, "TLS handshake took too long");
                    door.shared.turn_away(CloseReason::TlsHandshake, peer);
                }
            }
            drop((turns, held));
        });
        Ok(())
    }

    fn turns_of(&self, ip: IpAddr) -> Arc<Semaphore> {
        let mut all = self.turns.lock().expect("a thread that panics ends the process");
        all.retain(|_, turns| turns.strong_count() > 0);
        if let Some(turns) = all.get(&ip).and_then(Weak::upgrade) {
            return turns;
        }
        let share = if planted!("one address has all handshakes") { HANDSHAKES_MAX } else { HANDSHAKES_PER_IP_MAX };
        let turns = Arc::new(Semaphore::new(share));
        all.insert(ip, Arc::downgrade(&turns));
        turns
    }

    async fn hand_over(&self, fresh: Fresh, peer: SocketAddr) {
        let mut unplaced = (self.place)(&self.shared, fresh, peer);
        while let Err(fresh) = unplaced {
            tokio::time::sleep(PLACE_RETRY).await;
            unplaced = (self.place)(&self.shared, fresh, peer);
        }
    }

    /// Reads the files again at every SIGHUP and when they have changed, for ever. Files that are wrong change nothing.
    async fn renew(&self, settings: &Tls, current: &watch::Sender<Arc<ServerConfig>>, mut hangup: Signal) {
        let mut loaded = Stamp::of(settings);
        let mut seen = loaded.clone();
        let mut warned_ms = self.shared.clock.wall_ms();
        loop {
            let is_asked = tokio::select! {
                _ = hangup.recv() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            if self.shared.clock.wall_ms().saturating_sub(warned_ms) >= DAY_MS {
                self.warn_of_the_end();
                warned_ms = self.shared.clock.wall_ms();
            }
            let now = Stamp::of(settings);
            // Certificate and key change one after the other: when both looks see the same, both are there.
            let is_settled = now == seen;
            seen = now;
            if !is_asked && (!is_settled || seen == loaded) {
                continue;
            }
            loaded = seen.clone();
            match Identity::load(settings) {
                Ok(identity) => {
                    current.send_replace(identity.config);
                    tracing::info!("the files of TLS were read again and hold from now on");
                    self.expires(identity.expires_at_s);
                }
                Err(error) => tracing::warn!(%error, "the files of TLS are wrong: those read before still hold"),
            }
        }
    }

    /// Tells when the certificate ends.
    fn expires(&self, at_s: u64) {
        self.shared.tls.expires_at_s.store(at_s, Ordering::Relaxed);
        self.warn_of_the_end();
    }

    fn warn_of_the_end(&self) {
        let ends_ms = self.shared.tls.expires_at_s.load(Ordering::Relaxed) * 1000;
        match ends_ms.saturating_sub(self.shared.clock.wall_ms()) {
            0 => tracing::warn!("the certificate of TLS has expired: clients that look will not connect"),
            left_ms if left_ms < WARN_WITHIN_MS => {
                tracing::warn!(days = left_ms / DAY_MS, "the certificate of TLS ends soon: put a new one in its place");
            }
            _ => {}
        }
    }
}
