//! The one table of commands, and how a name finds its entry.
//!
//! A name is compared as two numbers, its first and its last eight bytes; their hash points into `INDEX`, filled at
//! build time. No allocation, no loop over bytes, ASCII case ignored.

use super::args::Args;
use super::arguments::Arguments;
use super::refusal::Refusal;
use super::spec::CommandSpec;
use super::{Defaults, Request, acl, connection, credit, keys, lead, pubsub, server, streams};

/// Every command, in the order in which COMMAND lists them.
pub static TABLE: &[&CommandSpec] = COMMANDS;

const COMMANDS: &[&CommandSpec] = &[
    &credit::grant::SPEC,
    &credit::debit::SPEC,
    &credit::reserve::SPEC,
    &credit::capture::SPEC,
    &credit::release::SPEC,
    &credit::refund::SPEC,
    &credit::balance::SPEC,
    &credit::holds::SPEC,
    &credit::tx::SPEC,
    &credit::history::SPEC,
    &credit::audit::SPEC,
    &lead::open::SPEC,
    &lead::claim::SPEC,
    &lead::get::SPEC,
    &lead::claims::SPEC,
    &lead::close::SPEC,
    &keys::scan::SPEC,
    &keys::generic::EXISTS,
    &keys::generic::TYPE,
    &keys::generic::TTL,
    &keys::generic::PTTL,
    &keys::generic::EXPIRETIME,
    &keys::generic::PEXPIRETIME,
    &keys::object::SPEC,
    &keys::memory::SPEC,
    &keys::hash::HGETALL,
    &keys::hash::HGET,
    &keys::hash::HMGET,
    &keys::hash::HLEN,
    &keys::hash::HKEYS,
    &keys::hash::HVALS,
    &keys::hash::HEXISTS,
    &keys::hash::HSTRLEN,
    &keys::hash::HSCAN,
    &keys::hash::GET,
    &keys::hash::STRLEN,
    &keys::refused::SET,
    &keys::refused::INCR,
    &keys::refused::INCRBY,
    &keys::refused::DECRBY,
    &keys::refused::HSET,
    &keys::refused::HDEL,
    &keys::refused::HINCRBY,
    &keys::refused::DEL,
    &keys::refused::UNLINK,
    &keys::refused::EXPIRE,
    &keys::refused::RENAME,
    &keys::refused::KEYS,
    &streams::read::SPEC,
    &streams::range::XRANGE,
    &streams::range::XREVRANGE,
    &streams::len::SPEC,
    &streams::info::SPEC,
    &streams::refused::XADD,
    &streams::refused::XDEL,
    &streams::refused::XTRIM,
    &pubsub::subscribe::SUBSCRIBE,
    &pubsub::subscribe::PSUBSCRIBE,
    &pubsub::subscribe::UNSUBSCRIBE,
    &pubsub::subscribe::PUNSUBSCRIBE,
    &pubsub::publish::SPEC,
    &pubsub::introspect::SPEC,
    &connection::ping::SPEC,
    &connection::echo::SPEC,
    &connection::quit::SPEC,
    &connection::reset::SPEC,
    &connection::select::SPEC,
    &connection::hello::SPEC,
    &connection::auth::SPEC,
    &connection::client::SPEC,
    &connection::control::MONITOR,
    &connection::transaction::MULTI,
    &connection::transaction::EXEC,
    &connection::transaction::DISCARD,
    &connection::transaction::WATCH,
    &connection::transaction::UNWATCH,
    &server::command::SPEC,
    &server::info::SPEC,
    &server::config::SPEC,
    &server::dbsize::SPEC,
    &server::time::SPEC,
    &server::lastsave::SPEC,
    &server::save::SAVE,
    &server::save::BGSAVE,
    &acl::SPEC,
    &server::slowlog::SPEC,
    &server::latency::SPEC,
    &server::shutdown::SPEC,
    &server::words::WAIT,
    &server::words::ROLE,
    &server::words::MODULE,
    &server::words::DEBUG,
    &server::flush::FLUSHALL,
    &server::flush::FLUSHDB,
    &server::flush::FUNCTION,
    &server::cluster::CLUSTER,
    &server::cluster::READONLY,
    &server::cluster::READWRITE,
];

/// A request whose command is known and whose number of words is right; nothing else has been looked at.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The entry of the command, or of the subcommand.
    pub spec: &'static CommandSpec,
    /// Where the command stands in [`TABLE`]; a subcommand where its container does. What counters are kept by.
    pub position: u16,
    /// Where the command or subcommand stands among [`entries`].
    pub ordinal: u16,
    /// The words after its name.
    pub rest: Arguments<'a>,
}

