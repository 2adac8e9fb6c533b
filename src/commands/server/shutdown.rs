//! `SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE]`: everything answered is durable already, so the words change nothing.

use super::ServerRequest;
use crate::commands::args::Args;
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgSpec, CommandSpec, Flags};
use crate::commands::{Defaults, Request};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "shutdown",
    arity: -1,
    flags: Flags::ANYTIME.and(Flags::ADMIN).and(Flags::NOSCRIPT).and(Flags::NO_MULTI),
    summary: "Finishes what runs, marks the log as cleanly ended and ends the server",
    args: &[
        ArgSpec::one_of("save-selector", &[ArgSpec::token("nosave", "NOSAVE"), ArgSpec::token("save", "SAVE")])
            .optional(),
        ArgSpec::token("now", "NOW").optional(),
        ArgSpec::token("force", "FORCE").optional(),
    ],
    parse,
    ..CommandSpec::BASE
};

fn parse<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let (mut save, mut nosave) = (false, false);
    while let Some(option) = args.option(&["SAVE", "NOSAVE", "NOW", "FORCE"])? {
        save |= option == "SAVE";
        nosave |= option == "NOSAVE";
    }
    if save && nosave { Err(Refusal::SYNTAX) } else { Ok(Request::Server(ServerRequest::Shutdown)) }
}
