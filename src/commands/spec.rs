//! What the table says of a command; shaped by what COMMAND, COMMAND INFO and COMMAND DOCS of Redis 7 show.

use super::args::Args;
use super::arguments::Arguments;
use super::refusal::Refusal;
use super::streams::read;
use super::{Defaults, Request};

/// How a command's arguments become a [`Request`].
pub type Parse = for<'a> fn(&mut Args<'a>, &Defaults) -> Result<Request<'a>, Refusal>;

/// One command or subcommand: everything that is known of it before it runs.
#[derive(Debug)]
pub struct CommandSpec {
    /// Lower case; of a subcommand `container|sub`. One dot at most: redis-py's cluster client refuses two.
    pub name: &'static str,
    /// Number of words, the name (and the container's) included; negative: at least that many.
    pub arity: i32,
    /// What it does to whom.
    pub flags: Flags,
    /// How it uses its key; `None`: it has none.
    pub key: Option<KeyUse>,
    /// What that key names.
    pub names: Names,
    /// Who may run it.
    pub class: Class,
    /// ACL categories beside those that follow from the flags and the class, without `@`.
    pub categories: &'static [&'static str],
    /// Command tips for cluster clients.
    pub tips: &'static [&'static str],
    /// redis-cli's `help @group`.
    pub group: &'static str,
    /// One sentence without a full stop.
    pub summary: &'static str,
    /// First version: Redis' for its own commands, creditd's for CREDIT.* and LEAD.*.
    pub since: &'static str,
    /// Cost in terms of the arguments.
    pub complexity: &'static str,
    /// Codes of its own errors, beside those that any command can answer.
    pub errors: &'static [&'static str],
    /// The grammar, for hints and docs.
    pub args: &'static [ArgSpec],
    /// Empty: the command has none.
    pub subcommands: &'static [CommandSpec],
    /// Parser of the words after the name.
    pub parse: Parse,
}

impl CommandSpec {
    /// Starting point of an entry: every field that most commands leave empty. An entry that says nothing of who may run
    /// it is for the fewest.
    pub(super) const BASE: Self = Self {
        name: "",
        arity: 1,
        flags: Flags::NONE,
        key: None,
        names: Names::Account,
        class: Class::Admin,
        categories: &[],
        tips: &[],
        group: "server",
        summary: "",
        since: "1.0.0",
        complexity: "O(1)",
        errors: &[],
        args: &[],
        subcommands: &[],
        parse: |_, _| Err(Refusal::SYNTAX),
    };

    /// Whether `words` words, name included, are a right number.
    pub fn accepts(&self, words: usize) -> bool {
        let limit = self.arity.unsigned_abs() as usize;
        if self.arity < 0 { words >= limit } else { words == limit }
    }

    /// The word that names it to its container: `id` of `client|id`; else the whole name.
    pub fn word(&self) -> &'static str {
        self.name.split_once('|').map_or(self.name, |(_, word)| word)
    }

    /// Where its key stands, 0 being the name: behind the name, or behind the subcommand; 0 where that differs.
    pub fn key_position(&self) -> usize {
        match self.key {
            None | Some(KeyUse::Streams) => 0,
            Some(KeyUse::Read | KeyUse::ReadAll | KeyUse::Update) => self.name.split('|').count(),
        }
    }

    /// The keys among the words behind its name; `None`: where they should be are none.
    pub fn keys<'a>(&self, rest: Arguments<'a>) -> Option<Arguments<'a>> {
        match self.key {
            None => Some(rest.first(0)),
            Some(KeyUse::Read | KeyUse::Update) => Some(rest.first(1)),
            Some(KeyUse::ReadAll) => Some(rest),
            Some(KeyUse::Streams) => read::keys(rest),
        }
    }

    /// Whether it belongs to ACL category `category` (no `@`), given or following from its class, or from the flags as in
    /// Redis.
    pub fn is_in_category(&self, category: &str) -> bool {
        self.all_categories().any(|name| name == category)
    }

    /// All ACL categories, without `@`.
    pub fn all_categories(&self) -> impl Iterator<Item = &'static str> + use<> {
        let (flags, class) = (self.flags, self.class);
        let implied = [
            (flags.has(Flags::WRITE), "write"),
            (flags.has(Flags::READONLY), "read"),
            (flags.has(Flags::ADMIN), "dangerous"),
            (flags.has(Flags::PUBSUB), "pubsub"),
            (flags.has(Flags::BLOCKING), "blocking"),
            (flags.has(Flags::FAST), "fast"),
            (!flags.has(Flags::FAST), "slow"),
            (class == Class::Reader || class == Class::Stream, "reader"),
            (class == Class::Spender, "spender"),
            (class == Class::Granter, "granter"),
            (class == Class::Feed || class == Class::Stream, "feed"),
            (class == Class::Admin, "admin"),
        ];
        let given = self.categories.iter().copied();
        implied.into_iter().filter_map(|(has, name)| has.then_some(name)).chain(given)
    }
}

