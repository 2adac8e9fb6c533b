//! `XINFO STREAM key`, `XINFO GROUPS key`, `XINFO CONSUMERS key group`, `XINFO HELP`: what tools ask of a stream. There
//! are no groups.

use super::{NO_SUCH_KEY, Stream, StreamRequest};
use crate::commands::Request;
use crate::commands::args::Args;
use crate::commands::refusal::{Refusal, printable};
use crate::commands::spec::{ArgKind, ArgSpec, CommandSpec, Flags};

const KEY: ArgSpec = ArgSpec::new("key", ArgKind::Key);

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "xinfo",
    arity: -2,
    flags: Flags::NONE,
    key: None,
    categories: &[],
    summary: "A container for commands about streams",
    complexity: "Depends on subcommand.",
    subcommands: &[
        CommandSpec {
            name: "xinfo|stream",
            arity: -3,
            summary: "Tells about a stream: its length, its oldest and its newest entry",
            args: &[KEY],
            parse: stream,
            ..super::BASE
        },
        CommandSpec {
            name: "xinfo|groups",
            arity: 3,
            summary: "Answers that the stream has no consumer groups",
            args: &[KEY],
            parse: |args, _| existing(args).map(|_| Request::Nothing),
            ..super::BASE
        },
        CommandSpec {
            name: "xinfo|consumers",
            arity: 4,
            tips: &["nondeterministic_output"],
            summary: "Answers that the stream has no such consumer group",
            args: &[KEY, ArgSpec::new("groupname", ArgKind::String)],
            parse: |args, _| {
                let key = printable(args.peek().unwrap_or_default(), WORD_LEN_MAX);
                existing(args)?;
                let group = printable(args.word()?, WORD_LEN_MAX);
                Err(Refusal::made(format!("NOGROUP No such consumer group '{group}' for key name '{key}'")))
            },
            ..super::BASE
        },
        CommandSpec {
            name: "xinfo|help",
            arity: 2,
            flags: Flags::ANYTIME,
            key: None,
            summary: "Shows the subcommands",
            parse: |_, _| Ok(Request::Help(HELP)),
            ..super::BASE
        },
    ],
    ..super::BASE
};

/// How much of a client's word an error repeats, bytes.
const WORD_LEN_MAX: usize = 128;

const HELP: &[&str] = &[
    "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CONSUMERS <key> <groupname>",
    "    Answers that there is no such group.",
    "GROUPS <key>",
    "    Show the stream consumer groups: none.",
    "STREAM <key>",
    "    Show information about the stream.",
    "HELP",
    "    Print this help.",
];

fn stream<'a>(args: &mut Args<'a>, _: &crate::commands::Defaults) -> Result<Request<'a>, Refusal> {
    let stream = existing(args)?;
    if args.left() > 0 {
        return Err(Refusal::fixed(
            "ERR XINFO STREAM takes a key alone: FULL tells about consumer groups, which are not here",
        ));
    }
    Ok(Request::Stream(StreamRequest::Info(stream)))
}

/// The stream that the next word names.
fn existing<'a>(args: &mut Args<'a>) -> Result<Stream<'a>, Refusal> {
    match Stream::of(args.word()?) {
        Stream::Nothing => Err(Refusal::fixed(NO_SUCH_KEY)),
        stream => Ok(stream),
    }
}
