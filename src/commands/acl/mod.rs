//! `ACL WHOAMI|LIST|USERS|GETUSER|SETUSER|DELUSER|CAT|GENPASS|LOG|SAVE|LOAD|HELP`: who may come in, and what they may do.

use super::args::{Args, signed};
use super::arguments::Arguments;
use super::catalog::CatalogRequest;
use super::connection::ConnectionRequest;
use super::refusal::Refusal;
use super::server::ServerRequest;
use super::spec::{ArgKind, ArgSpec, Class, CommandSpec, Flags};
use super::{Defaults, Request};

/// What only the server as a whole can answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum AclRequest<'a> {
    /// ACL LIST: a line for each user.
    List,
    /// ACL USERS: names.
    Users,
    /// ACL GETUSER: a map; null if there is none of that name.
    GetUser(&'a [u8]),
    /// ACL SETUSER: the user's name and its rules. OK.
    SetUser(&'a [u8], Arguments<'a>),
    /// ACL DELUSER: how many there were.
    DelUser(Arguments<'a>),
    /// ACL SAVE: OK when the file is on disk.
    Save,
    /// ACL LOAD: OK; nothing is changed if a line of the file cannot be.
    Load,
    /// ACL GENPASS: so many random hexadecimal digits.
    GenPass(usize),
    /// ACL LOG: so many of the newest things that users were denied.
    Log(usize),
    /// ACL LOG RESET: forgets them. OK.
    LogReset,
}

impl AclRequest<'_> {
    /// Whether it changes users, or their file.
    pub fn is_change(&self) -> bool {
        matches!(self, Self::SetUser(..) | Self::DelUser(_) | Self::Save | Self::Load)
    }
}

impl std::fmt::Debug for AclRequest<'_> {
    /// Rules hold passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acl(redacted)")
    }
}

/// Entries of a LOG that names no number, as in Redis.
const LOG_COUNT: usize = 10;

/// Bits of a password that GENPASS makes, if it is not told.
const GENPASS_BITS: i64 = 256;

/// Most bits of it, as in Redis.
const GENPASS_BITS_MAX: i64 = 4096;

const BASE: CommandSpec = CommandSpec {
    arity: 2,
    flags: Flags::ANYTIME.and(Flags::ADMIN).and(Flags::NOSCRIPT).and(Flags::NO_MULTI),
    since: "6.0.0",
    ..CommandSpec::BASE
};

/// What every user may ask.
const OPEN: CommandSpec = CommandSpec { flags: Flags::ANYTIME.and(Flags::NOSCRIPT), class: Class::Open, ..BASE };

