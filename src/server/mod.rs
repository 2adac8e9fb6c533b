//! THE THREADS: start and stop.

use std::net::SocketAddr;

use crate::config::{Config, Exit};

/// What a started server tells its operator.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Bound addresses, with their real ports.
    pub addresses: Vec<SocketAddr>,
    /// Shards of the data directory.
    pub shards: u16,
    /// Core threads.
    pub cores: usize,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The threads are not built yet.
    #[error("this build has no server")]
    Absent,
}

impl StartError {
    /// How the process ends.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Absent => Exit::Config,
        }
    }
}

/// Runs until the server is told to stop.
///
/// # Errors
/// [`StartError`] if it cannot start.
pub fn run(_config: Config, _on_ready: impl FnOnce(&Ready)) -> Result<(), StartError> {
    Err(StartError::Absent)
}