impl<'a> Call<'a> {
    /// Reads the rest.
    ///
    /// # Errors
    /// [`Refusal`] with the reply's text; nothing is to be executed.
    pub fn parse(&self, defaults: &Defaults) -> Result<Request<'a>, Refusal> {
        (self.spec.parse)(&mut Args::new(self.spec, self.rest), defaults)
    }
}

/// The command that `arguments` call, subcommand resolved, arity checked.
///
/// # Errors
/// Unknown command or subcommand, wrong number of arguments: Redis' texts.
pub fn resolve(arguments: Arguments<'_>) -> Result<Call<'_>, Refusal> {
    let name = arguments.get(0).unwrap_or_default();
    let position = place(name).ok_or_else(|| Refusal::unknown_command(arguments))?;
    let spec = TABLE[position];
    let (spec, ordinal, rest) = match arguments.get(1) {
        Some(word) if !spec.subcommands.is_empty() => {
            let at = subcommand(spec, word).ok_or_else(|| Refusal::unknown_subcommand(spec.name, word))?;
            (&spec.subcommands[at], ORDINALS[position] + 1 + at as u16, arguments.skip(2))
        }
        _ => (spec, ORDINALS[position], arguments.skip(1)),
    };
    if !spec.accepts(arguments.len()) {
        return Err(Refusal::wrong_arity(spec.name));
    }
    Ok(Call { spec, position: position as u16, ordinal, rest })
}

/// Every command and subcommand with its [`Call::ordinal`], containers before what is in them.
pub fn entries() -> impl Iterator<Item = (u16, &'static CommandSpec)> {
    (0..).zip(COMMANDS.iter().flat_map(|&spec| std::iter::once(spec).chain(spec.subcommands)))
}

/// The [`Call::position`] of a command.
pub fn position(spec: &'static CommandSpec) -> usize {
    let holds = |known: &CommandSpec| known.subcommands.iter().any(|subcommand| std::ptr::eq(subcommand, spec));
    let is = |known: &&'static CommandSpec| std::ptr::eq(*known, spec) || holds(known);
    TABLE.iter().position(is).expect("every spec stands in the table")
}

/// The entry of a command by its name, or of a subcommand by `container|sub`.
pub fn find_full(name: &[u8]) -> Option<&'static CommandSpec> {
    let Some(bar) = name.iter().position(|&byte| byte == b'|') else { return find(name) };
    find_subcommand(find(&name[..bar])?, &name[bar + 1..])
}

/// The entry of a command by its name.
pub fn find(name: &[u8]) -> Option<&'static CommandSpec> {
    Some(TABLE[place(name)?])
}

/// The entry of a subcommand by its own word.
pub fn find_subcommand(container: &CommandSpec, word: &[u8]) -> Option<&'static CommandSpec> {
    let subcommands: &'static [CommandSpec] = container.subcommands;
    subcommands.get(subcommand(container, word)?)
}

/// Where the subcommand of that word stands in its container.
fn subcommand(container: &CommandSpec, word: &[u8]) -> Option<usize> {
    container.subcommands.iter().position(|spec| spec.word().as_bytes().eq_ignore_ascii_case(word))
}

/// Where the command of that name stands in [`TABLE`].
fn place(name: &[u8]) -> Option<usize> {
    let name = Name::of(name)?;
    let mut slot = name.slot();
    loop {
        let position = usize::from(INDEX[slot]);
        if NAMES.get(position)?.is(name) {
            return Some(position);
        }
        slot = (slot + 1) % INDEX.len();
    }
}

/// A name to be compared: its first and its last eight bytes, which may overlap; four or two of each if it is shorter.
#[derive(Clone, Copy)]
struct Name {
    first: u64,
    last: u64,
    len: usize,
}

/// What tells a lower case letter from its capital, in eight bytes.
const CASE: u64 = 0x2020_2020_2020_2020;

