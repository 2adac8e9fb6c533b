//! One user, and the rules that change one: Redis' words.

use super::denials::Denial;
use super::password::Password;
use super::rights::Rights;
use crate::commands::arguments::Arguments;
use crate::commands::spec::{CommandSpec, Names};
use crate::commands::streams::Stream;
use std::fmt;

/// Passwords of one user: an old one, a new one, and room.
pub const PASSWORDS_MAX: usize = 16;

/// Prefixes of one user.
pub const PREFIXES_MAX: usize = 16;

/// Longest prefix, bytes.
pub const PREFIX_LEN_MAX: usize = 128;

/// Longest name, bytes.
pub const NAME_LEN_MAX: usize = 64;

/// Who may come in by which passwords, and what they may do then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    name: Box<str>,
    pub(super) is_on: bool,
    /// Comes in with any password.
    pub(super) no_pass: bool,
    pub(super) passwords: Vec<Password>,
    rights: Rights,
    /// What the accounts that it may touch begin with; an empty one: all. None: no account.
    prefixes: Vec<Box<str>>,
}

/// A rule that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// No such rule.
    #[error("Syntax error")]
    Unknown,
    /// No such command, class or category.
    #[error("Unknown command or category name in ACL")]
    UnknownCommand,
    /// Neither a SHA-256 nor an argon2id digest.
    #[error("The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters")]
    BadDigest,
    /// No password at all.
    #[error("the password is empty")]
    EmptyPassword,
    /// A password to be taken away that is none of the user's.
    #[error("The password you are trying to remove from the user does not exist")]
    NoSuchPassword,
    /// A pattern that is no prefix.
    #[error("creditd knows prefixes of accounts: give ~text* or ~*, of printable ASCII without blanks")]
    BadPattern,
    /// Too many passwords or prefixes.
    #[error("a user has at most 16 passwords and 16 prefixes of at most 128 bytes")]
    TooMany,
    /// Events are of all accounts.
    #[error("the feed shows all accounts: it cannot go with a prefix; leave out @feed and @all, or give ~*")]
    FeedWithPrefix,
}

impl User {
    /// Whether `name` can be one's.
    pub fn is_name(name: &str) -> bool {
        (1..=NAME_LEN_MAX).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
    }

    /// One that may not come in and do nothing.
    pub fn new(name: &str) -> Self {
        let (is_on, no_pass, passwords, prefixes) = (false, false, Vec::new(), Vec::new());
        Self { name: name.into(), is_on, no_pass, passwords, rights: Rights::open(), prefixes }
    }

    /// One that may do everything, and comes in by `password`, or by any.
    pub fn open(name: &str, password: Option<Password>) -> Self {
        let (no_pass, prefixes) = (password.is_none(), vec!["".into()]);
        let passwords = password.into_iter().collect();
        Self { name: name.into(), is_on: true, no_pass, passwords, rights: Rights::all(), prefixes }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it comes in without being asked.
    pub fn is_open(&self) -> bool {
        self.is_on && self.no_pass
    }

    /// Whether it may come in, and whether with any password, in Redis' words.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> {
        let flags = [(true, if self.is_on { "on" } else { "off" }), (self.no_pass, "nopass")];
        flags.into_iter().filter_map(|(has, word)| has.then_some(word))
    }

    /// Its digests.
    pub fn passwords(&self) -> &[Password] {
        &self.passwords
    }

    /// What it may do.
    pub fn rights(&self) -> &Rights {
        &self.rights
    }

    /// Whether it may come in by `password`.
    pub fn comes_in_by(&self, password: &Password) -> bool {
        self.is_on && (self.no_pass || self.passwords.contains(password))
    }

    /// Whether it may do what `other` may, and nothing else.
    pub fn may_the_same_as(&self, other: &Self) -> bool {
        (&self.rights, &self.prefixes) == (&other.rights, &other.prefixes)
    }

    /// Patterns of the accounts that it may touch.
    pub fn keys(&self) -> String {
        self.prefixes.iter().map(|prefix| format!("~{prefix}*")).collect::<Vec<_>>().join(" ")
    }

