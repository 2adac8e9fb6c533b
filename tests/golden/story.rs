//! The stories behind the golden directories. Every word of them is frozen too.

use super::teller::{HOLDS_MAX, Teller};

/// Two shards, two processes, both stopped in order; every kind of entry, every decline, the longest and strangest ids, an
/// account with more than 512 entries, segments that are full. Gives the digests at its end.
pub fn stopped(teller: &mut Teller) -> Vec<u128> {
    teller.say("CREDIT.GRANT tradie:7 g1 100 REASON purchase META {\"order\":991}");
    teller.commit();
    teller.say("CREDIT.DEBIT tradie:7 d1 5");
    teller.say("CREDIT.RESERVE tradie:7 r1 40 TTL 60000 REASON job META half");
    teller.say("CREDIT.GRANT tradie:8 g1 9007199254740991");
    teller.commit();
    holds(teller);
    declines(teller);
    teller.idle();
    strange_ids(teller);
    teller.stop();

    teller.restart();
    teller.wait(86_400_000);
    teller.say("CREDIT.REFUND tradie:7 f3 d1 REASON late");
    teller.say("CREDIT.GRANT busy g 1000000");
    for n in 1..=600 {
        teller.say(&format!("CREDIT.DEBIT busy d{n} {n}"));
        if n % 45 == 0 {
            teller.wait(1);
            teller.commit();
        }
    }
    teller.commit();
    let digests = teller.digests();
    teller.stop();
    digests
}

fn holds(teller: &mut Teller) {
    teller.wait(1_000);
    teller.say("CREDIT.CAPTURE tradie:7 r1 AMOUNT 30 REASON done");
    teller.say("CREDIT.REFUND tradie:7 f1 r1 AMOUNT 10 REASON bad-lead META {}");
    teller.say("CREDIT.REFUND tradie:7 f2 r1");
    teller.say("CREDIT.RESERVE tradie:7 r2 7 TTL 60000");
    teller.say("CREDIT.CAPTURE tradie:7 r2");
    teller.say("CREDIT.RESERVE tradie:7 r3 8 TTL 60000");
    teller.say("CREDIT.RELEASE tradie:7 r3 REASON cancelled");
    teller.say("CREDIT.RELEASE tradie:7 never-seen REASON oops");
    teller.say("CREDIT.RESERVE tradie:7 r4 1 TTL 2000");
    teller.say("CREDIT.RESERVE tradie:7 r5 2 TTL 1000");
    teller.say("CREDIT.RESERVE tradie:8 r6 3 TTL 1500");
    teller.commit();
    teller.wait(1_600);
    teller.say("CREDIT.DEBIT tradie:7 d2 1");
    teller.commit();
    teller.wait(1_000);
    teller.expire();
    teller.commit();
}

fn declines(teller: &mut Teller) {
    teller.say("CREDIT.DEBIT tradie:7 no1 1000 REASON too-much");
    teller.say("CREDIT.RESERVE tradie:7 no2 1001 TTL 1 META {}");
    for n in 0..=HOLDS_MAX {
        teller.say(&format!("CREDIT.RESERVE tradie:7 many{n} 1 TTL 2592000000"));
    }
    teller.say("CREDIT.GRANT tradie:8 no3 1");
    teller.say("CREDIT.DEBIT tradie:8 d1 6");
    teller.say("CREDIT.GRANT tradie:8 g2 4");
    teller.say("CREDIT.REFUND tradie:8 no4 d1");
    teller.commit();
}

fn strange_ids(teller: &mut Teller) {
    let long = |letter: &str, len| letter.repeat(len);
    let (account, meta) = (long("a", 128), long("\\xfe", 1024));
    let more = format!("REASON {} META {meta}", long("r", 64));
    teller.say(&format!("CREDIT.GRANT {account} {} 50 {more}", long("g", 64)));
    teller.say(&format!("CREDIT.DEBIT {account} {} 20 {more}", long("d", 64)));
    teller.say(&format!("CREDIT.REFUND {account} {} {} AMOUNT 5 {more}", long("f", 64), long("d", 64)));
    teller.say("CREDIT.GRANT \\xff\\x00\\x0a,\"\\\\ \\x20\\x0d 1 REASON Jürgen META \\xe2\\x82");
    teller.say("CREDIT.GRANT {tradie:7}:bonus a 1");
    teller.say("CREDIT.GRANT {}x a 2");
    teller.commit();
}