/// Who may run a command: a named set of commands that a user may have (commands.md C.1, security.md 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Every user: it shows and changes no account.
    Open,
    /// Shows accounts and leads.
    Reader,
    /// Spends credits that are there.
    Spender,
    /// Makes credits, and leads.
    Granter,
    /// Shows streams: readers may see the logs of accounts, those who have the feed the events too.
    Stream,
    /// Hears of all accounts.
    Feed,
    /// For operators.
    Admin,
}

/// What a command's key names, and so what the prefix of a user means to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// An account: it has to be within the prefix.
    Account,
    /// A lead: prefixes are of accounts.
    Lead,
    /// A stream: the account whose log it is has to be within the prefix.
    Stream,
    /// Whatever is there: an account, or a stream as before.
    Key,
}

/// How a command uses its key: an account, a lead, a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// Shows it.
    Read,
    /// Shows it, and all words behind it.
    ReadAll,
    /// Changes it.
    Update,
    /// Shows those of the first half of the words behind STREAMS.
    Streams,
}

/// Set of Redis' command flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(u16);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// May change an account or a lead.
    pub const WRITE: Self = Self(1);
    /// Changes neither.
    pub const READONLY: Self = Self(1 << 1);
    /// Refused when memory is at its limit.
    pub const DENYOOM: Self = Self(1 << 2);
    /// For operators.
    pub const ADMIN: Self = Self(1 << 3);
    /// About channels and who listens to them.
    pub const PUBSUB: Self = Self(1 << 4);
    /// Would not be for scripts, had we any.
    pub const NOSCRIPT: Self = Self(1 << 5);
    /// May wait for what is not there yet.
    pub const BLOCKING: Self = Self(1 << 6);
    /// Runs while the log is being read at start.
    pub const LOADING: Self = Self(1 << 7);
    /// Needs no current data.
    pub const STALE: Self = Self(1 << 8);
    /// Constant time.
    pub const FAST: Self = Self(1 << 9);
    /// Runs before AUTH.
    pub const NO_AUTH: Self = Self(1 << 10);
    /// Not allowed between MULTI and EXEC.
    pub const NO_MULTI: Self = Self(1 << 11);
    /// What most commands of a connection are: they touch no account and run at any time.
    pub const ANYTIME: Self = Self::LOADING.and(Self::STALE);

    const NAMES: [&'static str; 12] = [
        "write", "readonly", "denyoom", "admin", "pubsub", "noscript", "blocking", "loading", "stale", "fast",
        "no_auth", "no_multi",
    ];

    /// Both sets.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are here.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags' names in Redis' order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().enumerate().filter(move |(bit, _)| self.0 >> bit & 1 == 1).map(|(_, name)| name)
    }
}

/// One argument of the grammar, as COMMAND DOCS shows it.
#[derive(Debug)]
pub struct ArgSpec {
    /// What hints show.
    pub name: &'static str,
    /// What it holds.
    pub kind: ArgKind,
    /// The word before it; of a pure token the word itself.
    pub token: Option<&'static str>,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether it may be repeated.
    pub multiple: bool,
    /// Of alternatives and blocks, the parts.
    pub parts: &'static [ArgSpec],
}

/// What an argument holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgKind {
    /// The account, the lead, or a stream.
    Key,
    /// Bytes.
    String,
    /// A whole number.
    Integer,
    /// A glob-like pattern.
    Pattern,
    /// A fixed word.
    Token,
    /// One of the parts.
    OneOf,
    /// All of the parts, in order.
    Block,
}

impl ArgKind {
    /// The word in COMMAND DOCS.
    pub fn word(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Pattern => "pattern",
            Self::Token => "pure-token",
            Self::OneOf => "oneof",
            Self::Block => "block",
        }
    }
}

impl ArgSpec {
    /// The account at position 1.
    pub(super) const ACCOUNT: Self = Self::new("account", ArgKind::Key);

    /// A required argument.
    pub(super) const fn new(name: &'static str, kind: ArgKind) -> Self {
        Self { name, kind, token: None, optional: false, multiple: false, parts: &[] }
    }

    /// A fixed word, as an alternative of a [`ArgKind::OneOf`].
    pub(super) const fn token(name: &'static str, token: &'static str) -> Self {
        Self { token: Some(token), ..Self::new(name, ArgKind::Token) }
    }

    /// `[TOKEN name]`
    pub(super) const fn option(token: &'static str, name: &'static str, kind: ArgKind) -> Self {
        Self { token: Some(token), optional: true, ..Self::new(name, kind) }
    }

    /// One of `parts`.
    pub(super) const fn one_of(name: &'static str, parts: &'static [ArgSpec]) -> Self {
        Self { parts, ..Self::new(name, ArgKind::OneOf) }
    }

    /// All of `parts`, in order.
    pub(super) const fn block(name: &'static str, parts: &'static [ArgSpec]) -> Self {
        Self { parts, ..Self::new(name, ArgKind::Block) }
    }

    /// The same, to be left out at will.
    pub(super) const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// The same, repeatable.
    pub(super) const fn multiple(self) -> Self {
        Self { multiple: true, ..self }
    }
}
