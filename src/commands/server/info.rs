//! `INFO [section ...]`

use super::ServerRequest;
use crate::commands::Request;
use crate::commands::arguments::Arguments;
use crate::commands::spec::{ArgKind, ArgSpec, Class, CommandSpec, Flags};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "info",
    arity: -1,
    flags: Flags::ANYTIME,
    class: Class::Open,
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

impl<'a> Sections<'a> {
    /// The words, as they were given; none = the default sections. Which sections there are is telemetry's business.
    pub fn words(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.0.iter()
    }
}
