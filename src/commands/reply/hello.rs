//! The reply to HELLO: seven fields, or clients do not connect (redis-protocol.md 0.2).

use super::{Encoder, Proto};

/// What HELLO tells that is not the same for every connection.
#[derive(Clone, Copy, Debug)]
pub struct HelloFacts<'a> {
    /// The version of Redis whose behaviour clients may expect, 7.2 or later.
    pub redis_version: &'a str,
    /// The connection's id.
    pub connection_id: u64,
}

impl Encoder<'_> {
    /// Answers HELLO, in the version that it has just chosen.
    pub fn hello(&mut self, facts: &HelloFacts<'_>) {
        self.map(7);
        self.field("server", "redis");
        self.field("version", facts.redis_version);
        self.number("proto", if self.proto == Proto::Resp3 { 3 } else { 2 });
        self.number("id", facts.connection_id);
        self.field("mode", "standalone");
        self.field("role", "master");
        self.text("modules");
        self.array(0);
    }
}
