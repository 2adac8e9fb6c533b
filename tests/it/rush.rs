//! Many claims of few leads at once, judged afterwards by what the leads and the accounts say (I8, I9).

use std::collections::BTreeSet;

use crate::leads::pipeline;
use crate::server::Site;
use crate::wire::{Wire, info, request};

/// Who claims what: 40 accounts, each all of 20 leads with 3 slots, under two ids.
fn rush() -> Vec<String> {
    let pairs = (0..40).flat_map(|account| (0..20).map(move |n| (account, (account + n) % 20)));
    pairs.flat_map(|(a, l)| [1, 2].map(|id| format!("LEAD.CLAIM a{a} c{l}:{id} l{l} 5"))).collect()
}

fn prepare_rush(wire: &mut Wire) {
    let grants = (0..40).map(|n| format!("CREDIT.GRANT a{n} g 1000"));
    let leads = (0..20).map(|n| format!("LEAD.OPEN l{n} 3"));
    assert!(pipeline(wire, &grants.chain(leads).collect::<Vec<_>>()).iter().all(|reply| reply.starts_with('*')));
}

/// I8 and I9 as a client sees them: what was claimed, and that the accounts have paid for just that.
fn claims_of_rush(wire: &mut Wire) -> BTreeSet<(String, String)> {
    let mut claims = BTreeSet::new();
    for lead in 0..20 {
        let shown = wire.ask(&format!("LEAD.CLAIMS l{lead}")).line();
        let words: Vec<_> = shown.split(' ').collect();
        let after = |key: &str| {
            let found = words.windows(3).filter(|words| words[0] == key).map(|words| words[2]);
            found.collect::<Vec<_>>()
        };
        let (accounts, txs) = (after("account"), after("tx"));
        assert!(accounts.len() <= 3 && accounts.iter().collect::<BTreeSet<_>>().len() == accounts.len(), "{shown}");
        claims.extend(accounts.iter().zip(txs).map(|(account, tx)| (account.to_string(), tx.to_owned())));
    }
    for account in (0..40).map(|n| format!("a{n}")) {
        let own = claims.iter().filter(|(claimant, _)| *claimant == account).count() as u64;
        let shown = wire.ask(&format!("CREDIT.BALANCE {account}"));
        assert_eq!((shown.number("balance"), shown.number("reserved")), (1000 - 5 * own, 0), "{account}");
        wire.ask(&format!("CREDIT.AUDIT {account}")).number("ok");
    }
    for (account, tx) in &claims {
        assert_eq!(wire.ask(&format!("CREDIT.TX {account} {tx}")).map()["state"], "captured", "{account} {tx}");
    }
    claims
}

/// The account and the id of a LEAD.CLAIM.
fn claimant(line: &str) -> (String, String) {
    let mut words = line.split(' ').skip(1).map(str::to_owned);
    words.next().zip(words.next()).expect("an account and an id")
}

#[test]
fn a_rush_for_few_leads_gives_each_slot_once() {
    let site = Site::new();
    let server = site.start(&["--shards", "8", "--cores", "2", "--claim-timeout", "60s"]);
    prepare_rush(&mut server.connect());
    let lines = rush();
    // Four clients send everything, each from another place on: the same ids at the same time.
    let told: BTreeSet<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|n| {
                let (mut wire, mut lines) = (server.connect(), lines.clone());
                scope.spawn(move || {
                    lines.rotate_left(n * 400);
                    let replies = lines.chunks(200).flat_map(|chunk| pipeline(&mut wire, chunk)).collect::<Vec<_>>();
                    for reply in &replies {
                        let known = ["-ALREADYCLAIMED ", "-LEADFULL max=3", "-TRYAGAIN the claim with this "];
                        assert!(reply.starts_with('*') || known.iter().any(|no| reply.starts_with(no)), "{reply}");
                    }
                    let claimed = lines.iter().zip(replies).filter(|(_, reply)| reply.starts_with('*'));
                    claimed.map(|(line, _)| claimant(line)).collect::<Vec<_>>()
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().expect("it asserts")).collect()
    });
    let mut wire = server.connect();
    let claims = claims_of_rush(&mut wire);
    assert_eq!((told.len(), &told), (60, &claims), "all slots are taken, and each client was told the truth");
    assert_eq!(info(&mut wire, "credits", "captured"), "300");
}

#[test]
fn a_shutdown_finishes_the_claims_that_run() {
    let site = Site::new();
    let server = site.start(&["--shards", "8", "--cores", "2", "--claim-timeout", "60s"]);
    let mut wire = server.connect();
    prepare_rush(&mut wire);
    let lines = rush();
    wire.send(&lines.iter().take(800).flat_map(|line| request(line)).collect::<Vec<_>>());
    // Some run now: the first is answered.
    let first = wire.reply();
    server.connect().send(&request("SHUTDOWN"));
    let replies = std::iter::once(first).chain(std::iter::from_fn(|| wire.next())).collect::<Vec<_>>();
    assert_eq!(server.exit_code(), Some(0));
    let told = lines.iter().zip(&replies).filter(|(_, reply)| reply.0.starts_with(b"*"));
    let told: BTreeSet<_> = told.map(|(line, _)| claimant(line)).collect();
    let server = site.start(&[]);
    let mut wire = server.connect();
    assert_eq!(info(&mut wire, "credits", "holds"), "0", "none was left running");
    let claims = claims_of_rush(&mut wire);
    assert!(!told.is_empty() && told.is_subset(&claims), "{told:?} of {claims:?}");
}
