//! What RedisInsight and redis_exporter say, in their order (redis-protocol.md A), in both protocols: every reply has the
//! shape that they parse, and only what they bear is an error.

use crate::server::Site;
use crate::wire::{Reply, Wire, info};

/// What a tool sends, how the reply begins (RESP2, RESP3), and a part that must be in it.
type Step = (&'static str, [&'static str; 2], &'static str);

const MAP: [&str; 2] = ["*", "%"];
const ARRAY: [&str; 2] = ["*", "*"];
const TEXT: [&str; 2] = ["$", "="];
const NUMBER: [&str; 2] = [":", ":"];
const OK: [&str; 2] = ["+", "+"];
const NO_CLUSTER: [&str; 2] = ["-ERR This instance has cluster support disabled"; 2];
const UNKNOWN: [&str; 2] = ["-ERR unknown "; 2];

const REDIS_INSIGHT: &[Step] = &[
    ("INFO", TEXT, "redis_version:7."),
    ("CLIENT LIST", TEXT, "addr="),
    ("MODULE LIST", ARRAY, ""),
    ("COMMAND INFO FT.SEARCH JSON.GET", ARRAY, ""),
    ("CONFIG GET databases", MAP, "databases"),
    ("INFO keyspace", TEXT, "db0:keys=2,expires=0"),
    ("DBSIZE", NUMBER, "2"),
    ("CLUSTER INFO", NO_CLUSTER, ""),
    ("CLUSTER NODES", NO_CLUSTER, ""),
    ("SENTINEL masters", UNKNOWN, "'SENTINEL'"),
    ("COMMAND", ARRAY, "credit.debit"),
    ("SLOWLOG LEN", NUMBER, ""),
    ("SLOWLOG GET 50", ARRAY, ""),
    ("CONFIG GET slowlog-max-len", MAP, "128"),
    ("CONFIG SET slowlog-log-slower-than 10000", OK, "OK"),
    ("SCAN 0 MATCH * COUNT 500", ARRAY, "tradie:7"),
    ("SCAN 0 MATCH * COUNT 500 TYPE hash", ARRAY, "tradie:7"),
    ("SCAN 0 MATCH * COUNT 500 TYPE string", ARRAY, ""),
    ("TYPE tradie:7", OK, "hash"),
    ("TTL tradie:7", NUMBER, "-1"),
    ("MEMORY USAGE tradie:7 SAMPLES 0", NUMBER, ""),
    ("HLEN tradie:7", NUMBER, "5"),
    ("HSCAN tradie:7 0 MATCH * COUNT 500", ARRAY, "available"),
    ("OBJECT ENCODING tradie:7", ["$", "$"], "hashtable"),
    ("TYPE credit:log:{tradie:7}", OK, "stream"),
    ("MEMORY USAGE credit:log:{tradie:7} SAMPLES 0", NUMBER, ""),
    ("XINFO STREAM credit:log:{tradie:7}", MAP, "last-generated-id"),
    ("XLEN credit:log:{tradie:7}", NUMBER, "2"),
    ("XREVRANGE credit:log:{tradie:7} + - COUNT 500", ARRAY, "DEBIT"),
    ("XINFO GROUPS credit:log:{tradie:7}", ARRAY, ""),
    ("XINFO STREAM credit:events:0", MAP, "length"),
    ("PUBSUB NUMSUB credit.debited", ARRAY, ""),
    ("PUBSUB CHANNELS", ARRAY, ""),
    ("DEL tradie:7", ["-ERR accounts change only"; 2], ""),
];

const REDIS_EXPORTER: &[Step] = &[
    ("CLIENT SETNAME redis_exporter", OK, "OK"),
    ("CONFIG GET *", MAP, "maxmemory-policy"),
    ("INFO ALL", TEXT, "# Commandstats"),
    ("INFO", TEXT, "connected_clients:"),
    ("CLUSTER INFO", NO_CLUSTER, ""),
    ("LATENCY LATEST", ARRAY, ""),
    ("LATENCY HISTOGRAM", MAP, ""),
    ("SLOWLOG LEN", NUMBER, ""),
    ("SLOWLOG GET 1", ARRAY, ""),
    ("CLIENT LIST", TEXT, "lib-ver="),
    ("COMMAND INFO COMMANDLOG", ARRAY, ""),
    ("INFO MODULES", TEXT, "# Modules"),
    ("SCAN 0 MATCH tradie:* COUNT 1000", ARRAY, "tradie:8"),
    ("TYPE tradie:8", OK, "hash"),
    ("MEMORY USAGE tradie:8", NUMBER, ""),
    ("HLEN tradie:8", NUMBER, "5"),
    ("TYPE credit:events:0", OK, "stream"),
    ("XINFO STREAM credit:events:0", MAP, "first-entry"),
    ("XINFO GROUPS credit:events:0", ARRAY, ""),
    ("ROLE", ARRAY, "master"),
];

#[test]
fn what_tools_ask_is_answered_in_the_shape_that_they_parse() {
    let site = Site::new();
    let server = site.start(&["--shards", "1"]);
    let mut wire = server.connect();
    wire.pipeline(["CREDIT.GRANT tradie:7 g 20", "CREDIT.DEBIT tradie:7 d 5", "CREDIT.GRANT tradie:8 g 20"]);
    for (proto, hello) in ["HELLO 2", "HELLO 3"].into_iter().enumerate() {
        for steps in [REDIS_INSIGHT, REDIS_EXPORTER] {
            let mut wire = server.connect();
            wire.ask(hello);
            for (line, heads, part) in steps {
                let text = wire.ask(line).text();
                assert!(text.starts_with(heads[proto]) && text.contains(part), "{hello}, {line}: {text}");
            }
        }
    }
    let errors = info(&mut wire, "stats", "total_error_replies");
    assert_eq!(errors, (2 * (3 + 1 + 1)).to_string(), "three about clusters, SENTINEL, DEL");
}

#[test]
fn every_client_s_first_words_are_answered_in_order() {
    let site = Site::new();
    let server = site.start(&[]);
    for (hello, words) in [
        ("HELLO 3 SETNAME node", "SELECT 0|CLIENT SETINFO LIB-NAME node-redis|CLIENT SETINFO LIB-VER 6|PING"),
        ("HELLO 3", "CLIENT SETINFO LIB-NAME redis-py|CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type none|PING"),
        ("HELLO 2", "CLIENT ID|INFO server|CLIENT SETNAME fred|SELECT 0"),
        ("HELLO 2", "CONFIG GET timeout|CONFIG GET replica-read-only|CONFIG GET databases|INFO replication|ECHO id"),
        ("HELLO 2", "CONFIG GET save|CONFIG GET appendonly|COMMAND DOCS|COMMAND|GET __Booksleeve_TieBreak"),
    ] {
        let mut wire: Wire = server.connect();
        wire.send(&std::iter::once(hello).chain(words.split('|')).flat_map(crate::wire::request).collect::<Vec<_>>());
        let replies: Vec<Reply> = (0..=words.split('|').count()).map(|_| wire.reply()).collect();
        assert!(replies.iter().all(|reply| !reply.0.starts_with(b"-")), "{words}");
    }
}
