//! A disk that is full for a while, on a small file system.
//!
//! ```text
//!  CREDITD_FULL_CYCLES times:  work ▸ fill the disk ▸ work until MISCONF ▸ end reservations ▸ give room back ▸ work
//! ```
//! What was acknowledged is there, at every step and after a kill -9 at the end.

use creditd::clock::{Clock, SystemClock};

use crate::mount::Mount;
use crate::server::{Server, Site};
use crate::wire::{Wire, info, request};

/// A change of state that takes longer will not come. The server looks every 500 ms.
const WITHIN_NS: u64 = 30_000_000_000;

/// Where clients read what they are refused.
const FULL: &str =
    "-MISCONF disk full: nothing was executed; reads, and CAPTURE and RELEASE of active reservations, go on";
const SPENT: &str = "-MISCONF disk full and the reserve used up: nothing was executed; only reads go on";

fn start(site: &Site, mount: &Mount) -> Server {
    site.start(&["--cores", "1", "--shards", "1", "--data-dir", &mount.data_dir()])
}

/// Asks until `is_so` says yes.
fn until(wire: &mut Wire, line: &str, is_so: impl Fn(&str) -> bool) -> String {
    let ends_at_ns = SystemClock.boot_ns() + WITHIN_NS;
    loop {
        let reply = wire.ask(line).line();
        if is_so(&reply) {
            return reply;
        }
        assert!(SystemClock.boot_ns() < ends_at_ns, "{line} still says {reply}");
    }
}

/// Grants 1 credit at a time to `account`, with big notes, until the disk is found full. Returns how many were acknowledged.
fn grant_until_refused(wire: &mut Wire, account: &str, label: &str) -> u64 {
    let meta = "m".repeat(1000);
    for round in 0..1_000 {
        let lines = (0..100).map(|n| request(&format!("CREDIT.GRANT {account} {label}:{round}:{n} 1 META {meta}")));
        wire.send(&lines.flatten().collect::<Vec<_>>());
        let replies: Vec<_> = (0..100).map(|_| wire.reply().line()).collect();
        let granted = replies.iter().filter(|reply| !reply.starts_with('-')).count() as u64;
        if granted < 100 {
            assert!(replies[99].starts_with(FULL), "{}", replies[99]);
            return round * 100 + granted;
        }
    }
    panic!("the disk is not full");
}

