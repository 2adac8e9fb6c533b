//! Clients that judge every answer, and work until the server is gone, however it ends.
//!
//! ```text
//!  steady clients ─ pipelines ─▶ creditd ──╳ the end       every reply is compared with the model at once;
//!  hasty clients  ─ short TTLs ▶           │               what has no reply waits in `unanswered`
//!                                          ▼
//!                   the same directory, another process
//!                                          │  BALANCE says how many of the unanswered were executed: a prefix of each
//!                                          │  account's, since order on an account is order in the log
//!                                          ▼
//!                   everything unanswered is sent again, old ids too: byte for byte what the model says;
//!                   then AUDIT and HISTORY of every account
//! ```

use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

use crate::chance::{self, Chance};
use crate::hasty::Hasty;
use crate::server::{Server, Site};
use crate::steady::Steady;
use crate::wire::info;

/// Clients whose holds outlive the test.
const STEADY: u64 = 3;

/// All clients of one directory, through all servers that live in it.
pub struct Load {
    steady: Vec<Steady>,
    hasty: Hasty,
}

impl Load {
    /// Clients that have asked for nothing yet.
    pub fn new(chance: &mut Chance) -> Self {
        let steady = (0..STEADY).map(|number| Steady::new(number, chance.number())).collect();
        Self { steady, hasty: Hasty::new(chance.number()) }
    }

    /// Lets all clients work until `end` has ended the server; the receiver hears of every pipeline that was answered.
    pub fn run<T>(&mut self, server: Server, end: impl FnOnce(Server, Receiver<()>) -> T) -> T {
        let (progress, answered) = channel();
        std::thread::scope(|scope| {
            for client in &mut self.steady {
                // Connected here: the end must not come before the client.
                let (wire, progress) = (server.connect(), progress.clone());
                scope.spawn(move || client.work(wire, &progress));
            }
            let (hasty, wire) = (&mut self.hasty, server.connect());
            scope.spawn(move || hasty.work(wire, &progress));
            end(server, answered)
        })
    }

    /// What was answered, and what was not, for whoever reads along.
    fn told(&self) -> String {
        let sum = |figure: fn(&Steady) -> usize| self.steady.iter().map(figure).sum::<usize>();
        let (answered, open) = (sum(|client| client.answered.len()), sum(|client| client.unanswered.len()));
        format!("{answered} answered, {open} not, {} short holds decided", self.hasty.decided)
    }

    /// There was load enough to judge by.
    pub fn expect_some(&self) {
        assert!(self.steady.iter().all(|client| !client.answered.is_empty()) && self.hasty.decided > 0, "no load");
    }

    /// Settles what the end left open and compares everything.
    pub fn check(&mut self, server: &Server) {
        let Self { steady, hasty } = self;
        let mut wire = server.connect();
        for client in steady.iter_mut() {
            client.check(&mut wire);
        }
        hasty.check(&mut wire);
        let accounts = || steady.iter().flat_map(|client| client.model.accounts.values());
        let sum = |figure: fn(&crate::model::Account) -> u64| accounts().map(figure).sum::<u64>();
        let granted = sum(|account| account.granted) + hasty.balance();
        let (refunded, debited) = (sum(|account| account.refunded), sum(|account| account.debited));
        let reserved = sum(|account| account.reserved());
        let mut figure = |name| info(&mut wire, "everything", name).parse::<u64>().expect("a number");
        assert_eq!(
            (figure("granted"), figure("debited") + figure("captured")),
            (granted, debited),
            "sums of all shards"
        );
        assert_eq!(figure("refunded"), refunded, "sums of all shards");
        assert_eq!((figure("balance"), figure("reserved")), (granted + refunded - debited, reserved), "I2 and I3");
        assert_eq!(figure("expired_keys"), hasty.expired, "each short hold expired once");
        assert_eq!(figure("accounts"), accounts().count() as u64 + u64::from(hasty.balance() > 0));
    }
}

/// How a life of the server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// SIGKILL.
    Kill,
    /// SIGTERM: what is not answered was not executed, or was; the same questions are open.
    Stop,
    /// The file system is gone before the server is.
    PowerCut,
}

/// Lets servers of different kinds live in one place, one after the other, until `end` ends each; judges what every one
/// finds, and says a line about it. Only these `policies` of `appendfsync` promise anything about such an end.
pub fn lives(
    site: &Site,
    count: u64,
    policies: &[&str],
    chance: &mut Chance,
    mut end: impl FnMut(&mut Chance, Server) -> End,
) {
    let (mut load, mut last) = (Load::new(chance), End::Kill);
    for life in 0..count {
        let (cores, inline, appendfsync) =
            (chance::of(chance, &["1", "2"]), chance::of(chance, &["0", "1ms"]), chance::of(chance, policies));
        let flags = ["--cores", cores, "--inline-sync-max", inline, "--appendfsync", appendfsync, "--shards", "2"];
        let server = site.start(&flags);
        if last == End::Stop {
            assert_eq!(info(&mut server.connect(), "persistence", "log_clean_start"), "1", "{}", server.log());
        }
        load.check(&server);
        let (saves, batches) = (chance.below(2) == 0, chance.below(150));
        last = load.run(server, |server, answered| {
            if saves {
                let reply = server.connect().ask("BGSAVE SCHEDULE").line();
                assert!(reply.starts_with("+Background saving "), "{reply}");
            }
            (0..batches).for_each(|_| answered.recv().expect("clients work until the server is gone"));
            end(chance, server)
        });
        assert!(
            last == End::PowerCut || load.steady.iter().all(|client| client.unread == 0),
            "an old record is unreadable"
        );
        verify(site);
        eprintln!("life {life}: {flags:?}, saves {saves}, {last:?} after {batches} batches; {}", load.told());
    }
    let server = site.start(&[]);
    load.check(&server);
    load.expect_some();
    assert_eq!(server.terminate(), Some(0));
}

/// The log that a server left, however it ended, is whole.
pub fn verify(site: &Site) {
    let verify = Command::new(env!("CARGO_BIN_EXE_creditd")).arg("verify").arg(site.data_dir()).output();
    let verify = verify.expect("it runs");
    let said = [verify.stdout, verify.stderr].concat();
    assert!(verify.status.success(), "{}: {}", verify.status, String::from_utf8_lossy(&said));
}
