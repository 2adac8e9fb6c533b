//! THE THREADS. Starts the cores, recovers the shards, accepts connections, and stops everything in order.
//!
//! ```text
//!  main thread                      core 0 .. n-1 (pinned)                journal 0 .. n-1
//!  ───────────                      ──────────────────────                ────────────────
//!  LOCK, listen                     sockets' tasks and one turn           commits that a core hands over
//!                                                                         recall, walk 0 .. m-1
//!                                                                         ─────────────────────
//!                                                                         old records, for any core
//!                                                                         snapshot: the server's
//!                                                                         stream, tail: events
//!  recover shards (n threads) ────▶ Install(home)
//!  accept ────────────────────────▶ Connection(socket)
//!  SIGTERM, SHUTDOWN ─────────────▶ Quiescing, Finishing, Closing
//! ```
//!
//! The admin port has a thread of its own (`observe`), and so have handshakes of TLS (`tls`).
//!
//! Core to core: `mailbox` and `doorbell`. Absent on purpose: locks and shared counters on the way of a command.

mod access;
mod closes;
mod core;
mod descriptors;
mod doorbell;
mod engine;
mod fatal;
mod gate;
mod home;
mod host;
mod inquiry;
mod journal_thread;
mod keys;
mod loading;
mod mailbox;
mod monitor;
mod observe;
mod patrol;
mod quota;
mod readers;
mod room;
mod router;
mod saving;
mod shared;
mod slow;
mod sockets;
mod start;
mod streams;
mod tls;
mod tuning;
mod ulid;
mod watch;

use crate::journal::{self, FileStorage, Storage};
use crate::shard::Shard;

pub use start::{Ready, StartError, run};
pub use tls::TlsError;

/// The committer over real files.
type Committer = journal::Committer<FileStorage>;

/// A shard over real files.
type HomeShard = Shard<<FileStorage as Storage>::Source>;