#[test]
fn a_disk_that_fills_and_drains_loses_nothing_and_ends_nothing() {
    let cycles = std::env::var("CREDITD_FULL_CYCLES").map_or(5, |text| text.parse().expect("a number of cycles"));
    let site = Site::new();
    let Some(mount) = Mount::new(&site, 64 + 4 * cycles) else { return };
    let server = start(&site, &mount);
    let mut wire = server.connect();
    let (mut balance, mut reserved) = (1000 * cycles, 0);
    assert!(wire.ask(&format!("CREDIT.GRANT a start {balance}")).line().contains("granted"));
    for cycle in 0..cycles {
        for hold in ["c", "r", "e"] {
            assert!(wire.ask(&format!("CREDIT.RESERVE a {hold}{cycle} 10 TTL 86400000")).line().contains("active"));
        }
        mount.fill(0);
        balance += grant_until_refused(&mut wire, "a", &cycle.to_string());
        assert_eq!(info(&mut wire, "persistence", "disk_state"), "full");
        assert_eq!(info(&mut wire, "persistence", "aof_last_write_status"), "err");
        for new in ["GRANT a new 1", "DEBIT a new 1", "RESERVE a new 1", "RELEASE a new"] {
            assert!(wire.ask(&format!("CREDIT.{new}")).line().starts_with(FULL), "{new}");
        }
        assert!(wire.ask(&format!("CREDIT.CAPTURE a c{cycle}")).line().contains("captured"), "the reserve is for this");
        assert!(wire.ask(&format!("CREDIT.RELEASE a r{cycle}")).line().contains("released"));
        assert!(
            wire.ask(&format!("CREDIT.RESERVE a e{cycle} 10 TTL 86400000")).line().contains("active"),
            "asked before"
        );
        (balance, reserved) = (balance - 10, reserved + 10);
        let shown = wire.ask("CREDIT.BALANCE a");
        assert_eq!((shown.number("balance"), shown.number("reserved")), (balance, reserved));
        mount.drain();
        until(&mut wire, &format!("CREDIT.DEBIT a d{cycle} 1"), |reply| !reply.starts_with("-MISCONF"));
        balance -= 1;
        assert_eq!(info(&mut wire, "persistence", "disk_state"), "ok");
    }
    assert!(info(&mut wire, "stats", "rejected_misconf").parse::<u64>().expect("a number") >= 4 * cycles);
    let log = server.log();
    // Told by whoever meets it first, the maker of spares or the log, and by both where the log goes on in its reserve.
    let told = log.matches("disk full: ").count() as u64;
    assert!((cycles..=2 * cycles).contains(&told), "{told} times: {log}");
    assert_eq!(log.matches("the disk has room again").count() as u64, cycles, "{log}");
    assert!(log.contains("bytes are needed and"), "{log}");

    mount.fill(0);
    balance += grant_until_refused(&mut wire, "a", "last");
    server.kill9();
    let server = start(&site, &mount);
    let mut wire = server.connect();
    let shown = wire.ask("CREDIT.BALANCE a");
    assert_eq!(
        (shown.number("balance"), shown.number("reserved")),
        (balance, reserved),
        "a start has the reserve's room"
    );
    mount.drain();
    until(&mut wire, "CREDIT.DEBIT a end 1", |reply| !reply.starts_with('-'));
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn when_the_reserve_is_used_up_reads_go_on_and_what_waits_goes_on_when_there_is_room() {
    const HOLDS: u64 = 9000;
    let site = Site::new();
    let Some(mount) = Mount::new(&site, 64) else { return };
    let server = start(&site, &mount);
    let (mut wire, mut other) = (server.connect(), server.connect());
    assert!(wire.ask("CREDIT.GRANT b start 5").line().contains("granted"));
    assert!(wire.ask("CREDIT.RESERVE b late 1 TTL 86400000").line().contains("active"));
    for n in 0..HOLDS {
        wire.send(&request(&format!("CREDIT.GRANT h{n} start 1")));
        wire.send(&request(&format!("CREDIT.RESERVE h{n} h 1 TTL 86400000")));
        if n % 100 == 99 {
            (0..200).for_each(|_| assert!(!wire.reply().line().starts_with('-')));
        }
    }
    mount.fill(0);
    grant_until_refused(&mut wire, "full", "g");
    // More than half a segment and the reserve take, by a client that does not wait for answers.
    let meta = "m".repeat(1000);
    let capture = move |n: u64| request(&format!("CREDIT.CAPTURE h{n} h META {meta}"));
    let mut sender = wire;
    let captures = std::thread::spawn(move || {
        sender.send(&(0..HOLDS).flat_map(capture).collect::<Vec<_>>());
        let replies: Vec<_> = (0..HOLDS).map(|_| sender.reply().line()).collect();
        replies
            .iter()
            .map(|reply| {
                assert!(reply.contains("captured") || reply.starts_with(SPENT), "{reply}");
                u64::from(reply.starts_with(SPENT))
            })
            .collect::<Vec<_>>()
    });
    until(&mut other, "INFO persistence", |reply| reply.contains("disk_state:spent"));
    assert_eq!(other.ask("CREDIT.BALANCE b").number("balance"), 5, "what is on disk is shown");
    for refused in ["GRANT b new 1", "RELEASE b late", "CAPTURE b late", "RELEASE b new"] {
        assert!(other.ask(&format!("CREDIT.{refused}")).line().starts_with(SPENT), "{refused}");
    }
    assert!(other.ask("CREDIT.GRANT b start 5").line().contains("granted"), "a replay needs no room");
    mount.drain();
    let left = captures.join().expect("what waited is answered");
    until(&mut other, "CREDIT.GRANT b new 1", |reply| !reply.starts_with('-'));
    assert!(other.ask("CREDIT.CAPTURE b late").line().contains("captured"));
    server.kill9();
    let server = start(&site, &mount);
    let mut wire = server.connect();
    assert_eq!(wire.ask("CREDIT.BALANCE b").number("balance"), 5 + 1 - 1);
    for (n, left) in left.into_iter().enumerate() {
        assert_eq!(wire.ask(&format!("CREDIT.BALANCE h{n}")).number("balance"), left, "h{n}");
    }
    assert_eq!(server.terminate(), Some(0));
}
