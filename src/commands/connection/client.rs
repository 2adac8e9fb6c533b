//! `CLIENT ID|INFO|LIST|GETNAME|SETNAME|SETINFO|NO-EVICT|NO-TOUCH|MAINT_NOTIFICATIONS|HELP`

use super::{ConnectionRequest, LibraryInfo, control};
use crate::commands::args::{Args, whole};
use crate::commands::arguments::Arguments;
use crate::commands::refusal::{Refusal, printable};
use crate::commands::server::ServerRequest;
use crate::commands::spec::{ArgKind, ArgSpec, Class, CommandSpec, Flags};
use crate::commands::{Defaults, Request};

/// The connections that CLIENT LIST is to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientFilter<'a> {
    /// All.
    All,
    /// Those that listen to channels, or those that do not.
    Listening(bool),
    /// A type that no connection here has: master, replica.
    None,
    /// Those with these ids: canonical numbers.
    Ids(Arguments<'a>),
}

impl ClientFilter<'_> {
    /// The ids of the connections to be shown; `None`: all.
    pub fn ids(&self) -> Option<Vec<u64>> {
        match self {
            Self::All | Self::Listening(_) => None,
            Self::None => Some(Vec::new()),
            Self::Ids(ids) => Some(ids.iter().filter_map(|word| whole(word, 0, u64::MAX)).collect()),
        }
    }

    /// Whether those to be shown listen to channels; `None`: both.
    pub fn listening(&self) -> Option<bool> {
        if let Self::Listening(listening) = self { Some(*listening) } else { None }
    }
}

const BASE: CommandSpec =
    CommandSpec { flags: Flags::ANYTIME.and(Flags::NOSCRIPT), arity: 2, since: "7.2.0", ..super::BASE };

const ON_OR_OFF: &[ArgSpec] =
    &[ArgSpec::one_of("enabled", &[ArgSpec::token("on", "ON"), ArgSpec::token("off", "OFF")])];

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "client",
    arity: -2,
    flags: Flags::NONE,
    categories: &[],
    summary: "A container for commands about connections",
    since: "2.4.0",
    complexity: "Depends on subcommand.",
    subcommands: &[
        CommandSpec {
            name: "client|id",
            summary: "Tells the connection's id",
            since: "5.0.0",
            parse: |_, _| Ok(Request::Connection(ConnectionRequest::ClientId)),
            ..BASE
        },
        CommandSpec {
            name: "client|info",
            summary: "Tells about this connection",
            since: "6.2.0",
            tips: &["nondeterministic_output"],
            parse: |_, _| Ok(Request::Connection(ConnectionRequest::ClientInfo)),
            ..BASE
        },
        CommandSpec {
            name: "client|list",
            arity: -2,
            flags: Flags::ANYTIME.and(Flags::NOSCRIPT).and(Flags::ADMIN),
            class: Class::Admin,
            summary: "Tells about all connections, a line each",
            since: "2.4.0",
            complexity: "O(N) where N is the number of connections",
            tips: &["nondeterministic_output"],
            args: &[
                ArgSpec { token: Some("TYPE"), ..ArgSpec::one_of("client-type", TYPES) }.optional(),
                ArgSpec::option("ID", "client-id", ArgKind::Integer).multiple(),
            ],
            parse: list,
            ..BASE
        },
        CommandSpec {
            name: "client|getname",
            summary: "Tells the connection's name",
            since: "2.6.9",
            parse: |_, _| Ok(Request::Connection(ConnectionRequest::GetName)),
            ..BASE
        },
        CommandSpec {
            name: "client|setname",
            arity: 3,
            summary: "Names the connection",
            since: "2.6.9",
            args: &[ArgSpec::new("connection-name", ArgKind::String)],
            parse: |args, _| Ok(Request::Connection(ConnectionRequest::SetName(super::name(args.word()?)?))),
            ..BASE
        },
        CommandSpec {
            name: "client|setinfo",
            arity: 4,
            summary: "Tells which library the client is",
            args: &[ArgSpec::one_of(
                "attr",
                &[
                    ArgSpec { optional: false, ..ArgSpec::option("LIB-NAME", "libname", ArgKind::String) },
                    ArgSpec { optional: false, ..ArgSpec::option("LIB-VER", "libver", ArgKind::String) },
                ],
            )],
            parse: set_info,
            ..BASE
        },
        CommandSpec {
            name: "client|no-evict",
            arity: 3,
            flags: Flags::ANYTIME.and(Flags::NOSCRIPT).and(Flags::ADMIN),
            class: Class::Admin,
            summary: "Accepted for clients that send it; connections are not evicted",
            since: "7.0.0",
            args: ON_OR_OFF,
            parse: on_or_off,
            ..BASE
        },
        CommandSpec {
            name: "client|no-touch",
            arity: 3,
            summary: "Accepted for clients that send it; reads do not touch anything",
            args: ON_OR_OFF,
            parse: on_or_off,
            ..BASE
        },
        CommandSpec {
            name: "client|maint_notifications",
            arity: -3,
            summary: "Accepted for clients that send it; there is no maintenance to notify of",
            args: &[ArgSpec::new("option", ArgKind::String).multiple()],
            parse: |_, _| Ok(Request::Accepted),
            ..BASE
        },
        control::KILL,
        control::PAUSE,
        control::UNPAUSE,
        control::UNBLOCK,
        control::REPLY,
        control::TRACKING,
        control::TRACKINGINFO,
        control::CACHING,
        control::GETREDIR,
        CommandSpec {
            name: "client|help",
            summary: "Shows the subcommands",
            since: "5.0.0",
            parse: |_, _| Ok(Request::Help(HELP)),
            ..BASE
        },
    ],
    ..super::BASE
};

