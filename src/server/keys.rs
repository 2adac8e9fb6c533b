//! SCAN: a step goes to the core of the shard at which the cursor stands, and on through that core's other shards.

use super::engine::Engine;
use super::inquiry::Wanted;
use crate::access::User;
use crate::commands::keys::options::ScanOptions;
use crate::commands::keys::scan::{Cursor, Scan};
use crate::commands::reply::{Encoder, Proto};
use crate::net::replies::Answer;
use crate::shard::batch::Ticket;
use std::sync::Arc;

/// A step of a SCAN, on its way to another core.
#[derive(Clone, Debug)]
pub(super) struct ScanStep {
    cursor: Cursor,
    pattern: Option<Box<[u8]>>,
    count: u16,
    proto: Proto,
    /// Who asks, and sees only accounts within its prefixes.
    user: Arc<User>,
}

impl Engine {
    /// Has a step of a SCAN made.
    pub(super) fn begin_scan(
        &mut self,
        ticket: Ticket,
        proto: Proto,
        user: &Arc<User>,
        scan: &Scan<'_>,
    ) -> Option<Answer> {
        let Scan { cursor, options: ScanOptions { pattern, count, kind, .. } } = *scan;
        let reply = |names: &[Vec<u8>]| Some(Answer::Encoded(encode(None, names, proto)));
        let is_kind = |word: &str| kind.is_none_or(|kind| kind.eq_ignore_ascii_case(word.as_bytes()));
        if cursor.shard >= self.shared.router.shards() {
            return reply(&[]); // made by another server
        }
        if !is_kind("hash") {
            let all = if is_kind("stream") { self.shared.router.shards() } else { 0 };
            let streams = (0..all).map(|shard| format!("credit:events:{shard}").into_bytes());
            return reply(&streams.filter(|name| scan.options.wants(name)).collect::<Vec<_>>());
        }
        let core = usize::from(self.shared.router.core(cursor.shard));
        let step = ScanStep { cursor, pattern: pattern.map(Box::from), count, proto, user: user.clone() };
        self.inquire_of(core..core + 1, ticket, Wanted::Scan(step))
    }

    /// Makes a step: the whole reply.
    pub(super) fn scan(&self, step: &ScanStep) -> Vec<u8> {
        let options = ScanOptions { pattern: step.pattern.as_deref(), count: step.count, kind: None, no_values: false };
        let (mut next, mut left, mut names) = (Some(step.cursor), u32::from(step.count), Vec::new());
        while left > 0
            && let Some(cursor) = next.filter(|cursor| self.shared.router.core(cursor.shard) == self.id())
        {
            let shard = &self.homes[self.shared.router.place(cursor.shard)].shard;
            let (ledger, accounts) = (shard.ledger(), shard.durable_accounts());
            let below = u64::from(cursor.below).min(accounts) as u32;
            let last = below.saturating_sub(left);
            let all = (last..below).rev().map(|number| ledger.account_name(number));
            names.extend(all.filter(|name| step.user.may_see(name) && options.wants(name)));
            left -= below - last;
            next = if last > 0 { Some(Cursor { below: last, ..cursor }) } else { self.shard_behind(cursor.shard) };
        }
        encode(next, &names, step.proto)
    }

    /// Before the accounts of the shard that a scan looks at behind `shard`: core by core, so that few are asked.
    fn shard_behind(&self, shard: u16) -> Option<Cursor> {
        let (shards, cores) = (self.shared.router.shards(), self.shared.router.cores());
        let same_core = shard.checked_add(cores).filter(|shard| *shard < shards);
        let next_core = Some(shard % cores + 1).filter(|shard| *shard < cores.min(shards));
        same_core.or(next_core).map(Cursor::before)
    }
}

fn encode(next: Option<Cursor>, names: &[impl AsRef<[u8]>], proto: Proto) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut out = Encoder::new(&mut bytes, proto);
    out.array(2);
    out.text(itoa::Buffer::new().format(next.map_or(0, Cursor::number)));
    out.array(names.len());
    names.iter().for_each(|name| out.bulk(name.as_ref()));
    bytes
}
