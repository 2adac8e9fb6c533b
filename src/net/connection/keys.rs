//! Questions about keys: one look at the account of each, on its shard, in the reply that the key's view says.

use super::{Connection, Host};
use crate::commands::keys::{Key, KeyRequest, KeyView};
use crate::ledger::command::{Command, Op};
use crate::ledger::outcome::{Figures, Outcome};
use crate::net::replies::{Answer, Shape};
use crate::shard::batch::Ticket;

impl Connection {
    pub(super) fn ask_keys(&mut self, command: u16, request: KeyRequest<'_>, host: &mut impl Host) {
        match request {
            KeyRequest::Show(key, view) => {
                let op = if matches!(view, KeyView::Memory { .. }) { Op::Holds } else { Op::Balance };
                let ticket = self.ticket(command, Some(Shape::Key(view, key.is_stream())), 0);
                self.look_at(key, op, ticket, host);
            }
            KeyRequest::Exists(names) => {
                let ticket = self.ticket(command, Some(Shape::count(names.len())), 0);
                names.iter().for_each(|name| self.look_at(Key::of(name), Op::Balance, ticket, host));
            }
        }
    }

    /// Asks the account of `key`; what needs none is answered at once, in the same words.
    fn look_at(&mut self, key: Key<'_>, op: Op, ticket: Ticket, host: &mut impl Host) {
        let is_there = match key {
            Key::Account(account) | Key::Log(account) => return host.submit(ticket, &Command::new(account, b"", op)),
            Key::Events(shard) => shard < host.shards(),
            Key::Nothing => false,
        };
        let figures = Figures { seq: is_there.into(), ..Figures::default() };
        self.fill(ticket.slot, Answer::Outcome(Outcome::Balance(figures)), |failure| host.failed(failure));
    }
}
