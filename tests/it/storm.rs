//! Storms of claims on a real server: kill -9 in the middle of them, and ten thousand accounts for three slots.
//!
//! `CREDITD_STORM_KILLS` (3) and `CREDITD_STORM_SEED` (chosen and printed) may be set.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use crate::chance::{self, Chance, seed, setting};
use crate::server::{Server, Site};
use crate::tools::tool;
use crate::wire::{Reply, Wire, request};

const CLIENTS: u64 = 8;
const ACCOUNTS: u64 = 60;
const LEADS: u64 = 24;
const FUNDS: u64 = 100;

/// Commands that a client has under way at the same time.
const PIPELINE: u64 = 16;

/// An account and a lead: everybody who claims for the account names the same transaction.
type Pair = (u64, u64);

#[test]
fn a_storm_of_claims_and_kills_ends_with_every_slot_paid_once() {
    let kills = setting("CREDITD_STORM_KILLS", || 3);
    let mut chance = Chance::new(setting("CREDITD_STORM_SEED", seed));
    let site = Site::new();
    let mut told = BTreeMap::new();
    for life in 0..kills {
        let server = start(&site, &mut chance);
        if life == 0 {
            prepare(&mut server.connect());
        }
        let (replies_max, seed) = (200 + chance.below(1_500), chance.number());
        for (pair, reply) in storm(server, seed, replies_max, || {}) {
            hear(&mut told, pair, &reply);
        }
    }
    settle(&site, start(&site, &mut chance), told);
}

#[test]
fn a_backup_in_a_storm_is_one_moment_of_all_shards() {
    let mut chance = Chance::new(setting("CREDITD_STORM_SEED", seed));
    let site = Site::new();
    let server = start(&site, &mut chance);
    prepare(&mut server.connect());
    let backups = [site.path("backup1"), site.path("backup2"), site.path("backup3")];
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    storm(server, chance.number(), 200, || {
        for backup in &backups {
            let told = tool(&["backup", &text(&site.data_dir()), &text(backup)]);
            assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
        }
    });
    for backup in &backups {
        let restored = Site::new();
        let told = tool(&["restore", &text(backup), &text(&restored.data_dir())]);
        assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
        settle(&restored, start(&restored, &mut chance), BTreeMap::new());
    }
}

#[test]
fn ten_thousand_accounts_get_three_slots() {
    const RACERS: u64 = 10_000;
    let site = Site::new();
    let server = site.start(&["--shards", "8", "--cores", "2"]);
    let mut wire = server.connect();
    wire.pipeline((0..RACERS).map(|n| format!("CREDIT.GRANT racer:{n} g 5")));
    wire.ask("LEAD.OPEN race 3");
    let race = |attempt: &'static str| {
        let run = |client| {
            let mut wire = server.connect();
            let claims = (client..RACERS).step_by(CLIENTS as usize);
            thread::spawn(move || wire.pipeline(claims.map(|n| format!("LEAD.CLAIM racer:{n} {attempt} race 5"))))
        };
        let runs: Vec<_> = (0..CLIENTS).map(run).collect();
        let replies: Vec<_> = runs.into_iter().flat_map(|run| run.join().expect("no panic")).collect();
        let count = |words: &str| replies.iter().filter(|reply| reply.line().contains(words)).count() as u64;
        (count(" claimed "), count("-LEADFULL max=3"), count("-ALREADYCLAIMED tx=first"))
    };
    assert_eq!(race("first"), (3, RACERS - 3, 0));
    let balances = |wire: &mut Wire| wire.pipeline((0..RACERS).map(|n| format!("CREDIT.BALANCE racer:{n}")));
    let sum = |replies: &[Reply], figure: &str| replies.iter().map(|reply| reply.number(figure)).sum::<u64>();
    let after = balances(&mut wire);
    assert_eq!((sum(&after, "balance"), sum(&after, "reserved")), (RACERS * 5 - 15, 0));
    // Grants; of each slot, and of each claim that came too late for one, a RESERVE and its end.
    let entries = sum(&after, "seq");
    assert!(entries >= RACERS + 6 && (entries - RACERS).is_multiple_of(2), "{entries}");
    assert_eq!(race("second"), (0, RACERS - 3, 3), "who comes when it is full is refused");
    assert_eq!(sum(&balances(&mut wire), "seq"), entries, "without an entry");
    let seen = wire.ask("LEAD.GET race").line();
    wire.expect("LEAD.CLOSE race", &seen);
}

/// Everybody claims everything once more; then all is judged.
fn settle(site: &Site, server: Server, mut told: BTreeMap<Pair, Option<u64>>) {
    let mut wire = server.connect();
    let pairs: Vec<Pair> = (0..ACCOUNTS).flat_map(|account| (0..LEADS).map(move |lead| (account, lead))).collect();
    for some in pairs.chunks(PIPELINE as usize) {
        for (pair, reply) in some.iter().zip(wire.pipeline(some.iter().map(claim))) {
            assert!(hear(&mut told, *pair, &reply), "{pair:?} is decided: {}", reply.line());
        }
    }
    judge(&mut wire, &told);
    assert_eq!(server.terminate(), Some(0));
    let verified = tool(&["verify", site.data_dir().to_str().expect("text")]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.out, verified.err);
}

