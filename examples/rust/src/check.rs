//! The claim flow and the consumer on a creditd of their own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::{env, fs, thread};

use redis::{RedisResult, cmd};

use super::{Credits, claim, follow, streams};

struct Server {
    child: Child,
    port: u16,
    dir: PathBuf,
}

impl Server {
    fn start() -> Server {
        let bin = env::var("SERVER_BIN").unwrap_or("../../target/release/creditd".to_string());
        let dir = env::temp_dir().join(format!("creditd-example-rust-{}", std::process::id()));
        fs::create_dir(&dir).expect("a directory of its own");
        let mut command = Command::new(bin);
        command.args(["--port", "0", "--shards", "4", "--log-level", "error", "--data-dir"]).arg(dir.join("data"));
        let mut child = command.stdout(Stdio::piped()).spawn().expect("a server at SERVER_BIN");
        let mut banner = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut banner).expect("a banner");
        let port = banner.trim().rsplit(':').next().expect("a word").parse().expect("a port");
        Server { child, port, dir }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it has ended");
        fs::remove_dir_all(&self.dir).expect("it was here");
    }
}

fn total(credits: &mut Credits, prefix: &str) -> u64 {
    let mut balance = |n| -> RedisResult<u64> {
        let reply: BTreeMap<String, u64> = credits.ask(cmd("CREDIT.BALANCE").arg(format!("{prefix}tradie:{n}")))?;
        Ok(reply["balance"])
    };
    (0..50).map(|n| balance(n).expect("a balance")).sum()
}

/// Each of 50 tradies claims the lead, and claims it again; how many got it.
fn claim_lead(port: u16, lead: &str) -> RedisResult<usize> {
    let mut credits = Credits::on(port)?;
    credits.ask::<()>(cmd("LEAD.OPEN").arg(lead).arg(3))?;
    let mut claimed = 0;
    for tradie in (0..50).map(|n| format!("tradie:{n}")) {
        let answer = claim(&mut credits, &tradie, lead, 5, 1)?;
        assert_eq!(answer, claim(&mut credits, &tradie, lead, 5, 1)?);
        match answer {
            Ok(()) => claimed += 1,
            Err(code) => assert_eq!(code, "LEADFULL"),
        }
    }
    Ok(claimed)
}

#[test]
fn each_slot_is_paid_once_and_each_claim_earns_one_bonus_though_the_ids_are_lost() {
    let server = Server::start();
    let mut credits = Credits::on(server.port).expect("an address");
    for n in 0..50 {
        credits.ask::<()>(cmd("CREDIT.GRANT").arg(format!("tradie:{n}")).arg("pay_1").arg(100)).expect("a grant");
    }
    let claims: usize = thread::scope(|scope| {
        let port = server.port;
        let threads: Vec<_> = (0..10).map(|n| scope.spawn(move || claim_lead(port, &format!("lead:{n}")))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic").expect("answers")).sum()
    });
    assert_eq!((claims, total(&mut credits, "")), (30, 50 * 100 - 30 * 5));

    let (streams, ids) = (streams(&mut credits).expect("INFO"), server.dir.join("ids"));
    for _ in 0..2 {
        let mut followed = 0;
        while followed < claims {
            followed += follow(&mut credits, &streams, &ids).expect("events");
        }
        assert_eq!((followed, total(&mut credits, "bonus:")), (claims, 30));
        fs::remove_file(&ids).expect("the ids were kept");
    }
}
