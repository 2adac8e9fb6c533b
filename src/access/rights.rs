//! A set of commands: one bit each, by the table.

use crate::commands::spec::{Class, CommandSpec};
use crate::commands::table;
use std::sync::LazyLock;

/// Words of the set: 256 commands and subcommands.
const WORDS: usize = 4;

/// The classes that a user can be given, as they are called.
const CLASSES: [&str; 5] = ["reader", "spender", "granter", "feed", "admin"];

/// What shows all accounts: made once, because each command about streams looks at it.
static FEED: LazyLock<Rights> = LazyLock::new(|| Rights::of(|spec| spec.class == Class::Feed));

/// The commands and subcommands that a user may run. What is open to every user ([`Class::Open`]) is always among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights([u64; WORDS]);

impl Rights {
    /// What every user may do.
    pub fn open() -> Self {
        Self::of(|spec| spec.class == Class::Open)
    }

    /// Everything.
    pub fn all() -> Self {
        Self::of(|_| true)
    }

    /// The commands that `name` means: `@class`, `@category`, `@all`, a command (its subcommands, too), or `container|sub`.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let found = match name.strip_prefix('@') {
            Some("all") => Self::all(),
            Some(category) => Self::of(|spec| spec.is_in_category(category)),
            None => Self::of(|spec| spec.name == name || spec.name.split('|').next() == Some(&name)),
        };
        (found.0 != [0; WORDS]).then_some(found)
    }

    /// Adds the commands of `other`.
    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine |= theirs);
    }

    /// Takes the commands of `other` away, but for those that are open to all.
    pub fn remove(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine &= !theirs);
        self.add(&Self::open());
    }

    /// Whether the command at `ordinal` of the table is among them.
    pub fn allow(&self, ordinal: u16) -> bool {
        let ordinal = usize::from(ordinal);
        self.0[ordinal / 64] >> (ordinal % 64) & 1 == 1
    }

    /// Whether they show what happens to all accounts.
    pub fn has_feed(&self) -> bool {
        !self.is_apart_from(&FEED)
    }

    /// The rules that make them of nothing, as ACL LIST shows them.
    pub fn rules(&self) -> String {
        if *self == Self::all() {
            return "+@all".to_owned();
        }
        let (mut rules, mut told) = ("-@all".to_owned(), Self::open());
        for class in CLASSES {
            let name = format!("@{class}");
            let set = Self::named(&name).expect("every class has commands");
            if self.contain(&set) {
                rules += &format!(" +{name}");
                told.add(&set);
            }
        }
        for (ordinal, spec) in table::entries().filter(|(ordinal, _)| self.allow(*ordinal)) {
            // A container's name means all that is in it, too.
            let set = Self::named(spec.name).expect("it has its own name");
            if !told.allow(ordinal) && self.contain(&set) {
                rules += &format!(" +{}", spec.name);
                told.add(&set);
            }
        }
        rules
    }

    fn of(wants: impl Fn(&CommandSpec) -> bool) -> Self {
        let mut set = Self([0; WORDS]);
        for (ordinal, _) in table::entries().filter(|(_, spec)| wants(spec)) {
            set.0[usize::from(ordinal) / 64] |= 1 << (ordinal % 64);
        }
        set
    }

    fn contain(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).all(|(mine, theirs)| mine & theirs == theirs)
    }

    fn is_apart_from(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).all(|(mine, theirs)| mine & theirs == 0)
    }
}
