//! An account as a hash that can only be read: HGETALL, HGET, HMGET, HLEN, HEXISTS, HKEYS, HVALS, HSTRLEN, HSCAN. Beside
//! them GET and STRLEN, which say that an account is no string.

use super::{KEY, Key, KeyRequest, KeyView, show};
use crate::commands::args::{Args, whole};
use crate::commands::keys::options::ScanOptions;
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgKind, ArgSpec, CommandSpec, Flags};
use crate::commands::{Defaults, Request};

/// A field of an account, all values being decimal numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// All credits, held ones included.
    Balance,
    /// Held by active reservations.
    Reserved,
    /// Balance - reserved.
    Available,
    /// Of the newest entry.
    Seq,
    /// Of the read, unix milliseconds.
    Time,
}

impl Field {
    /// All, in the order of CREDIT.BALANCE.
    pub const ALL: [Self; 5] = [Self::Balance, Self::Reserved, Self::Available, Self::Seq, Self::Time];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Balance => "balance",
            Self::Reserved => "reserved",
            Self::Available => "available",
            Self::Seq => "seq",
            Self::Time => "time",
        }
    }

    fn named(word: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name().as_bytes() == word)
    }
}

/// What is to be shown of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashView {
    /// HGETALL
    All,
    /// HKEYS
    Names,
    /// HVALS
    Values,
    /// HLEN
    Len,
    /// HGET; a field that is not there is `None`.
    Value(Option<Field>),
    /// HEXISTS
    Has(Option<Field>),
    /// HSTRLEN
    ValueLen(Option<Field>),
    /// HMGET
    Some(Fields),
    /// HSCAN: those that match, all at once.
    Scan(Fields, ScanForm),
}

/// What HSCAN shows of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanForm {
    /// Name and value.
    Pairs,
    /// Its name: NOVALUES.
    Names,
}

/// Most fields of one HMGET.
pub const FIELDS_MAX: usize = 64;

/// Some fields in the order in which they were asked for; `None`: there is none of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    list: [Option<Field>; FIELDS_MAX],
    len: u8,
}

impl Fields {
    fn of(fields: impl Iterator<Item = Option<Field>>) -> Self {
        let mut all = Self { list: [None; FIELDS_MAX], len: 0 };
        for (place, field) in all.list.iter_mut().zip(fields) {
            *place = field;
            all.len += 1;
        }
        all
    }

    /// The fields.
    pub fn as_slice(&self) -> &[Option<Field>] {
        &self.list[..usize::from(self.len)]
    }
}

const BASE: CommandSpec =
    CommandSpec { group: "hash", categories: &["hash"], errors: WRONG_TYPE, since: "2.0.0", ..super::BASE };

const WRONG_TYPE: &[&str] = &["WRONGTYPE"];
const FIELD: ArgSpec = ArgSpec::new("field", ArgKind::String);
const OF_ALL: CommandSpec = CommandSpec { flags: Flags::READONLY, ..BASE };
const OF_ONE: CommandSpec = CommandSpec { arity: 3, args: &[KEY, FIELD], ..BASE };

/// HGETALL
pub static HGETALL: CommandSpec = CommandSpec {
    name: "hgetall",
    summary: "Shows the figures of an account, as a hash",
    parse: |args, _| show(args, KeyView::Hash(HashView::All)),
    ..OF_ALL
};

/// HKEYS
pub static HKEYS: CommandSpec = CommandSpec {
    name: "hkeys",
    summary: "Tells what the figures of an account are called",
    parse: |args, _| show(args, KeyView::Hash(HashView::Names)),
    ..OF_ALL
};

/// HVALS
pub static HVALS: CommandSpec = CommandSpec {
    name: "hvals",
    summary: "Shows the figures of an account without their names",
    parse: |args, _| show(args, KeyView::Hash(HashView::Values)),
    ..OF_ALL
};

/// HLEN
pub static HLEN: CommandSpec = CommandSpec {
    name: "hlen",
    summary: "Tells how many figures an account has: 5, or 0 if there is none",
    parse: |args, _| show(args, KeyView::Hash(HashView::Len)),
    ..BASE
};

/// HGET
pub static HGET: CommandSpec = CommandSpec {
    name: "hget",
    summary: "Shows one figure of an account",
    parse: |args, _| of_field(args, HashView::Value),
    ..OF_ONE
};

/// HEXISTS
pub static HEXISTS: CommandSpec = CommandSpec {
    name: "hexists",
    summary: "Tells whether an account has a figure of that name",
    parse: |args, _| of_field(args, HashView::Has),
    ..OF_ONE
};

/// HSTRLEN
pub static HSTRLEN: CommandSpec = CommandSpec {
    name: "hstrlen",
    since: "3.2.0",
    summary: "Tells how many digits a figure of an account has",
    parse: |args, _| of_field(args, HashView::ValueLen),
    ..OF_ONE
};

/// HMGET
pub static HMGET: CommandSpec = CommandSpec {
    name: "hmget",
    arity: -3,
    summary: "Shows some figures of an account",
    complexity: "O(N) where N is the number of fields",
    args: &[KEY, FIELD.multiple()],
    parse: some,
    ..BASE
};

/// HSCAN
pub static HSCAN: CommandSpec = CommandSpec {
    name: "hscan",
    arity: -3,
    since: "2.8.0",
    tips: &["nondeterministic_output"],
    summary: "Shows the figures of an account, all at once",
    args: &[
        KEY,
        ArgSpec::new("cursor", ArgKind::Integer),
        ArgSpec::option("MATCH", "pattern", ArgKind::Pattern),
        ArgSpec::option("COUNT", "count", ArgKind::Integer),
        ArgSpec::token("novalues", "NOVALUES").optional(),
    ],
    parse: scan,
    ..OF_ALL
};

/// GET
pub static GET: CommandSpec = CommandSpec {
    name: "get",
    summary: "Answers null, or that an account is a hash and no string",
    parse: |args, _| show(args, KeyView::Text),
    ..STRING
};

/// STRLEN
pub static STRLEN: CommandSpec = CommandSpec {
    name: "strlen",
    since: "2.2.0",
    summary: "Answers 0, or that an account is a hash and no string",
    parse: |args, _| show(args, KeyView::TextLen),
    ..STRING
};

const STRING: CommandSpec = CommandSpec { group: "string", categories: &["string"], errors: WRONG_TYPE, ..super::BASE };

fn of_field<'a>(args: &mut Args<'a>, view: impl Fn(Option<Field>) -> HashView) -> Result<Request<'a>, Refusal> {
    let key = Key::of(args.word()?);
    let view = view(Field::named(args.word()?));
    Ok(Request::Keys(KeyRequest::Show(key, KeyView::Hash(view))))
}

fn some<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let key = Key::of(args.word()?);
    args.at_most(FIELDS_MAX)?;
    let fields = Fields::of(args.rest().iter().map(Field::named));
    Ok(Request::Keys(KeyRequest::Show(key, KeyView::Hash(HashView::Some(fields)))))
}

fn scan<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let key = Key::of(args.word()?);
    whole(args.word()?, 0, u64::MAX).ok_or(super::scan::INVALID_CURSOR)?;
    let options = ScanOptions::read(args, &["MATCH", "COUNT", "NOVALUES"])?;
    let matching = Field::ALL.into_iter().filter(|field| options.wants(field.name().as_bytes()));
    let form = if options.no_values { ScanForm::Names } else { ScanForm::Pairs };
    let view = HashView::Scan(Fields::of(matching.map(Some)), form);
    Ok(Request::Keys(KeyRequest::Show(key, KeyView::Hash(view))))
}