    /// What of the command at `ordinal`, with these words behind its name, it may not; `None`: it may run it.
    #[inline]
    pub fn denial<'a>(&self, ordinal: u16, spec: &CommandSpec, rest: Arguments<'a>) -> Option<Denial<'a>> {
        if !self.rights.allow(ordinal) {
            return Some(Denial::Command(spec.name));
        }
        if spec.key.is_none() || self.may_touch_all(spec) {
            return None;
        }
        let keys = spec.keys(rest)?; // none where they should be: the parser says so
        keys.iter().find(|key| !self.may_touch(spec, key)).map(Denial::Key)
    }

    /// Changes it by one rule; `salt` is for a password in plain words, which makes this slow.
    ///
    /// # Errors
    /// [`RuleError`]; nothing is changed.
    pub fn apply(&mut self, rule: &str, salt: impl FnOnce() -> [u8; 16]) -> Result<(), RuleError> {
        if rule.starts_with(['>', '<']) {
            return self.apply_word(rule, salt); // no copy of a password is left in memory
        }
        match rule.to_ascii_lowercase().as_str() {
            "on" => self.is_on = true,
            "off" => self.is_on = false,
            "nopass" => (self.no_pass, self.passwords) = (true, Vec::new()),
            "resetpass" => (self.no_pass, self.passwords) = (false, Vec::new()),
            "allkeys" | "~*" => self.prefixes = vec!["".into()],
            "resetkeys" => self.prefixes.clear(),
            "allcommands" => self.rights = Rights::all(),
            "nocommands" => self.rights = Rights::open(),
            "reset" => *self = Self::new(&self.name),
            // What is said on channels is of all accounts: the class feed decides.
            "allchannels" | "resetchannels" | "&*" => {}
            _ => return self.apply_word(rule, salt),
        }
        Ok(())
    }

    /// Whether its rules go together.
    ///
    /// # Errors
    /// [`RuleError::FeedWithPrefix`].
    pub fn check(&self) -> Result<(), RuleError> {
        let is_narrow = self.prefixes.iter().any(|prefix| !prefix.is_empty());
        if is_narrow && self.rights.has_feed() { Err(RuleError::FeedWithPrefix) } else { Ok(()) }
    }

    fn apply_word(&mut self, rule: &str, salt: impl FnOnce() -> [u8; 16]) -> Result<(), RuleError> {
        let Some((sign, word)) = rule.split_at_checked(1) else { return Err(RuleError::Unknown) };
        match sign {
            "+" => self.rights.add(&Rights::named(word).ok_or(RuleError::UnknownCommand)?),
            "-" => self.rights.remove(&Rights::named(word).ok_or(RuleError::UnknownCommand)?),
            "~" => self.add_prefix(word)?,
            ">" if word.is_empty() => return Err(RuleError::EmptyPassword),
            ">" if self.passwords.iter().any(|known| known.is_of(word.as_bytes())) => self.no_pass = false,
            ">" => self.add_password(Password::of(word.as_bytes(), &salt()))?,
            "#" | "$" => self.add_password(Password::parse(rule).ok_or(RuleError::BadDigest)?)?,
            "<" => self.remove_password(|known| known.is_of(word.as_bytes()))?,
            "!" => {
                let digest = if word.starts_with('$') { word.to_owned() } else { format!("#{word}") };
                let digest = Password::parse(&digest).ok_or(RuleError::BadDigest)?;
                self.remove_password(|known| *known == digest)?;
            }
            _ => return Err(RuleError::Unknown),
        }
        Ok(())
    }

    fn add_prefix(&mut self, pattern: &str) -> Result<(), RuleError> {
        let prefix = pattern.strip_suffix('*').ok_or(RuleError::BadPattern)?;
        // It is a word of the aclfile: a blank or a line feed would make it two.
        if prefix.contains(['*', '?', '[', '\\']) || !prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(RuleError::BadPattern);
        }
        if self.prefixes.iter().any(|known| &**known == prefix) {
            return Ok(());
        }
        if self.prefixes.len() >= PREFIXES_MAX || prefix.len() > PREFIX_LEN_MAX {
            return Err(RuleError::TooMany);
        }
        self.prefixes.push(prefix.into());
        Ok(())
    }

    fn add_password(&mut self, password: Password) -> Result<(), RuleError> {
        if !self.passwords.contains(&password) {
            if self.passwords.len() >= PASSWORDS_MAX {
                return Err(RuleError::TooMany);
            }
            self.passwords.push(password);
        }
        self.no_pass = false;
        Ok(())
    }

    fn remove_password(&mut self, is_meant: impl Fn(&Password) -> bool) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(is_meant).ok_or(RuleError::NoSuchPassword)?;
        self.passwords.remove(at);
        Ok(())
    }

    fn may_touch_all(&self, spec: &CommandSpec) -> bool {
        match spec.names {
            Names::Lead => true,
            Names::Account | Names::Key => self.has_all_accounts(),
            Names::Stream => self.has_all_accounts() && self.rights.has_feed(),
        }
    }

    fn has_all_accounts(&self) -> bool {
        self.prefixes.iter().any(|prefix| prefix.is_empty())
    }

    /// Whether `account` is within its prefixes.
    pub fn may_see(&self, account: &[u8]) -> bool {
        self.prefixes.iter().any(|prefix| account.starts_with(prefix.as_bytes()))
    }

    /// Whether it may touch what `key` names. Events are of all accounts; a log is its account's.
    fn may_touch(&self, spec: &CommandSpec, key: &[u8]) -> bool {
        match (spec.names, Stream::of(key)) {
            (Names::Lead, _) | (Names::Stream, Stream::Nothing) => true,
            (Names::Stream, Stream::Events(_)) => self.rights.has_feed(),
            (Names::Stream | Names::Key, Stream::Log(account)) => self.may_see(account),
            (Names::Account | Names::Key, _) => self.may_see(key),
        }
    }
}

impl fmt::Display for User {
    /// As a line of an aclfile, and of ACL LIST.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user {}", self.name)?;
        self.flags().try_for_each(|flag| write!(f, " {flag}"))?;
        self.passwords.iter().try_for_each(|password| write!(f, " {password}"))?;
        let keys = self.keys();
        if !keys.is_empty() {
            write!(f, " {keys}")?;
        }
        write!(f, " &* {}", self.rights.rules())
    }
}
