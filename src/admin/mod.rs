//! HTTP for operators and their machines, on a port and a thread of its own: /metrics, /livez, /readyz.
//!
//! ```text
//!  scraper ──▶ listener ──▶ connection (one request) ──▶ token? ──▶ Observed ──▶ text
//! ```
//!
//! It only reads: no request changes anything. Loopback needs no token, anything else does (the configuration sees to
//! it); where there is one, every request needs it. Bounded: connections, the size of a request's head, the time that
//! a connection may take. Absent on purpose: keep-alive, TLS (loopback, or a proxy), and everything that the server
//! knows, which comes through [`Observed`].

use crate::config::Secret;
use crate::net::listener;
use crate::telemetry::Loading;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderName, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

/// Connections at a time; more wait in the kernel.
const CONNECTIONS_MAX: usize = 32;

/// Bytes of a request's head. The least that hyper takes.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// How long a client may take to send its request's head.
const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// How long a connection may take in all, its reader's pace included.
const CONNECTION_WITHIN: Duration = Duration::from_secs(15);

/// OpenMetrics 1.0, for whoever asks: Prometheus takes it, people read it.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the server shows of itself.
pub trait Observed: Send + Sync + 'static {
    /// The text of /metrics.
    fn metrics(&self) -> impl Future<Output = String> + Send;

    /// Whether commands are taken.
    fn readiness(&self) -> Readiness;
}

/// The answers of /readyz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// A start reads snapshots and log; so far.
    Loading(Loading),
    /// Commands are taken.
    Ready,
    /// The server ends: no new commands.
    Stopping,
}

/// The running port. Dropping it closes the port and waits for its thread.
#[derive(Debug)]
pub struct Admin {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Answers on `listeners` until the value is dropped. `token`: what `Authorization: Bearer` must give, if anything.
///
/// # Errors
/// The system gives no thread, or nothing for it to wait with.
pub fn start(listeners: Vec<TcpListener>, token: Option<Secret>, observed: impl Observed) -> io::Result<Admin> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = oneshot::channel();
    let router = router(token, Arc::new(observed));
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let serve = move || {
        runtime.block_on(async {
            for listener in listeners {
                let (router, room) = (router.clone(), room.clone());
                let place = move |stream, _| place(stream, &router, &room);
                tokio::spawn(listener::accept(listener, None, place, |_, _| ()));
            }
            let _ = stopped.await; // by a message or by the sender's end: both mean so
        });
    };
    let thread = std::thread::Builder::new().name("admin".to_owned()).spawn(serve)?;
    Ok(Admin { stop: Some(stop), thread: Some(thread) })
}

impl Drop for Admin {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Starts the conversation on a fresh socket; gives it back if there are too many.
fn place(stream: TcpStream, router: &Router, room: &Arc<Semaphore>) -> Result<(), TcpStream> {
    let Ok(permit) = room.clone().try_acquire_owned() else { return Err(stream) };
    let Ok(stream) = tokio::net::TcpStream::from_std(stream) else { return Ok(()) }; // gone already
    let service = TowerToHyperService::new(router.clone());
    let conversation = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    tokio::spawn(async move {
        let _ = tokio::time::timeout(CONNECTION_WITHIN, conversation).await; // however it ended, it is over
        drop(permit);
    });
    Ok(())
}

fn router(token: Option<Secret>, observed: Arc<impl Observed>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/readyz", get(readyz))
        .with_state(observed)
        .route("/livez", get(async || "alive\n"))
        .layer(middleware::from_fn_with_state(token, authorize))
}

/// Lets a request through that gives the token, if there is one.
async fn authorize(State(token): State<Option<Secret>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    let is_allowed = token.is_none_or(|token| given.is_some_and(|given| token.matches(given)));
    if !is_allowed {
        let challenge: [(HeaderName, &str); 1] = [(WWW_AUTHENTICATE, "Bearer")];
        return (StatusCode::UNAUTHORIZED, challenge, "give the admin-token as a bearer token\n").into_response();
    }
    next.run(request).await
}

async fn metrics<O: Observed>(State(observed): State<Arc<O>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, METRICS_TYPE)], observed.metrics().await)
}

async fn readyz<O: Observed>(State(observed): State<Arc<O>>) -> impl IntoResponse {
    let (status, text) = match observed.readiness() {
        Readiness::Ready => (StatusCode::OK, "{\"status\":\"ready\"}\n".to_owned()),
        Readiness::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "{\"status\":\"stopping\"}\n".to_owned()),
        Readiness::Loading(Loading { total_bytes, loaded_bytes, eta_seconds }) => {
            let facts = format!(
                "{{\"status\":\"loading\",\"total_bytes\":{total_bytes},\"loaded_bytes\":{loaded_bytes},\
                 \"eta_seconds\":{eta_seconds}}}\n"
            );
            (StatusCode::SERVICE_UNAVAILABLE, facts)
        }
    };
    (status, [(CONTENT_TYPE, "application/json")], text)
}
