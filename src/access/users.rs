//! All users at one time. A change makes new ones; who has the old ones is not disturbed.

use super::password::{Login, Password};
use super::user::{RuleError, User};
use std::collections::BTreeMap;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Users at most, beside the default user.
pub const USERS_MAX: usize = 1000;

/// The user that a connection is until it says who it is, and that AUTH with one word means.
pub const DEFAULT: &str = "default";

/// All users.
#[derive(Clone, Debug)]
pub struct Users {
    by_name: BTreeMap<Box<str>, Arc<User>>,
    /// Counts changes.
    version: u64,
}

/// What a password has come to.
pub enum Checked {
    /// It is right: who that is.
    Right(Arc<User>),
    /// It is not, or there is no such user.
    Wrong,
    /// It takes long to know: not on a core's thread.
    Slow(Arc<User>, Login),
}

/// A line of an aclfile that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct FileError {
    /// From 1.
    pub line: usize,
    /// What is wrong with it; never a password.
    pub reason: String,
}

impl Users {
    /// Those of an aclfile's text, or none but the default user. That one is as the text says; else it comes in by
    /// `password`; else, if there are others, not at all; else by any, and may do everything.
    ///
    /// # Errors
    /// The first line that cannot be.
    pub fn load(text: &str, password: Option<Password>) -> Result<Self, FileError> {
        let mut users = Self { by_name: BTreeMap::new(), version: 0 };
        for (number, line) in text.lines().enumerate() {
            let line_error = |reason: String| FileError { line: number + 1, reason };
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                None => continue,
                Some(word) if word.starts_with('#') => continue,
                Some("user") => {}
                Some(_) => return Err(line_error("a line is `user NAME RULE ...`".to_owned())),
            }
            let name = words.next().filter(|name| User::is_name(name));
            let name = name.ok_or_else(|| line_error("no name, or one of more than 64 bytes".to_owned()))?;
            if users.by_name.contains_key(name) {
                return Err(line_error(format!("user {name} is there already")));
            }
            let mut user = User::new(name);
            for (index, rule) in words.enumerate() {
                if rule.starts_with(['>', '<', '!']) {
                    return Err(line_error("a file has digests, no passwords: #SHA-256 or $argon2id$...".to_owned()));
                }
                let applied = user.apply(rule, || unreachable!("only passwords in plain words need salt"));
                applied.map_err(|error| line_error(format!("rule {} of user {name}: {error}", index + 1)))?;
            }
            user.check().map_err(|error| line_error(format!("user {name}: {error}")))?;
            users.put(user).map_err(|error| line_error(error.to_owned()))?;
        }
        if !users.by_name.contains_key(DEFAULT) {
            let has_others = !users.by_name.is_empty();
            let default =
                if password.is_none() && has_others { User::new(DEFAULT) } else { User::open(DEFAULT, password) };
            users.by_name.insert(DEFAULT.into(), Arc::new(default));
        }
        Ok(users)
    }

    /// A line for each, by name; without the default user if it is as `password` of the configuration makes it: the file
    /// would outlive a change of that.
    pub fn text(&self, password: Option<&Password>) -> String {
        let configured = password.map(|password| User::open(DEFAULT, Some(password.clone())));
        let told = self.iter().filter(|user| Some(user.as_ref()) != configured.as_ref());
        told.map(|user| format!("{user}\n")).collect()
    }

    /// How often they were changed.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// By name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<User>> {
        self.by_name.values()
    }

    /// The user of that name.
    pub fn get(&self, name: &[u8]) -> Option<&Arc<User>> {
        self.by_name.get(str::from_utf8(name).ok()?)
    }

    /// Who a connection is before it says who it is; `None`: nobody.
    pub fn unasked(&self) -> Option<&Arc<User>> {
        self.by_name.get(DEFAULT).filter(|user| user.is_open())
    }

    /// Looks at a password. Nothing that takes long, and nothing that tells a wrong name from a wrong password but by its
    /// time: whoever answers a wrong one does so after a while.
    pub fn check(&self, name: &[u8], given: &[u8]) -> Checked {
        let Some(user) = self.get(name).filter(|user| user.is_on) else { return Checked::Wrong };
        let token = Password::token(given);
        if user.no_pass || user.passwords.iter().fold(false, |found, known| found | known.matches_fast(&token)) {
            return Checked::Right(user.clone());
        }
        let human = |password: &Password| if let Password::Human(text) = password { Some(text.clone()) } else { None };
        let digests: Vec<_> = user.passwords.iter().filter_map(human).collect();
        if digests.is_empty() {
            return Checked::Wrong;
        }
        Checked::Slow(user.clone(), Login { given: Zeroizing::new(given.to_vec()), digests })
    }

    /// These with one changed by `rules`, or made. Passwords in plain words make it slow.
    ///
    /// # Errors
    /// The text of the refusal; never a password.
    pub fn with(&self, name: &str, rules: &[&str], salt: impl Fn() -> [u8; 16]) -> Result<Self, String> {
        if !User::is_name(name) {
            return Err("ERR Usernames can't contain spaces or null characters, and have at most 64 bytes".to_owned());
        }
        let mut user = self.get(name.as_bytes()).map_or_else(|| User::new(name), |user| User::clone(user));
        let refused = |rule: &str, error: RuleError| {
            let shown = if rule.starts_with(['>', '<', '#', '!', '$']) { &rule[..1] } else { rule };
            format!("ERR Error in ACL SETUSER modifier '{shown}': {error}")
        };
        for rule in rules {
            user.apply(rule, &salt).map_err(|error| refused(rule, error))?;
        }
        user.check().map_err(|error| format!("ERR {error}"))?;
        let mut users = self.clone();
        users.put(user).map_err(|error| format!("ERR {error}"))?;
        users.version += 1;
        Ok(users)
    }

    /// These, as a change of others.
    pub fn after(self, others: &Self) -> Self {
        Self { version: others.version + 1, ..self }
    }

    /// These without some, and how many of those there were.
    pub fn without(&self, names: &[&str]) -> (Self, u64) {
        let mut users = self.clone();
        let gone = names.iter().filter(|name| users.by_name.remove(**name).is_some()).count();
        users.version += 1;
        (users, gone as u64)
    }

    fn put(&mut self, user: User) -> Result<(), &'static str> {
        let is_new = user.name() != DEFAULT && !self.by_name.contains_key(user.name());
        if is_new && self.by_name.len() - usize::from(self.by_name.contains_key(DEFAULT)) >= USERS_MAX {
            return Err("there are 1000 users already");
        }
        self.by_name.insert(user.name().into(), Arc::new(user));
        Ok(())
    }
}
