//! SUBSCRIBE, PUBLISH and what belongs to them: messages to whoever listens, kept by nobody. Events come on channels of
//! their names; the streams are for those who may miss none.

pub mod introspect;
pub mod publish;
pub mod subscribe;

use super::args::Args;
use super::arguments::Arguments;
use super::refusal::Refusal;
use super::spec::{Class, CommandSpec, Flags};

/// Longest channel or pattern, bytes.
pub const CHANNEL_LEN_MAX: usize = 512;

/// What a connection begins or ends to listen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PubSubRequest<'a> {
    /// To end it, or to begin.
    pub ends: bool,
    /// Whether `names` are patterns.
    pub is_pattern: bool,
    /// Channels or patterns, within their limit. None, which only an end can have: all.
    pub names: Arguments<'a>,
}

impl PubSubRequest<'_> {
    /// The command's name, which its confirmations repeat.
    pub fn word(&self) -> &'static str {
        match (self.ends, self.is_pattern) {
            (false, false) => "subscribe",
            (false, true) => "psubscribe",
            (true, false) => "unsubscribe",
            (true, true) => "punsubscribe",
        }
    }
}

const BASE: CommandSpec = CommandSpec {
    group: "pubsub",
    class: Class::Feed,
    flags: Flags::PUBSUB.and(Flags::ANYTIME),
    since: "2.0.0",
    ..CommandSpec::BASE
};

/// A channel or a pattern.
fn channel(word: &[u8]) -> Result<&[u8], Refusal> {
    if word.len() <= CHANNEL_LEN_MAX {
        Ok(word)
    } else {
        Err(Refusal::fixed("ERR channels and patterns are at most 512 bytes long"))
    }
}

/// The words that are left, each a channel or a pattern.
fn channels<'a>(args: &Args<'a>) -> Result<Arguments<'a>, Refusal> {
    args.rest().iter().try_for_each(|word| channel(word).map(|_| ()))?;
    Ok(args.rest())
}
