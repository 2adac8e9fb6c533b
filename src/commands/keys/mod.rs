//! Accounts as keys: what tools for Redis ask of any key, and accounts as hashes that nobody can write.
//!
//! ```text
//!  key                     type    what is asked                          answered from
//!  <account>               hash    balance reserved available seq time    the account, as CREDIT.BALANCE is
//!  credit:log:{<account>}  stream  whether it is there                    the account
//!  credit:events:<shard>   stream  whether it is there                    the number of shards
//! ```
//! One key is one CREDIT.BALANCE (or CREDIT.HOLDS) on the account's shard, whose figures are then shown as [`KeyView`]
//! says: the rules and the wait for the disk are the same. Names of streams are streams, though there be an account of
//! that name. Leads are no keys. Absent on purpose: expiry, and anything that changes a key.

pub mod generic;
pub mod hash;
pub mod memory;
pub mod object;
pub mod options;
pub mod refused;
pub mod scan;

use super::Request;
use super::args::Args;
use super::arguments::Arguments;
use super::refusal::Refusal;
use super::spec::{ArgKind, ArgSpec, Class, CommandSpec, Flags, KeyUse, Names};
use super::streams::Stream;
use crate::ledger::id::ACCOUNT_LEN_MAX;
use hash::HashView;

/// A question about keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRequest<'a> {
    /// About one key.
    Show(Key<'a>, KeyView),
    /// EXISTS: how many of these there are; one that is named twice counts twice.
    Exists(Arguments<'a>),
}

/// What a key can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// This account, if it was opened: a hash.
    Account(&'a [u8]),
    /// The trail of this account, if it was opened: a stream.
    Log(&'a [u8]),
    /// The events of the shard with this number, if there is one: a stream.
    Events(u16),
    /// Nothing: no account can be called so.
    Nothing,
}

impl<'a> Key<'a> {
    /// What `word` can be.
    pub fn of(word: &'a [u8]) -> Self {
        match Stream::of(word) {
            Stream::Events(shard) => Self::Events(shard),
            Stream::Log(account) => Self::Log(account),
            Stream::Nothing if (1..=ACCOUNT_LEN_MAX).contains(&word.len()) => Self::Account(word),
            Stream::Nothing => Self::Nothing,
        }
    }

    /// Whether it is a stream, if it is there.
    pub fn is_stream(&self) -> bool {
        matches!(self, Self::Log(_) | Self::Events(_))
    }
}

/// What is to be shown of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyView {
    /// TYPE
    Type,
    /// TTL, PTTL, EXPIRETIME, PEXPIRETIME: no key expires.
    Expiry,
    /// OBJECT ENCODING
    Encoding,
    /// OBJECT REFCOUNT, OBJECT IDLETIME: the same of every key.
    Constant(u64),
    /// OBJECT FREQ
    Frequency,
    /// MEMORY USAGE of a name so long: bytes, holds included. A stream takes none, it is read from the log.
    Memory {
        /// Bytes of the account's name.
        name_len: u8,
    },
    /// GET: null, or that it is no string.
    Text,
    /// STRLEN: 0, or that it is no string.
    TextLen,
    /// A view of a hash.
    Hash(HashView),
}

const BASE: CommandSpec = CommandSpec {
    group: "generic",
    class: Class::Reader,
    flags: Flags::READONLY.and(Flags::FAST),
    key: Some(KeyUse::Read),
    names: Names::Key,
    categories: &["keyspace"],
    arity: 2,
    args: &[KEY],
    ..CommandSpec::BASE
};

const KEY: ArgSpec = ArgSpec::new("key", ArgKind::Key);

/// The request that shows `view` of the key that comes next.
fn show<'a>(args: &mut Args<'a>, view: KeyView) -> Result<Request<'a>, Refusal> {
    Ok(Request::Keys(KeyRequest::Show(Key::of(args.word()?), view)))
}
