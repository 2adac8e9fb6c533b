//! What a connection needs the rest of the server for, and what it is bounded by.

use super::Verdict;
use crate::access::{Denial, User, Users};
use crate::commands::Defaults;
use crate::commands::connection::Credentials;
use crate::commands::reply::Proto;
use crate::commands::server::ServerRequest;
use crate::commands::spec::CommandSpec;
use crate::commands::streams::StreamRequest;
use crate::ledger::command::Command;
use crate::net::replies::{Answer, Failure, MadeTx};
use crate::shard::batch::Ticket;
use std::net::IpAddr;
use std::sync::Arc;

/// Limits of a connection, from the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Replies owed at most.
    pub slots_max: usize,
    /// Arguments of a request.
    pub args_max: usize,
    /// Bytes of a request.
    pub frame_bytes_max: usize,
    /// How long a request may stay incomplete.
    pub frame_timeout_ms: u64,
    /// How long a connection may be silent; `None` = for ever.
    pub idle_timeout_ms: Option<u64>,
}

/// What a connection needs the rest of the server for.
pub trait Host {
    /// Hands a command to the shard that owns its account. The outcome comes to [`fill`](super::Connection::fill) by `ticket`.
    fn submit(&mut self, ticket: Ticket, command: &Command<'_>);

    /// Puts a question of `user` about the whole server. `Some`: the answer; else it comes to `ticket`.
    fn ask(&mut self, ticket: Ticket, proto: Proto, user: &Arc<User>, request: &ServerRequest<'_>) -> Option<Answer>;

    /// Puts a question about streams. `Some`: the answer; else it comes to `ticket`, and nothing is asked for this
    /// connection before that. It waits for entries only if it `may_block`.
    fn read_stream(
        &mut self,
        ticket: Ticket,
        proto: Proto,
        request: &StreamRequest<'_>,
        may_block: bool,
    ) -> Option<Answer>;

    /// Nobody waits any more for what was asked by [`Self::read_stream`]: the connection is over.
    fn give_up(&mut self, ticket: Ticket);

    /// The connection at `place` listens to a channel, or to those that match a pattern. Messages come to
    /// [`push`](super::Connection::push).
    fn subscribe(&mut self, place: Ticket, channel: &[u8], is_pattern: bool);

    /// It listens no more.
    fn unsubscribe(&mut self, place: Ticket, channel: &[u8], is_pattern: bool);

    /// A fresh transaction id, for `*`.
    fn make_tx(&mut self) -> MadeTx;

    /// Text of the `-LOADING` error while recovery runs.
    fn loading(&self) -> Option<String>;

    /// Whether shards are too far behind to take more commands, or the server takes none any more.
    fn is_congested(&self) -> bool;

    /// Who there is now, and what they may do.
    fn users(&self) -> &Arc<Users>;

    /// Looks at a password from `peer`. `Some`: what it has come to; else that is told to [`verified`](super::Connection::verified).
    fn log_in(&mut self, ticket: Ticket, peer: IpAddr, credentials: &Credentials<'_>) -> Option<Verdict>;

    /// Keeps for ACL LOG that `user` was denied something, within MULTI or not; `client`: its line of CLIENT LIST.
    fn denied(&mut self, user: &str, denial: &Denial<'_>, in_multi: bool, client: impl FnOnce() -> String);

    /// The connection at `place` hears of all requests from now on, or no more. Lines come to [`push`](super::Connection::push).
    fn monitor(&mut self, place: Ticket, begins: bool);

    /// Whether somebody hears of all requests.
    fn is_monitored(&self) -> bool;

    /// A line for those who do.
    fn tell_monitors(&mut self, line: &[u8]);

    /// Whether requests wait for the end of a CLIENT PAUSE; `is_write`: those that change something.
    fn pauses(&self, is_write: bool) -> bool;

    /// How many shards there are, numbered from 0.
    fn shards(&self) -> u16;

    /// Version of Redis that HELLO tells.
    fn redis_version(&self) -> &'static str;

    /// Limits and defaults of the configuration.
    fn limits(&self) -> &Limits;

    /// What the commands' grammar takes from the configuration.
    fn defaults(&self) -> &Defaults;

    /// Unix milliseconds.
    fn now_ms(&self) -> u64;

    /// Counts a command, by its position in the table: executed.
    fn called(&mut self, command: u16);

    /// Counts a command refused before it ran, or a request that was none.
    fn refused(&mut self, spec: Option<&'static CommandSpec>, text: &str);

    /// A request was executed and answered by an error.
    fn failed(&mut self, failure: Failure);
}
