//! THE LANGUAGE. What a client may say, and how it is answered; nothing is executed here.
//!
//! ```text
//! Arguments --table::resolve--> &CommandSpec --parse--> Request --(net, server, shard)--> Outcome, figures
//!     ^ (net::resp)                 |                      |                                  |
//!     |                             '---- unknown, arity,  '-- Refusal ----. .---------------'
//!     |                                   refused: Refusal                 v v
//!     '--------------------------------------------------------- reply::Encoder --> bytes
//! ```
//! - One table ([`table::TABLE`]) drives dispatch, arity, key position, ACL categories, COMMAND and its DOCS.
//! - One cursor ([`args::Args`]) reads arguments, one encoder ([`reply::Encoder`]) writes replies.
//! - A parsed [`Request`] is within every limit of commands.md C.1 and borrows from the client's bytes.
//!
//! Absent on purpose: state, clocks, I/O; journal, shard and net are unknown here.

pub mod acl;
pub mod args;
pub mod arguments;
pub mod catalog;
pub mod connection;
pub mod credit;
pub mod glob;
pub mod keys;
pub mod lead;
pub mod pubsub;
pub mod refusal;
pub mod reply;
pub mod server;
pub mod spec;
pub mod streams;
pub mod table;
#[cfg(test)]
mod tests;

use crate::ledger::command::Command;
use arguments::Arguments;
use catalog::CatalogRequest;
use connection::ConnectionRequest;
use keys::KeyRequest;
use pubsub::PubSubRequest;
use refusal::Refusal;
use server::ServerRequest;
use streams::StreamRequest;

/// What a command's grammar takes from the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// TTL of a RESERVE that names none, milliseconds (`reserve-ttl`).
    pub reserve_ttl_ms: u64,
    /// Whether `*` is allowed as tx (`allow-auto-tx`, commands.md D6).
    pub allow_auto_tx: bool,
}

/// One understood request, by who answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// For the shard of `command.owner()`.
    Ledger {
        /// What to do; `tx` is `*` where `made_tx`.
        command: Command<'a>,
        /// The caller asked for an id (`*`): put one into `command.tx` before the shard sees it, show it in the reply.
        made_tx: bool,
    },
    /// For the shards of these keys.
    Keys(KeyRequest<'a>),
    /// For the connection that it came from.
    Connection(ConnectionRequest<'a>),
    /// About what the connection listens to.
    PubSub(PubSubRequest<'a>),
    /// For whoever reads the log.
    Stream(StreamRequest<'a>),
    /// For the whole server.
    Server(ServerRequest<'a>),
    /// Answered from the table alone: [`catalog::answer`].
    Catalog(CatalogRequest<'a>),
    /// Answered by `+OK`: nothing to do.
    Accepted,
    /// Answered by this text.
    Text(&'static str),
    /// Answered by this number.
    Number(i64),
    /// Answered by an empty array: there is nothing to show.
    Nothing,
    /// Answered by these lines: [`reply::Encoder::help`].
    Help(&'static [&'static str]),
}

/// Understands one request: finds its command, checks the arity, parses the rest. In two steps, for a MULTI queue that
/// checks names and arities only: [`table::resolve`], [`table::Call::parse`].
///
/// # Errors
/// [`Refusal`] with the reply's text; nothing is to be executed.
pub fn parse<'a>(arguments: Arguments<'a>, defaults: &Defaults) -> Result<Request<'a>, Refusal> {
    table::resolve(arguments)?.parse(defaults)
}
