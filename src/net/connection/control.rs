//! What others may do to a connection (CLIENT KILL, CLIENT UNBLOCK, CLIENT PAUSE), and what it hears of them (MONITOR).

use super::{CloseReason, Connection, Host};
use crate::commands::arguments::Arguments;
use crate::commands::connection::control::{ClientMatch, ReplyMode};
use crate::commands::reply::Encoder;
use crate::commands::spec::{CommandSpec, Flags};
use crate::net::replies::Answer;
use crate::shard::batch::Ticket;
use std::fmt::Write;

/// What MONITOR shows of one request, bytes; more is left out.
const MONITORED_BYTES_MAX: usize = 4096;

impl Connection {
    /// Whether a CLIENT KILL means it; `asker`: where the answer to that goes.
    pub fn is_meant(&self, meant: &ClientMatch, asker: Ticket) -> bool {
        let is = |wanted: &Option<Box<[u8]>>, text: &str| wanted.as_ref().is_none_or(|word| **word == *text.as_bytes());
        !meant.nobody
            && meant.id.is_none_or(|id| id == self.session.id)
            && meant.listening.is_none_or(|listening| listening == self.is_subscribed())
            && is(&meant.user, self.session.user())
            && is(&meant.peer, &self.session.peer.to_string())
            && is(&meant.local, &self.session.local.to_string())
            && !(meant.skip_me && self.is_at(asker))
    }

    /// Whether `ticket` is for it.
    fn is_at(&self, ticket: Ticket) -> bool {
        Ticket { slot: 0, ..ticket } == Ticket { slot: 0, ..self.place }
    }

    /// Ends it because `asker` says so: at once, or, if that is itself, behind its replies.
    pub fn kill(&mut self, asker: Ticket) {
        if self.is_at(asker) { self.end(CloseReason::Killed) } else { self.cut(CloseReason::Killed) }
    }

    /// Where the answer to its XREAD that waits goes.
    pub fn waits_at(&self) -> Option<Ticket> {
        self.ring.waiting().map(|slot| Ticket { slot, ..self.place })
    }

    /// Answers its XREAD that waits: by an error, or as if its time were over.
    pub fn unblock(&mut self, by_error: bool, host: &mut impl Host) {
        let Some(ticket) = self.waits_at() else { return };
        host.give_up(ticket);
        let answer = if by_error {
            Answer::Error("UNBLOCKED client unblocked via CLIENT UNBLOCK".to_owned())
        } else {
            let mut bytes = Vec::new();
            Encoder::new(&mut bytes, self.session.proto).null_array();
            Answer::Encoded(bytes)
        };
        self.fill(ticket.slot, answer, |failure| host.failed(failure));
    }

    /// CLIENT REPLY. Only ON is answered.
    pub(super) fn set_reply_mode(&mut self, mode: ReplyMode) {
        self.silence = match mode {
            ReplyMode::On => Silence::None,
            ReplyMode::Off => Silence::All,
            ReplyMode::Skip if self.silence == Silence::All => Silence::All,
            ReplyMode::Skip => Silence::Next,
        };
        self.ring.set_mute(mode != ReplyMode::On);
        if mode == ReplyMode::On {
            self.reply(|e| e.ok());
        }
    }

    /// A request begins that is not of an EXEC under way.
    pub(super) fn choose_silence(&mut self) {
        if self.silence != Silence::None {
            self.silence = match self.silence {
                Silence::Next => Silence::This,
                Silence::This => Silence::None,
                same => same,
            };
            self.ring.set_mute(self.silence != Silence::None);
        }
    }

    /// MONITOR
    pub(super) fn monitor(&mut self, host: &mut impl Host) {
        if !self.is_monitor {
            self.is_monitor = true;
            host.monitor(self.place, true);
        }
        self.reply(|e| e.ok());
    }

