//! `INFO [section ...]`

use super::ServerRequest;
use crate::commands::Request;
use crate::commands::arguments::Arguments;
use crate::commands::spec::{ArgKind, ArgSpec, CommandSpec, Flags};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "info",
    arity: -1,
    flags: Flags::ANYTIME,
    categories: &["dangerous"],
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    summary: "Tells what the server is and does, as text",
    args: &[ArgSpec::new("section", ArgKind::String).optional().multiple()],
    parse: |args, _| Ok(Request::Server(ServerRequest::Info(Sections(args.rest())))),
    ..CommandSpec::BASE
};

/// The sections that an INFO asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sections<'a>(Arguments<'a>);

impl Sections<'_> {
    /// Whether `section` is wanted; `by_default`: it is one of those that a bare INFO shows.
    ///
    /// `default`, `all` and `everything` are words for sets; an unknown word is an empty set, as in Redis.
    pub fn want(&self, section: &str, by_default: bool) -> bool {
        let named = |word: &[u8]| {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            is(section) || is("all") || is("everything") || (by_default && is("default"))
        };
        if self.0.is_empty() { by_default } else { self.0.iter().any(named) }
    }
}