const USERNAME: ArgSpec = ArgSpec::new("username", ArgKind::String);

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "acl",
    arity: -2,
    flags: Flags::NONE,
    summary: "A container for commands about users",
    complexity: "Depends on subcommand.",
    subcommands: &[
        CommandSpec {
            name: "acl|whoami",
            summary: "Tells the name of the user that the connection is",
            parse: |_, _| Ok(Request::Connection(ConnectionRequest::WhoAmI)),
            ..OPEN
        },
        CommandSpec {
            name: "acl|cat",
            arity: -2,
            summary: "Tells the classes and categories, or the commands of one",
            args: &[ArgSpec::new("category", ArgKind::String).optional()],
            parse: |args, _| {
                args.at_most(1)?;
                Ok(Request::Catalog(CatalogRequest::Category(args.next_if_any())))
            },
            ..OPEN
        },
        CommandSpec {
            name: "acl|genpass",
            arity: -2,
            summary: "Makes a random password",
            args: &[ArgSpec::new("bits", ArgKind::Integer).optional()],
            parse: genpass,
            ..OPEN
        },
        CommandSpec {
            name: "acl|list",
            summary: "Shows all users, as lines of an aclfile",
            complexity: "O(N) where N is the number of users",
            parse: |_, _| Ok(acl(AclRequest::List)),
            ..BASE
        },
        CommandSpec {
            name: "acl|users",
            summary: "Tells the names of all users",
            complexity: "O(N) where N is the number of users",
            parse: |_, _| Ok(acl(AclRequest::Users)),
            ..BASE
        },
        CommandSpec {
            name: "acl|getuser",
            arity: 3,
            summary: "Shows one user",
            args: &[USERNAME],
            parse: |args, _| Ok(acl(AclRequest::GetUser(args.word()?))),
            ..BASE
        },
        CommandSpec {
            name: "acl|setuser",
            arity: -3,
            summary: "Makes or changes a user, for open connections, too",
            args: &[USERNAME, ArgSpec::new("rule", ArgKind::String).optional().multiple()],
            parse: |args, _| Ok(acl(AclRequest::SetUser(args.word()?, args.rest()))),
            ..BASE
        },
        CommandSpec {
            name: "acl|deluser",
            arity: -3,
            summary: "Removes users and closes their connections",
            args: &[USERNAME.multiple()],
            parse: deluser,
            ..BASE
        },
        CommandSpec {
            name: "acl|log",
            arity: -2,
            summary: "Shows the newest logins, commands and keys that were denied to users, or forgets all with RESET",
            complexity: "O(N) where N is the number of entries",
            args: &[ArgSpec::new("operation", ArgKind::String).optional()],
            parse: log,
            ..BASE
        },
        CommandSpec {
            name: "acl|save",
            summary: "Writes all users to the aclfile",
            complexity: "O(N) where N is the number of users",
            parse: |_, _| Ok(acl(AclRequest::Save)),
            ..BASE
        },
        CommandSpec {
            name: "acl|load",
            summary: "Reads all users from the aclfile; changes nothing if a line of it cannot be",
            complexity: "O(N) where N is the number of users",
            parse: |_, _| Ok(acl(AclRequest::Load)),
            ..BASE
        },
        CommandSpec {
            name: "acl|help",
            summary: "Shows the subcommands",
            parse: |_, _| Ok(Request::Help(HELP)),
            ..OPEN
        },
    ],
    ..BASE
};

fn acl(request: AclRequest<'_>) -> Request<'_> {
    Request::Server(ServerRequest::Acl(request))
}

fn log<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    args.at_most(1)?;
    Ok(acl(match args.next_if_any() {
        None => AclRequest::Log(LOG_COUNT),
        Some(word) if word.eq_ignore_ascii_case(b"RESET") => AclRequest::LogReset,
        Some(word) => {
            let count = signed(word).ok_or(Refusal::fixed("ERR value is not an integer or out of range"))?;
            AclRequest::Log(usize::try_from(count).unwrap_or(0)) // of less than none Redis shows none
        }
    }))
}

fn genpass<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    args.at_most(1)?;
    let bits =
        args.next_if_any().map_or(Some(GENPASS_BITS), signed).filter(|bits| (1..=GENPASS_BITS_MAX).contains(bits));
    let refusal = || {
        Refusal::fixed(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096",
        )
    };
    Ok(acl(AclRequest::GenPass((bits.ok_or_else(refusal)? as usize).div_ceil(4))))
}

fn deluser<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    if args.rest().iter().any(|name| name == b"default") {
        return Err(Refusal::fixed("ERR The 'default' user cannot be removed"));
    }
    Ok(acl(AclRequest::DelUser(args.rest())))
}

const HELP: &[&str] = &[
    "ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CAT [<category>]",
    "    List all commands that belong to <category>, or all command categories",
    "    when no category is specified.",
    "DELUSER <username> [<username> ...]",
    "    Delete a list of users.",
    "GETUSER <username>",
    "    Get the user's details.",
    "GENPASS [<bits>]",
    "    Generate a secure 256-bit user password. The optional `bits` argument can",
    "    be used to specify a different size.",
    "LIST",
    "    Show users details in config file format.",
    "LOAD",
    "    Reload users from the ACL file.",
    "LOG [<count> | RESET]",
    "    Show what was denied to users: logins, commands, keys (default: 10 entries).",
    "SAVE",
    "    Save the current config to the ACL file.",
    "SETUSER <username> <attribute> [<attribute> ...]",
    "    Create or modify a user with the specified attributes.",
    "USERS",
    "    List all the registered usernames.",
    "WHOAMI",
    "    Return the current connection username.",
    "HELP",
    "    Print this help.",
];
