//! A client whose holds end by themselves, before, during and after the end of the server.

use std::sync::mpsc::Sender;

use crate::chance::Chance;
use crate::wire::Wire;

/// What a hasty account is granted, once.
const HASTY_CREDITS: u64 = 1_000_000_000_000;

/// A client whose holds end by themselves, before, during and after the kill.
pub struct Hasty {
    chance: Chance,
    opened: bool,
    made: u64,
    /// Short holds of this life: the id, and the deadline if it was told.
    holds: Vec<(String, Option<u64>)>,
    /// Over all lives.
    pub decided: u64,
    pub expired: u64,
}

impl Hasty {
    const ACCOUNT: &str = "hasty";

    /// One that has asked for nothing.
    pub fn new(seed: u64) -> Self {
        Self { chance: Chance::new(seed), opened: false, made: 0, holds: Vec::new(), decided: 0, expired: 0 }
    }

    /// What its account has.
    pub fn balance(&self) -> u64 {
        if self.opened { HASTY_CREDITS } else { 0 }
    }

    /// Sends pipelines until the connection ends.
    pub fn work(&mut self, mut wire: Wire, progress: &Sender<()>) {
        loop {
            let first = self.holds.len();
            let mut bytes = Vec::new();
            for _ in 0..=self.chance.below(8) {
                self.made += 1;
                let (tx, ttl_ms) = (format!("h{}", self.made), 1 + self.chance.below(40));
                bytes.extend(crate::wire::request(&Self::reserve(&tx, ttl_ms)));
                self.holds.push((tx, None));
            }
            if wire.try_send(&bytes).is_err() {
                return;
            }
            for (_, expires_at_ms) in &mut self.holds[first..] {
                let Some(reply) = wire.next() else { return };
                *expires_at_ms = (!reply.text().starts_with('-')).then(|| reply.number("expires"));
            }
            // As above.
            let _ = progress.send(());
        }
    }

    fn reserve(tx: &str, ttl_ms: u64) -> String {
        format!("CREDIT.RESERVE {} {tx} 7 TTL {ttl_ms}", Self::ACCOUNT)
    }

    /// Every short hold is, or is going to be, expired at the deadline that was told; nothing is held in the end.
    pub fn check(&mut self, wire: &mut Wire) {
        let grant = wire.ask(&format!("CREDIT.GRANT {} open {HASTY_CREDITS}", Self::ACCOUNT));
        assert_eq!(grant.map().contains_key("replayed"), self.opened, "granted once");
        self.opened = true;
        for (tx, told) in std::mem::take(&mut self.holds) {
            let reply = self.decide(&tx, wire);
            self.decided += 1;
            if reply.starts_with("-LIMIT ") {
                assert_eq!(told, None, "{tx} was active");
                continue;
            }
            let facts = reply.strip_prefix("-EXPIRED expires=").unwrap_or_else(|| panic!("{tx}: {reply}"));
            let expires_at_ms = facts.split(' ').next().and_then(|number| number.parse::<u64>().ok());
            assert!(told.is_none() || told == expires_at_ms, "{tx}: {told:?} was told, now {reply}");
            self.expired += 1;
        }
        let shown = wire.ask(&format!("CREDIT.BALANCE {}", Self::ACCOUNT));
        assert_eq!((shown.number("balance"), shown.number("reserved")), (HASTY_CREDITS, 0));
        let audit = wire.ask(&format!("CREDIT.AUDIT {}", Self::ACCOUNT));
        assert_eq!((audit.number("ok"), audit.number("entries")), (1, shown.number("seq")), "{}", audit.line());
        // One entry for the grant and for each decline, two for each hold: none expired twice.
        assert_eq!(shown.number("seq"), 1 + self.decided + self.expired, "{}", shown.line());
    }

    /// Asks again for a hold until its deadline has passed, and returns the answer from then on.
    fn decide(&self, tx: &str, wire: &mut Wire) -> String {
        let reply = wire.ask(&Self::reserve(tx, 1));
        if reply.text().starts_with('-') {
            return reply.line();
        }
        let expires_at_ms = reply.number("expires");
        while wire.ask(&format!("CREDIT.BALANCE {}", Self::ACCOUNT)).number("time") < expires_at_ms {}
        wire.ask(&Self::reserve(tx, 1)).line()
    }
}