/// One shard, two processes, both killed while a block was written: one tail is in quarantine, one is still there.
/// Gives the digest of what the second had made durable.
pub fn killed(teller: &mut Teller) -> Vec<u128> {
    teller.say("CREDIT.GRANT tradie:7 g1 100");
    teller.say("CREDIT.RESERVE tradie:7 r1 40 TTL 60000");
    teller.commit();
    lost(teller, "0000000000000000-00000001.wal");

    teller.restart();
    teller.wait(5);
    teller.say("CREDIT.CAPTURE tradie:7 r1");
    teller.commit();
    teller.idle();
    teller.say("CREDIT.RESERVE tradie:7 r2 7 TTL 60000");
    teller.commit();
    let digests = teller.digests();
    lost(teller, "0000000000002000-00000002.wal");
    digests
}

/// A block of two pages, torn.
fn lost(teller: &mut Teller, segment: &str) {
    (0..100).for_each(|n| teller.say(&format!("CREDIT.GRANT lost:{n} g 1")));
    teller.commit();
    teller.tear(segment);
}

/// Two shards, two processes, the first killed while claims run, the second stopped in order: every record of leads, every
/// end of a claim, from the account's own shard and from the other one. Format 2 where it is needed, else 1.
pub fn leads(teller: &mut Teller) -> Vec<u128> {
    for account in ["tradie:7", "tradie:8", "tradie:9", "{lead:1}:t"] {
        teller.say(&format!("CREDIT.GRANT {account} g1 100"));
    }
    teller.commit();
    teller.say("LEAD.OPEN lead:1 3 TTL 86400000 META {\"city\":\"Ulm\"}");
    teller.say("LEAD.OPEN lead:2 10000");
    teller.say("LEAD.OPEN lead:3 2");
    teller.say("LEAD.OPEN one 1");
    for lead in ["closes", "lapses"] {
        teller.say(&format!("LEAD.OPEN {lead} 1 TTL 60000"));
    }
    teller.commit();
    for account in ["tradie:7", "tradie:8", "{lead:1}:t"] {
        teller.say(&format!("LEAD.CLAIM {account} c1 lead:1 5 REASON near META {{}}"));
    }
    teller.claim();
    teller.wait(10);
    refused_claims(teller);
    strange_claims(teller);

    // One claim has its slot and has not paid, one has only a hold.
    teller.say("LEAD.CLAIM tradie:7 c7 lead:3 7");
    teller.step();
    teller.say("LEAD.CLAIM tradie:9 c9 lead:2 9");
    (0..2).for_each(|_| {
        teller.step();
        teller.commit();
    });
    teller.restart();
    teller.wait(5);
    teller.resume();
    teller.say("CREDIT.REFUND tradie:7 f1 c7 AMOUNT 3");
    teller.commit();
    let digests = teller.digests();
    teller.stop();
    digests
}

/// Claims that find their leads open, and come too late: each code of a refusal; and those that get no hold.
fn refused_claims(teller: &mut Teller) {
    teller.say("LEAD.CLAIM tradie:7 c2 one 5");
    teller.say("LEAD.CLAIM tradie:7 c3 lead:2 5");
    teller.say("LEAD.CLAIM tradie:7 c4 lead:2 5");
    teller.say("LEAD.CLAIM tradie:8 c2 one 5");
    teller.say("LEAD.CLAIM tradie:8 c3 closes 5");
    teller.say("LEAD.CLAIM tradie:9 c4 lapses 5");
    teller.step();
    teller.commit();
    teller.step();
    teller.commit();
    teller.say("LEAD.CLOSE closes REASON withdrawn");
    teller.commit();
    teller.wait(60_000);
    teller.claim();
    teller.say("LEAD.OPEN idle 2 TTL 1000");
    teller.commit();
    teller.wait(1_000);
    teller.expire();
    teller.commit();
    teller.say("LEAD.CLAIM tradie:9 no1 lead:2 1000 REASON too-much");
    teller.claim();
    (0..HOLDS_MAX).for_each(|n| teller.say(&format!("CREDIT.RESERVE tradie:9 many{n} 1 TTL 1000")));
    teller.say("LEAD.CLAIM tradie:9 no2 lead:2 1");
    teller.claim();
    teller.wait(1_000);
    teller.expire();
    teller.commit();
}

fn strange_claims(teller: &mut Teller) {
    let long = |letter: &str, len| letter.repeat(len);
    let (account, lead, meta) = (long("a", 128), long("l", 128), long("\\xfe", 1024));
    let more = format!("REASON {} META {meta}", long("r", 64));
    teller.say(&format!("CREDIT.GRANT {account} g1 9"));
    teller.say(&format!("LEAD.OPEN {lead} 1 META {meta}"));
    teller.say("LEAD.OPEN \\xff\\x00{,\"\\\\ 1");
    teller.commit();
    teller.say(&format!("LEAD.CLAIM {account} {} {lead} 9 {more}", long("t", 64)));
    teller.say("LEAD.CLAIM tradie:8 \\x0a\\xff \\xff\\x00{,\"\\\\ 0");
    teller.claim();
}
