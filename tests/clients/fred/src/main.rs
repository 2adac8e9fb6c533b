//! What every client does, with fred: `calls CALLS_FILE PORT`.

use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand, RespVersion};
use std::collections::HashMap;

/// Whether the answer is what is wanted, in the words of calls.txt.
fn hears(answer: &Result<Value, Error>, wanted: &str) -> bool {
    let value = match (answer, wanted.strip_prefix('!')) {
        (Err(no), Some(wanted)) => return no.details().starts_with(wanted),
        (Ok(value), None) => value.clone(),
        _ => return false,
    };
    if wanted == "nil" {
        return value.is_null();
    }
    let Ok(told) = value.convert::<HashMap<String, Value>>() else { return false };
    wanted.split(' ').collect::<Vec<_>>().chunks(2).all(|pair| {
        let value = pair[1].parse().map_or_else(|_| Value::from(pair[1]), Value::Integer);
        told.get(pair[0]) == Some(&value)
    })
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().collect();
    let calls = std::fs::read_to_string(&args[1]).expect("the calls");
    let (mut passed, mut failed) = (0, 0);
    let mut count = |what: &dyn std::fmt::Debug, holds: bool| {
        if holds {
            passed += 1;
        } else {
            failed += 1;
            println!("FAILED fred {what:?}");
        }
    };
    for (account, version) in [("fred2", RespVersion::RESP2), ("fred3", RespVersion::RESP3)] {
        let server = ServerConfig::new_centralized("127.0.0.1", args[2].parse().expect("a port"));
        let builder = Builder::from_config(Config { server, version, ..Config::default() });
        let (client, listener) = (builder.build()?, builder.build_subscriber_client()?);
        client.init().await?;
        listener.init().await?;
        let mut heard = listener.message_rx();
        listener.subscribe("credit.granted").await?;
        for line in calls.replace('@', account).lines() {
            let Some((command, wanted)) = line.split_once(" | ").filter(|_| !line.starts_with('#')) else { continue };
            let (name, words) = command.split_once(' ').expect("a command has words");
            let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
            let call = CustomCommand::new(name.to_owned(), ClusterHash::FirstKey, false);
            let answer = client.custom::<Value, String>(call, words).await;
            let holds = hears(&answer, wanted);
            count(&(command, answer), holds);
        }
        // In RESP2 it says that it has subscribed before it has asked: the first may be missed.
        while !heard.recv().await.expect("a message").value.as_string().is_some_and(|text| text.contains(account)) {}
        count(&"event", true);
        client.quit().await?;
        listener.quit().await?;
    }
    println!("fred 10.1.0: {passed} passed, {failed} failed");
    std::process::exit(failed.min(1));
}