    /// Hears no more of others.
    pub(super) fn end_monitor(&mut self, host: &mut impl Host) {
        if std::mem::take(&mut self.is_monitor) {
            host.monitor(self.place, false);
        }
    }

    /// Tells those who monitor of a request, but for those of operators, as in Redis.
    pub(super) fn tell_monitors(&self, spec: &CommandSpec, arguments: Arguments<'_>, host: &mut impl Host) {
        if host.is_monitored() && !spec.flags.has(Flags::ADMIN) {
            let line = monitored(spec, arguments, host.now_ms(), &self.session.peer.to_string());
            host.tell_monitors(&line);
        }
    }

    /// Whether a pause holds up the request that comes next.
    pub(super) fn is_held(&self, arguments: Arguments<'_>, host: &impl Host) -> bool {
        let changes = |spec: &CommandSpec| spec.flags.has(Flags::WRITE) || spec.name == "exec";
        let spec = arguments.get(0).and_then(crate::commands::table::find);
        host.pauses(spec.is_some_and(changes))
    }
}

/// Whether requests are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Silence {
    /// They are.
    #[default]
    None,
    /// The next one is not.
    Next,
    /// The one at hand is not.
    This,
    /// None is.
    All,
}

/// A line of MONITOR, the same in both protocols. Secrets are left out, by their commands: whatever stands there.
fn monitored(spec: &CommandSpec, arguments: Arguments<'_>, now_ms: u64, peer: &str) -> Vec<u8> {
    let mut line = format!("+{}.{:06} [0 {peer}]", now_ms / 1000, now_ms % 1000 * 1000);
    let mut shown_from = 0;
    for (at, word) in arguments.iter().enumerate() {
        if line.len() > MONITORED_BYTES_MAX {
            line.push_str(" \"...\"");
            break;
        }
        let is_secret = match spec.name {
            "auth" => at > 0,
            "acl|setuser" => at > 2,
            _ => at < shown_from,
        };
        if spec.name == "hello" && !is_secret && word.eq_ignore_ascii_case(b"AUTH") {
            shown_from = at + 3; // behind a user and a password
        }
        if is_secret && !planted!("MONITOR shows passwords") {
            line.push_str(" \"(redacted)\"");
        } else {
            let shown = &word[..word.len().min(MONITORED_BYTES_MAX)];
            write!(line, " \"{}\"", shown.escape_ascii()).expect("a string takes every write");
        }
    }
    line.push_str("\r\n");
    line.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::arguments::OwnedArguments;
    use crate::commands::table;

    fn line(words: &[&[u8]]) -> String {
        let owned: OwnedArguments = words.iter().copied().collect();
        let call = table::resolve(owned.borrow()).expect("a command");
        let line = monitored(call.spec, owned.borrow(), 1_700_000_000_123, "127.0.0.1:7");
        String::from_utf8(line)
            .expect("text")
            .strip_prefix("+1700000000.123000 [0 127.0.0.1:7] ")
            .expect("head")
            .to_owned()
    }

    #[test]
    fn monitors_see_words_and_never_secrets_nor_line_breaks() {
        assert_eq!(
            line(&[b"credit.debit", b"a\r\n+OK", b"\"t\"", b"5"]),
            "\"credit.debit\" \"a\\r\\n+OK\" \"\\\"t\\\"\" \"5\"\r\n"
        );
        assert_eq!(line(&[b"AUTH", b"me", b"pw"]), "\"AUTH\" \"(redacted)\" \"(redacted)\"\r\n");
        let hello: [&[u8]; 7] = [b"HELLO", b"3", b"auth", b"auth", b"pw", b"SETNAME", b"x"];
        assert_eq!(line(&hello), "\"HELLO\" \"3\" \"auth\" \"(redacted)\" \"(redacted)\" \"SETNAME\" \"x\"\r\n");
        let long = vec![b'x'; 100_000];
        assert!(line(&[b"ECHO", &long]).len() < 2 * MONITORED_BYTES_MAX);
    }
}
