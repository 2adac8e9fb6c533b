//! What tools and test suites say to any Redis: CONFIG SET, FLUSHALL, WAIT, ROLE.

use crate::server::Site;
use crate::wire::info;

#[test]
fn what_can_be_set_while_the_server_runs_is_set_and_the_rest_is_refused() {
    let site = Site::new();
    let server = site.start(&["--maxclients", "100"]);
    let mut wire = server.connect();
    let failed =
        |name: &str, why: &str| format!("-ERR CONFIG SET failed (possibly related to argument '{name}') - {why}");
    for (line, reply) in [
        ("CONFIG SET timeout 30 Maxclients 5", "+OK".to_owned()),
        ("CONFIG GET timeout", "*2 $7 timeout $2 30".to_owned()),
        ("CONFIG GET maxclients", "*2 $10 maxclients $1 5".to_owned()),
        ("CONFIG SET slowlog-log-slower-than -1 slowlog-max-len 7 latency-monitor-threshold 5", "+OK".to_owned()),
        ("CONFIG GET slowlog-log-slower-than", "*2 $23 slowlog-log-slower-than $2 -1".to_owned()),
        ("CONFIG GET slowlog-max-len", "*2 $15 slowlog-max-len $1 7".to_owned()),
        ("CONFIG GET latency-monitor-threshold", "*2 $25 latency-monitor-threshold $1 5".to_owned()),
        ("CONFIG SET timeout 60 port 7", failed("port", "can't set immutable config")),
        (
            "CONFIG SET timeout 60 nope 7",
            "-ERR Unknown option or number of arguments for CONFIG SET - 'nope'".to_owned(),
        ),
        ("CONFIG SET timeout 60 TIMEOUT 7", failed("timeout", "duplicate parameter")),
        ("CONFIG SET timeout x", failed("timeout", "argument couldn't be parsed into an integer")),
        ("CONFIG SET maxclients 101", failed("maxclients", "argument must be between 1 and 100 inclusive")),
        ("CONFIG SET maxmemory-policy allkeys-lru", failed("maxmemory-policy", "can't set immutable config")),
        ("CONFIG SET requirepass secret", failed("requirepass", "can't set immutable config")),
        ("CONFIG SET appendonly yes maxmemory-policy noeviction", "+OK".to_owned()),
        ("CONFIG GET timeout", "*2 $7 timeout $2 30".to_owned()),
    ] {
        wire.expect(line, &reply);
    }
    let mut more: Vec<_> = (0..5).map(|_| server.connect()).collect();
    assert_eq!(info(&mut wire, "clients", "maxclients"), "5");
    wire.expect("CONFIG RESETSTAT", "+OK");
    assert_eq!(more[4].reply().line(), "-ERR max number of clients reached");
    assert_eq!(info(&mut wire, "stats", "total_commands_processed"), "1", "that INFO");
}

#[test]
fn accounts_are_never_flushed_and_test_suites_are_heard() {
    let site = Site::new();
    let server = site.start(&[]);
    let mut wire = server.connect();
    for line in ["FLUSHALL", "FLUSHDB SYNC", "FUNCTION FLUSH"] {
        assert!(wire.ask(line).line().starts_with("-ERR accounts are never deleted: this is for tests"), "{line}");
    }
    assert!(wire.ask("DEBUG SLEEP 0").line().starts_with("-ERR DEBUG command not allowed."));
    assert_eq!(server.terminate(), Some(0));
    let server = site.start(&["--enable-test-commands", "yes"]);
    let mut wire = server.connect();
    for line in ["FLUSHALL", "FLUSHDB ASYNC", "FUNCTION FLUSH"] {
        wire.expect(line, "+OK");
    }
    wire.expect("WAIT 0 0", ":0");
    wire.expect("MODULE LIST", "*0");
    assert!(wire.ask("ROLE").line().starts_with("*3 $6 master :"));
    wire.ask("CREDIT.GRANT a g 5");
    assert!(wire.ask("FLUSHALL").line().starts_with("-ERR accounts are never deleted; for an empty server"));
    wire.expect("CREDIT.DEBIT a d 6", "-INSUFFICIENT available=5 required=6");
}
