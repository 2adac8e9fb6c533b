//! What users were denied: the entries of ACL LOG.
//!
//! Plain data; whoever keeps it says when. Bounded: entries by their number, each by what it may repeat of a client. A
//! password is never in it, nor a name that is no user's.

use crate::commands::refusal::Refusal;
use std::collections::VecDeque;

/// How long after the last one a denial counts for an entry that is the same, as in Redis.
const SAME_WITHIN_MS: u64 = 60_000;

/// Among how many of the newest entries the same one is looked for, as in Redis.
const SAME_AMONG: usize = 10;

/// What an entry repeats of a key, and of its client's line, bytes.
const OBJECT_BYTES_MAX: usize = 128;
const CLIENT_BYTES_MAX: usize = 1024;

/// What a user may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial<'a> {
    /// Come in, by this command.
    Login(&'static str),
    /// Run this command.
    Command(&'static str),
    /// Touch what this key names.
    Key(&'a [u8]),
}

impl Denial<'_> {
    /// What `user` hears.
    pub fn refusal(&self, user: &str) -> Refusal {
        match self {
            Self::Login(_) => Refusal::fixed("WRONGPASS invalid username-password pair or user is disabled."),
            Self::Command(name) => {
                Refusal::made(format!("NOPERM User {user} has no permissions to run the '{name}' command"))
            }
            Self::Key(_) => Refusal::fixed("NOPERM No permissions to access a key"),
        }
    }

    /// Redis' word for it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Login(_) => "auth",
            Self::Command(_) => "command",
            Self::Key(_) => "key",
        }
    }

    /// The command or the key, as far as an entry repeats it.
    pub fn object(&self) -> &[u8] {
        match self {
            Self::Login(name) | Self::Command(name) => name.as_bytes(),
            Self::Key(key) => &key[..key.len().min(OBJECT_BYTES_MAX)],
        }
    }
}

/// An entry: a denial, and those like it that came soon after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Its number.
    pub id: u64,
    /// How many denials it stands for.
    pub count: u64,
    /// Redis' word for what it is about.
    pub reason: &'static str,
    /// Whether it happened within MULTI.
    pub in_multi: bool,
    /// The command or the key.
    pub object: Box<[u8]>,
    /// Whom it happened to.
    pub user: Box<str>,
    /// The line of CLIENT LIST of the last one.
    pub client: String,
    /// Unix milliseconds of the first.
    pub created_ms: u64,
    /// Of the last.
    pub updated_ms: u64,
}

/// The entries, newest first.
#[derive(Debug)]
pub struct Denials {
    entries: VecDeque<Denied>,
    next: u64,
    len_max: usize,
}

impl Denials {
    /// None yet; keeps `len_max` entries.
    pub fn new(len_max: usize) -> Self {
        Self { entries: VecDeque::new(), next: 0, len_max }
    }

    /// Entries that are kept.
    pub fn len_max(&self) -> usize {
        self.len_max
    }

    /// From now on keeps so many.
    pub fn set_len_max(&mut self, len_max: usize) {
        self.len_max = len_max;
        self.entries.truncate(len_max);
    }

    /// `user` was denied something by a `client` of this line.
    pub fn note(&mut self, user: &str, denial: &Denial<'_>, in_multi: bool, mut client: String, now_ms: u64) {
        client.truncate(client.floor_char_boundary(CLIENT_BYTES_MAX));
        let (reason, object) = (denial.reason(), denial.object());
        let is_same = |known: &Denied| {
            (known.reason, known.in_multi, &*known.object, &*known.user) == (reason, in_multi, object, user)
                && now_ms.saturating_sub(known.updated_ms) <= SAME_WITHIN_MS
        };
        let known = self.entries.iter().take(SAME_AMONG).position(is_same).and_then(|at| self.entries.remove(at));
        let entry = match known {
            Some(known) => Denied { count: known.count + 1, client, updated_ms: now_ms, ..known },
            None => {
                let (id, created_ms) = (self.next, now_ms);
                self.next += 1;
                let (object, user) = (object.into(), user.into());
                Denied { id, count: 1, reason, in_multi, object, user, client, created_ms, updated_ms: now_ms }
            }
        };
        self.entries.push_front(entry);
        self.entries.truncate(self.len_max);
    }

    /// The newest `count`.
    pub fn newest(&self, count: usize) -> impl ExactSizeIterator<Item = &Denied> {
        self.entries.iter().take(count)
    }

    /// Forgets all entries; numbers go on.
    pub fn reset(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries as `id xcount user reason object`.
    fn shown(log: &Denials) -> Vec<String> {
        let line = |entry: &Denied| {
            let object = String::from_utf8_lossy(&entry.object);
            format!("{} x{} {} {} {object}", entry.id, entry.count, entry.user, entry.reason)
        };
        log.newest(usize::MAX).map(line).collect()
    }

    fn note(log: &mut Denials, user: &str, denial: Denial<'_>, now_ms: u64) {
        log.note(user, &denial, false, format!("at {now_ms}"), now_ms);
    }

    #[test]
    fn the_same_within_a_minute_is_one_entry_which_comes_to_the_front() {
        let mut log = Denials::new(8);
        note(&mut log, "ann", Denial::Login("AUTH"), 1_000);
        note(&mut log, "ann", Denial::Command("save"), 2_000);
        note(&mut log, "ann", Denial::Login("AUTH"), 61_000);
        assert_eq!(shown(&log), ["0 x2 ann auth AUTH", "1 x1 ann command save"]);
        let first = log.newest(1).next().expect("one").clone();
        assert_eq!((first.created_ms, first.updated_ms, &*first.client), (1_000, 61_000, "at 61000"));
        note(&mut log, "ann", Denial::Login("AUTH"), 121_001);
        assert_eq!(shown(&log)[0], "2 x1 ann auth AUTH", "a minute later it is another one");
        log.note("ann", &Denial::Login("AUTH"), true, String::new(), 121_001);
        note(&mut log, "bob", Denial::Login("AUTH"), 121_001);
        note(&mut log, "bob", Denial::Login("HELLO"), 121_001);
        note(&mut log, "bob", Denial::Key(b"AUTH"), 121_001);
        assert_eq!(
            shown(&log)[..4],
            ["6 x1 bob key AUTH", "5 x1 bob auth HELLO", "4 x1 bob auth AUTH", "3 x1 ann auth AUTH"]
        );
    }

    #[test]
    fn the_log_is_bounded_whatever_clients_say() {
        let mut log = Denials::new(3);
        for n in 0..100_u32 {
            let key = [n as u8; 4096];
            log.note("ann", &Denial::Key(&key), false, "é".repeat(100_000), 5);
        }
        assert_eq!(log.newest(usize::MAX).len(), 3);
        assert!(
            log.newest(9).all(|entry| entry.object.len() == OBJECT_BYTES_MAX && entry.client.len() <= CLIENT_BYTES_MAX)
        );
        log.set_len_max(1);
        assert_eq!(log.newest(9).next().map(|entry| entry.id), Some(99));
        log.reset();
        assert_eq!(log.newest(9).len(), 0);
        note(&mut log, "ann", Denial::Command("save"), 6);
        assert_eq!(shown(&log), ["100 x1 ann command save"]);
    }
}