fn start(site: &Site, chance: &mut Chance) -> Server {
    let (cores, inline) = (chance::of(chance, &["1", "2"]), chance::of(chance, &["0", "1ms"]));
    site.start(&["--shards", "8", "--cores", cores, "--inline-sync-max", inline])
}

/// Credits for all, and leads of 1 to 30 slots: each is wanted by more accounts than it has.
fn prepare(wire: &mut Wire) {
    wire.pipeline((0..ACCOUNTS).map(|account| format!("CREDIT.GRANT storm:{account} g {FUNDS}")));
    wire.pipeline((0..LEADS).map(|lead| format!("LEAD.OPEN lead:{lead} {}", slots(lead))));
}

fn slots(lead: u64) -> u64 {
    1 + lead * 7 % 30
}

/// All that an account can pay for if it gets every lead.
fn cost(lead: u64) -> u64 {
    lead % 5
}

fn claim(&(account, lead): &Pair) -> String {
    format!("LEAD.CLAIM storm:{account} c{lead} lead:{lead} {}", cost(lead))
}

/// Clients claim whatever comes to their minds until the server is killed, after so many replies and what is to be done then.
fn storm(server: Server, seed: u64, replies_max: u64, at_the_height: impl FnOnce()) -> Vec<(Pair, Reply)> {
    let (progress, replies) = channel();
    let run = |client| {
        let (wire, progress) = (server.connect(), progress.clone());
        thread::spawn(move || claims_of(wire, Chance::new(seed ^ client), &progress))
    };
    let clients: Vec<_> = (0..CLIENTS).map(run).collect();
    drop(progress);
    replies.iter().take(replies_max as usize).for_each(drop);
    at_the_height();
    drop(replies);
    server.kill9();
    clients.into_iter().flat_map(|client| client.join().expect("no panic")).collect()
}

fn claims_of(mut wire: Wire, mut chance: Chance, progress: &Sender<()>) -> Vec<(Pair, Reply)> {
    let mut heard = Vec::new();
    loop {
        let pairs: Vec<Pair> = (0..PIPELINE).map(|_| (chance.below(ACCOUNTS), chance.below(LEADS))).collect();
        let bytes: Vec<u8> = pairs.iter().flat_map(|pair| request(&claim(pair))).collect();
        if wire.try_send(&bytes).is_err() {
            return heard;
        }
        for pair in pairs {
            let Some(reply) = wire.next() else { return heard };
            heard.push((pair, reply));
            // Nobody counts any more once the kill is near.
            let _ = progress.send(());
        }
    }
}

/// What a claim was told; the same each time. `false`: nothing yet.
fn hear(told: &mut BTreeMap<Pair, Option<u64>>, pair: Pair, reply: &Reply) -> bool {
    let line = reply.line();
    let slot = match line.split(' ').next() {
        Some("-TRYAGAIN") => return false,
        Some("-LEADFULL") => None,
        _ if line.contains(" claimed ") => Some(reply.number("claim")),
        _ => panic!("{pair:?} is told {line}"),
    };
    assert_eq!(*told.entry(pair).or_insert(slot), slot, "{pair:?} is told something else: {line}");
    true
}

/// I8 and I9: all slots of all leads, and what the accounts say of them.
fn judge(wire: &mut Wire, told: &BTreeMap<Pair, Option<u64>>) {
    let mut spent = BTreeMap::<u64, u64>::new();
    for lead in 0..LEADS {
        let claims = wire.ask(&format!("LEAD.CLAIMS lead:{lead}")).text();
        let values: Vec<_> =
            claims.split("\r\n").filter(|line| !line.is_empty() && !line.starts_with(['*', '$'])).collect();
        let rows: Vec<_> = values.chunks_exact(10).collect();
        assert_eq!(rows.len() as u64, slots(lead), "lead:{lead} is full");
        for (slot, row) in (1..).zip(rows) {
            let account: u64 = row[3].strip_prefix("storm:").expect("one of ours").parse().expect("a number");
            assert_eq!(told[&(account, lead)], Some(slot), "whoever has the slot was told so");
            let tx = wire.ask(&format!("CREDIT.TX storm:{account} c{lead}"));
            let (known, paid) = (tx.map(), (tx.number("amount"), tx.number("captured")));
            assert_eq!((&known["op"][..], &known["state"][..]), ("claim", "captured"));
            assert_eq!((&known["lead"], paid), (&format!("lead:{lead}"), (cost(lead), cost(lead))));
            *spent.entry(account).or_default() += cost(lead);
        }
        assert_eq!(told.iter().filter(|((_, of), slot)| *of == lead && slot.is_some()).count() as u64, slots(lead));
    }
    for account in 0..ACCOUNTS {
        let balance = wire.ask(&format!("CREDIT.BALANCE storm:{account}"));
        let left = FUNDS - spent.get(&account).unwrap_or(&0);
        assert_eq!((balance.number("balance"), balance.number("reserved")), (left, 0), "storm:{account}");
        wire.expect(&format!("CREDIT.AUDIT storm:{account}"), &audit(left, &balance));
    }
}

fn audit(left: u64, balance: &Reply) -> String {
    let entries = balance.number("seq");
    format!("*8 $2 ok :1 $7 entries :{entries} $7 balance :{left} $8 reserved :0")
}
