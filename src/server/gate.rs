//! Who may come in: how many connections there may be, and how many of strangers.
//!
//! ```text
//!  accept ─▶ Gate::admit ─┬─ Place: counted on its core, and as a stranger's where a login is needed ─▶ the socket keeps it
//!                         └─ a reason: turned away                     (its drop gives the place back) ◀─┘
//! ```
//! A stranger is a connection that has not logged in. Strangers cost little each, and there are few: the address that
//! opens many of them, and does not log in, shuts out itself and nobody else.
//! The last places are for this machine's operators: other addresses cannot take them.
//!
//! Absent on purpose: anything on the way of commands. The lock is taken at accept, login, RESET and end.

use crate::net::connection::CloseReason;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Places that only loopback addresses may take, unless there are so few that a tenth is less.
const OPERATORS_PLACES: usize = 32;

/// How many strangers there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct StrangersMax {
    pub(super) in_all: usize,
    pub(super) per_ip: usize,
}

/// Counts who is in.
pub(super) struct Gate {
    /// Open connections, by core.
    clients: Vec<AtomicU32>,
    next_id: AtomicU64,
    strangers_max: StrangersMax,
    /// Connections of strangers, by address; no zeros. As many entries as there may be strangers, and some that said
    /// RESET.
    strangers: Mutex<BTreeMap<IpAddr, usize>>,
}

/// A connection's place. Whoever drops it gives it back.
pub(super) struct Place {
    gate: Arc<Gate>,
    pub(super) core: u16,
    /// Of the connection, never used again.
    pub(super) id: u64,
    ip: IpAddr,
    is_stranger: bool,
}

impl Gate {
    /// Nobody is in.
    pub(super) fn new(cores: usize, strangers_max: StrangersMax) -> Arc<Self> {
        Arc::new(Self {
            clients: (0..cores).map(|_| AtomicU32::new(0)).collect(),
            next_id: AtomicU64::new(0),
            strangers_max,
            strangers: Mutex::default(),
        })
    }

    /// How many connections have not logged in, where users have passwords.
    pub(super) fn strangers(&self) -> usize {
        self.strangers.lock().expect("counting does not panic").values().sum()
    }

    /// A place on the core that has fewest. Connections of one thread at a time, or there may be a few too many.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn admit(
        self: &Arc<Self>,
        ip: IpAddr,
        maxclients: usize,
        is_stranger: bool,
    ) -> Result<Place, CloseReason> {
        let count = |clients: &AtomicU32| clients.load(Ordering::Relaxed) as usize;
        let kept_free = if ip.is_loopback() { 0 } else { OPERATORS_PLACES.min(maxclients / 10) };
        if self.clients.iter().map(count).sum::<usize>() + kept_free >= maxclients {
            return Err(CloseReason::Maxclients);
        }
        if is_stranger {
            let mut strangers = self.strangers.lock().expect("counting does not panic");
            if strangers.values().sum::<usize>() >= self.strangers_max.in_all {
                return Err(CloseReason::UnauthenticatedMax);
            }
            let mine = strangers.entry(ip).or_default();
            if *mine >= self.strangers_max.per_ip && !planted!("strangers of one address have no bound") {
                return Err(CloseReason::UnauthenticatedPerIp);
            }
            *mine += 1;
        }
        let (core, clients) =
            self.clients.iter().enumerate().min_by_key(|(_, clients)| count(clients)).expect("a core");
        clients.fetch_add(1, Ordering::Relaxed);
        let id = self.next_id.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(Place { gate: self.clone(), core: core as u16, id, ip, is_stranger })
    }
}

impl Place {
    pub(super) fn is_stranger(&self) -> bool {
        self.is_stranger
    }

    /// Its connection has logged in, or, by RESET, out: then it is counted whatever the limits say.
    #[cold]
    pub(super) fn set_stranger(&mut self, is_stranger: bool) {
        if self.is_stranger == is_stranger {
            return;
        }
        self.is_stranger = is_stranger;
        let mut strangers = self.gate.strangers.lock().expect("counting does not panic");
        let mine = strangers.entry(self.ip).or_default();
        if is_stranger {
            *mine += 1;
            return;
        }
        *mine -= 1;
        if *mine == 0 {
            strangers.remove(&self.ip);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.set_stranger(false);
        self.gate.clients[usize::from(self.core)].fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn strangers_are_few_in_all_and_from_one_address_until_they_log_in() {
        let gate = Gate::new(2, StrangersMax { in_all: 3, per_ip: 2 });
        let admit = |last| gate.admit(ip(last), 1000, true);
        let why = |last| admit(last).err();
        let (mut a, b) = (admit(1).expect("room"), admit(1).expect("room"));
        assert_eq!((a.core, b.core, b.id), (0, 1, 2), "each core has one");
        assert_eq!((why(1), why(2)), (Some(CloseReason::UnauthenticatedPerIp), None));
        let c = admit(2).expect("room");
        assert_eq!((why(1), why(3)), (Some(CloseReason::UnauthenticatedMax), Some(CloseReason::UnauthenticatedMax)));
        assert!(gate.admit(ip(1), 1000, false).is_ok(), "where no login is needed nobody is a stranger");
        a.set_stranger(false);
        a.set_stranger(false);
        assert_eq!(why(1), None, "one of them has logged in");
        a.set_stranger(true);
        assert!(why(1).is_some(), "and out");
        drop((a, b, c));
        assert!(gate.strangers.lock().expect("no panic").is_empty(), "who goes is forgotten");
        assert!(gate.clients.iter().all(|clients| clients.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn the_last_places_are_for_this_machine() {
        let gate = Gate::new(1, StrangersMax { in_all: 1, per_ip: 1 });
        for (maxclients, others) in [(1000, 968), (100, 90), (3, 3)] {
            let mut places = Vec::new();
            while let Ok(place) = gate.admit(ip(1), maxclients, false) {
                places.push(place);
            }
            assert_eq!(places.len(), others);
            while let Ok(place) = gate.admit(IpAddr::from([127, 0, 0, 1]), maxclients, false) {
                places.push(place);
            }
            assert_eq!(places.len(), maxclients);
        }
    }
}