const TYPES: &[ArgSpec] = &[
    ArgSpec::token("normal", "NORMAL"),
    ArgSpec::token("master", "MASTER"),
    ArgSpec::token("replica", "REPLICA"),
    ArgSpec::token("pubsub", "PUBSUB"),
];

const HELP: &[&str] = &[
    "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CACHING (YES|NO)",
    "    Refused: there is no tracking.",
    "GETNAME",
    "    Return the name of the current connection.",
    "GETREDIR",
    "    Return -1: there is no tracking.",
    "ID",
    "    Return the ID of the current connection.",
    "INFO",
    "    Return information about the current client connection.",
    "KILL <ip:port>",
    "    Kill connection made from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Kill connections. Options are: ADDR, LADDR, TYPE, USER, ID, SKIPME.",
    "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB) | ID <id> [<id> ...]]",
    "    Return information about client connections.",
    "MAINT_NOTIFICATIONS <option> [<value> ...]",
    "    Accepted; there is no maintenance to notify of.",
    "NO-EVICT (ON|OFF)",
    "    Accepted; connections are not evicted.",
    "NO-TOUCH (ON|OFF)",
    "    Accepted; reads do not touch anything.",
    "PAUSE <timeout> [WRITE|ALL]",
    "    Suspend all, or just write, clients for <timeout> milliseconds.",
    "REPLY (ON|OFF|SKIP)",
    "    Control the replies sent to the current connection.",
    "SETINFO <LIB-NAME|LIB-VER> <value>",
    "    Set client meta attr.",
    "SETNAME <name>",
    "    Assign the name <name> to the current connection.",
    "TRACKING (ON|OFF)",
    "    ON is refused.",
    "TRACKINGINFO",
    "    Report that tracking is off.",
    "UNBLOCK <clientid> [TIMEOUT|ERROR]",
    "    Unblock the specified blocked client.",
    "UNPAUSE",
    "    Stop the current client pause, resuming traffic.",
    "HELP",
    "    Print this help.",
];

fn list<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let filter = match args.next_if_any() {
        None => ClientFilter::All,
        Some(option) if option.eq_ignore_ascii_case(b"TYPE") && args.left() == 1 => {
            let kind = args.word()?;
            match &kind.to_ascii_lowercase()[..] {
                b"normal" => ClientFilter::Listening(false),
                b"pubsub" => ClientFilter::Listening(true),
                b"master" | b"replica" | b"slave" => ClientFilter::None,
                _ => return Err(Refusal::made(format!("ERR Unknown client type '{}'", printable(kind, 128)))),
            }
        }
        Some(option) if option.eq_ignore_ascii_case(b"ID") && args.left() >= 1 => {
            if args.rest().iter().any(|word| whole(word, 0, u64::MAX).is_none()) {
                return Err(Refusal::fixed("ERR Invalid client ID"));
            }
            ClientFilter::Ids(args.rest())
        }
        Some(_) => return Err(Refusal::SYNTAX),
    };
    Ok(Request::Server(ServerRequest::ClientList(filter)))
}

fn set_info<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let (attribute, value) = (args.word()?, args.word()?);
    let info = if attribute.eq_ignore_ascii_case(b"LIB-NAME") {
        LibraryInfo::Name
    } else if attribute.eq_ignore_ascii_case(b"LIB-VER") {
        LibraryInfo::Version
    } else {
        return Err(Refusal::made(format!("ERR Unrecognized option '{}'", printable(attribute, 128))));
    };
    if value.len() > super::NAME_LEN_MAX || !value.iter().all(u8::is_ascii_graphic) {
        let attribute = printable(attribute, 128).to_ascii_lowercase();
        return Err(Refusal::made(format!("ERR {attribute} cannot contain spaces, newlines or special characters.")));
    }
    Ok(Request::Connection(ConnectionRequest::SetInfo(info, value)))
}

fn on_or_off<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let word = args.word()?;
    let known = word.eq_ignore_ascii_case(b"on") || word.eq_ignore_ascii_case(b"off");
    if known { Ok(Request::Accepted) } else { Err(Refusal::SYNTAX) }
}