impl Name {
    /// `None`: shorter than any in the table.
    const fn of(name: &[u8]) -> Option<Self> {
        let len = name.len();
        if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
            return Some(Self { first: u64::from_le_bytes(*first), last: u64::from_le_bytes(*last), len });
        }
        if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
            let (first, last) = (u32::from_le_bytes(*first) as u64, u32::from_le_bytes(*last) as u64);
            return Some(Self { first, last, len });
        }
        if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
            let (first, last) = (u16::from_le_bytes(*first) as u64, u16::from_le_bytes(*last) as u64);
            return Some(Self { first, last, len });
        }
        None
    }

    const fn slot(self) -> usize {
        let mixed = (self.first | CASE) ^ (self.last | CASE).rotate_left(25);
        (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - INDEX_BITS)) as usize
    }

    /// Whether `other` is this name of the table, case ignored. Letters have bit 0x40, and a dot has not: the case
    /// of nothing else is ignored.
    fn is(self, other: Self) -> bool {
        let same = |mine: u64, theirs: u64| mine == theirs | (mine >> 1 & CASE);
        self.len == other.len && same(self.first, other.first) && same(self.last, other.last)
    }
}

/// The names of `COMMANDS`.
static NAMES: [Name; COMMANDS.len()] = build_names();

/// Open addressing over the positions in `COMMANDS`; `EMPTY` ends a probe.
static INDEX: [u8; 1 << INDEX_BITS] = build_index();
const INDEX_BITS: u32 = 9;
const EMPTY: u8 = u8::MAX;

/// The [`Call::ordinal`] of each command in `COMMANDS`.
static ORDINALS: [u16; COMMANDS.len()] = build_ordinals();

const fn build_ordinals() -> [u16; COMMANDS.len()] {
    let (mut ordinals, mut command, mut next) = ([0; COMMANDS.len()], 0, 0);
    while command < COMMANDS.len() {
        ordinals[command] = next as u16;
        next += 1 + COMMANDS[command].subcommands.len();
        command += 1;
    }
    assert!(next <= 256, "a set of rights has 256 bits");
    ordinals
}

const fn build_names() -> [Name; COMMANDS.len()] {
    let mut names = [Name { first: 0, last: 0, len: 0 }; COMMANDS.len()];
    let mut command = 0;
    while command < COMMANDS.len() {
        let name = COMMANDS[command].name.as_bytes();
        assert!(name.len() <= 16, "two times eight bytes have to be the whole name");
        names[command] = Name::of(name).expect("no name is shorter than two bytes");
        command += 1;
    }
    names
}

const fn build_index() -> [u8; 1 << INDEX_BITS] {
    let (mut index, names) = ([EMPTY; 1 << INDEX_BITS], build_names());
    let mut command = 0;
    while command < names.len() {
        let mut slot = names[command].slot();
        while index[slot] != EMPTY {
            slot = (slot + 1) % index.len();
        }
        index[slot] = command as u8;
        command += 1;
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_in_any_case_and_nothing_else_is() {
        for spec in TABLE {
            let mixed: String =
                spec.name.char_indices().map(|(at, c)| if at % 2 == 0 { c.to_ascii_uppercase() } else { c }).collect();
            for name in [spec.name, &spec.name.to_ascii_uppercase(), &mixed] {
                assert_eq!(find(name.as_bytes()).map(|found| found.name), Some(spec.name));
                assert_eq!(place(name.as_bytes()), Some(position(spec)));
            }
            for subcommand in spec.subcommands {
                assert_eq!(find_full(subcommand.name.as_bytes()).map(|found| found.name), Some(subcommand.name));
            }
        }
        for name in [
            "",
            "g",
            "gets",
            "credit.",
            "credit.debi",
            "credit.debits",
            "credit.refunds",
            "client|",
            "client|x",
            "x|id",
            "\u{c}\u{e}",
        ] {
            assert!(find_full(name.as_bytes()).is_none(), "{name:?}");
        }
        // Bit 0x20 alone must not make two names equal: '.' without it is 0x0e. Nor must the ends alone.
        assert!(find(b"credit\x0edebit").is_none());
        assert!(find(b"credit.r.reserve").is_none() && find(b"pin").is_none());
    }

    #[test]
    fn probes_are_short() {
        let runs = INDEX.split(|&entry| entry == EMPTY).map(<[u8]>::len);
        assert!(runs.max() <= Some(4), "choose another rotation in slot");
    }

    #[test]
    fn names_keep_to_what_cluster_clients_can_read() {
        for spec in TABLE {
            assert!(spec.name.bytes().filter(|&byte| byte == b'.').count() <= 1, "{}", spec.name);
            assert_eq!(spec.name, spec.name.to_ascii_lowercase());
            for subcommand in spec.subcommands {
                assert_eq!(subcommand.name.split_once('|').map(|(container, _)| container), Some(spec.name));
            }
        }
    }
}
