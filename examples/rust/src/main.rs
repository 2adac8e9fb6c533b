//! Leads claimed and followed with the redis crate.
//!
//! ```text
//! leads claim ACCOUNT LEAD COST ATTEMPT   claims once, however often it is run
//! leads follow FILE                       gives a bonus credit for each claim, once, though it is killed
//! ```
//! The port is CREDITD_PORT or 7379. `cargo test` tries both on a creditd of its own (SERVER_BIN).

#[cfg(test)]
mod check;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use std::{env, error, fs, thread};

use redis::{Client, Cmd, Connection, FromRedisValue, RedisResult, cmd};

type Fallible<T> = Result<T, Box<dyn error::Error>>;
/// What XREAD answers: streams, their entries, the entries' fields.
type Page = Vec<(String, Vec<(String, BTreeMap<String, String>)>)>;

const WAITS_MS: [u64; 4] = [50, 200, 1000, 5000];
const BLOCK_MS: u64 = 5000;

/// A connection that is made again when it is lost, and asks again what was not answered.
struct Credits {
    client: Client,
    connection: Option<Connection>,
}

impl Credits {
    fn on(port: u16) -> RedisResult<Credits> {
        Ok(Credits { client: Client::open(("127.0.0.1", port))?, connection: None })
    }

    /// Safe for reads, and for writes because each carries its id. An error is a "no", or still open after all waits.
    fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        let mut waits_ms = WAITS_MS.iter();
        loop {
            let error = match self.connected().and_then(|connection| command.query(connection)) {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            let is_open = matches!(error.code(), None | Some("LOADING" | "TRYAGAIN" | "OOM" | "MISCONF"));
            match waits_ms.next() {
                Some(&wait_ms) if is_open => thread::sleep(Duration::from_millis(wait_ms)),
                _ => return Err(error),
            }
            self.connection = None;
        }
    }

    fn connected(&mut self) -> RedisResult<&mut Connection> {
        if self.connection.is_none() {
            let connection = self.client.get_connection_with_timeout(Duration::from_secs(1))?;
            // Longer than BLOCK: a read that finds nothing is answered after that.
            connection.set_read_timeout(Some(Duration::from_millis(BLOCK_MS + 5000)))?;
            self.connection = Some(connection);
        }
        Ok(self.connection.as_mut().expect("it was just made"))
    }
}

/// Whether the lead is the account's now; else the code, why not. The attempt is stored before it is made, and counts
/// up after INSUFFICIENT or LIMIT only.
fn claim(credits: &mut Credits, account: &str, lead: &str, cost: u64, attempt: u32) -> RedisResult<Result<(), String>> {
    let claim = credits.ask::<()>(cmd("LEAD.CLAIM").arg(account).arg(format!("{lead}:{attempt}")).arg(lead).arg(cost));
    match claim.as_ref().map_err(|error| error.code()) {
        Ok(()) | Err(Some("ALREADYCLAIMED")) => Ok(Ok(())),
        Err(Some(code @ ("INSUFFICIENT" | "LIMIT" | "NOACCOUNT" | "LEADFULL" | "LEADCLOSED" | "LEADEXPIRED"))) => {
            Ok(Err(code.to_string()))
        }
        _ => claim.map(Ok),
    }
}

fn streams(credits: &mut Credits) -> Fallible<Vec<String>> {
    let info: String = credits.ask(cmd("INFO").arg("server"))?;
    let shards = info.lines().find_map(|line| line.strip_prefix("shards:")).ok_or("INFO without shards")?;
    Ok((0..shards.parse::<u16>()?).map(|shard| format!("credit:events:{shard}")).collect())
}

/// Reads once behind the ids in `path`, acts, then moves them; how many claims there were.
///
/// Killed in between, it acts again. So what it does is a write whose id is the event's: that happens once.
fn follow(credits: &mut Credits, streams: &[String], path: &Path) -> Fallible<usize> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut last_ids: BTreeMap<_, _> = text.lines().filter_map(|line| line.split_once(' ')).collect();
    let from: Vec<_> = streams.iter().map(|stream| *last_ids.get(&**stream).unwrap_or(&"0-0")).collect();
    let mut read = cmd("XREAD");
    read.arg("COUNT").arg(100).arg("BLOCK").arg(BLOCK_MS).arg("STREAMS").arg(streams).arg(from);
    let page: Page = credits.ask::<Option<Page>>(&read)?.unwrap_or_default();
    let mut claims = 0;
    for (stream, entries) in &page {
        for (id, event) in entries.iter().filter(|(_, event)| event["event"] == "lead.claimed") {
            let (bonus, tx) = (format!("bonus:{}", event["account"]), format!("{stream}/{id}"));
            credits.ask::<()>(cmd("CREDIT.GRANT").arg(bonus).arg(tx).arg(1).arg("REASON").arg("claim-bonus"))?;
            claims += 1;
        }
        last_ids.insert(stream, &entries.last().ok_or("a stream without entries")?.0);
    }
    let lines: Vec<_> = last_ids.iter().map(|(stream, id)| format!("{stream} {id}\n")).collect();
    fs::write(path.with_extension("new"), lines.concat())?;
    fs::rename(path.with_extension("new"), path)?;
    Ok(claims)
}

fn main() -> Fallible<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let mut credits = Credits::on(env::var("CREDITD_PORT").map_or(Ok(7379), |port| port.parse())?)?;
    match words.iter().map(|word| &**word).collect::<Vec<_>>()[..] {
        ["claim", account, lead, cost, attempt] => {
            println!("{:?}", claim(&mut credits, account, lead, cost.parse()?, attempt.parse()?)?);
        }
        ["follow", path] => {
            let streams = streams(&mut credits)?;
            loop {
                follow(&mut credits, &streams, path.as_ref())?;
            }
        }
        _ => return Err("leads claim ACCOUNT LEAD COST ATTEMPT | follow FILE".into()),
    }
    Ok(())
}
