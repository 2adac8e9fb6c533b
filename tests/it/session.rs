//! What a connection can be asked besides credits: the handshake, AUTH, MULTI, the server's facts.

use crate::server::Site;
use crate::wire::{info, request};

#[test]
fn hello_has_seven_fields_and_switches_the_protocol_in_the_middle_of_a_pipeline() {
    let site = Site::new();
    let server = site.start(&[]);
    let mut wire = server.connect();
    let lines = ["PING", "HELLO 3", "CLIENT GETNAME", "HELLO 2 SETNAME me", "CLIENT GETNAME", "HELLO"];
    wire.send(&lines.iter().flat_map(|line| request(line)).collect::<Vec<_>>());
    assert_eq!(wire.reply().line(), "+PONG");
    let version = info(&mut server.connect(), "server", "redis_version");
    let fields = |head: &str, proto: u8, id: u64| {
        let len = version.len();
        format!(
            "{head} $6 server $5 redis $7 version ${len} {version} $5 proto :{proto} $2 id :{id} $4 mode $10 standalone \
             $4 role $6 master $7 modules *0"
        )
    };
    let three = wire.reply().line();
    let id = three.split("$2 id :").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok()).expect("an id");
    assert_eq!(three, fields("%7", 3, id));
    assert_eq!(wire.reply().line(), "_");
    assert_eq!(wire.reply().line(), fields("*14", 2, id));
    assert_eq!(wire.reply().line(), "$2 me");
    assert_eq!(wire.reply().line(), fields("*14", 2, id));
    wire.expect("CLIENT ID", &format!(":{id}"));
    wire.expect("HELLO 4", "-NOPROTO unsupported protocol version");
    wire.expect("HELLO x", "-ERR Protocol version is not an integer or out of range");
    assert!(version.starts_with("7.2."), "{version}");
}

#[test]
fn the_connection_s_commands_answer_as_redis_does() {
    let site = Site::new();
    let server = site.start(&[]);
    let mut wire = server.connect();
    for (line, reply) in [
        ("PING", "+PONG"),
        ("PING hello", "$5 hello"),
        ("ECHO hello", "$5 hello"),
        ("PING a b", "-ERR wrong number of arguments for 'ping' command"),
        ("SELECT 0", "+OK"),
        ("SELECT 1", "-ERR DB index is out of range"),
        ("SELECT x", "-ERR value is not an integer or out of range"),
        (
            "AUTH x",
            "-ERR AUTH <password> called without any password configured for the default user. \
             Are you sure your configuration is correct?",
        ),
        ("CLIENT GETNAME", "$-1"),
        ("CLIENT SETNAME it", "+OK"),
        ("CLIENT GETNAME", "$2 it"),
        ("CLIENT SETINFO LIB-NAME it", "+OK"),
        ("CLIENT SETINFO LIB-VER 1", "+OK"),
        ("CLIENT NO-EVICT on", "+OK"),
        ("CLIENT NO-TOUCH on", "+OK"),
        ("CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type internal-ip", "+OK"),
        ("CLIENT FROBNICATE", "-ERR unknown subcommand 'FROBNICATE'. Try CLIENT HELP."),
        ("CLUSTER INFO", "-ERR This instance has cluster support disabled"),
        ("READONLY", "-ERR This instance has cluster support disabled"),
        ("CONFIG GET no-such-*", "*0"),
        ("CONFIG GET save", "*2 $4 save $0 "),
        ("CONFIG GET appendonly", "*2 $10 appendonly $3 yes"),
        ("CONFIG GET databases", "*2 $9 databases $1 1"),
        ("DBSIZE", ":0"),
        ("UNWATCH", "+OK"),
        ("WATCH a", "-ERR WATCH is not supported: every command is atomic, and its tx makes a retry safe"),
        ("LPOP a", "-ERR unknown command 'LPOP', with args beginning with: 'a' "),
        ("EXEC", "-ERR EXEC without MULTI"),
        ("DISCARD", "-ERR DISCARD without MULTI"),
        ("COMMAND GETKEYS CREDIT.DEBIT tradie:7 t 1", "*1 $8 tradie:7"),
        ("RESET", "+RESET"),
        ("CLIENT GETNAME", "$-1"),
    ] {
        wire.expect(line, reply);
    }
    let list = wire.ask("CLIENT LIST").body();
    assert!(list.contains("lib-name=it lib-ver=1"), "RESET keeps the library's name: {list}");
    let seconds = |reply: String| reply.split(' ').nth(2).expect("seconds").parse::<u64>().expect("a number");
    assert!(seconds(wire.ask("TIME").line()) > 1_700_000_000);
    assert!(wire.ask("LASTSAVE").line().starts_with(':'));
    let count = wire.ask("COMMAND COUNT").line();
    assert!(wire.ask("COMMAND").text().starts_with(&count.replace(':', "*")));
    let debit = wire.ask("COMMAND INFO credit.debit").line();
    assert!(debit.starts_with("*1 *10 $12 credit.debit :-4 *3 +write +denyoom +fast :1 :1 :1 "), "{debit}");
    wire.expect("QUIT", "+OK");
    assert_eq!(wire.rest(), b"", "it is over");
}

#[test]
fn info_answers_in_any_combination_and_in_both_protocols() {
    let site = Site::new();
    let server = site.start(&[]);
    let mut wire = server.connect();
    wire.ask("CREDIT.GRANT a g1 100");
    wire.ask("CREDIT.DEBIT a d1 30");
    wire.ask("CREDIT.RESERVE a r1 20");
    wire.ask("CREDIT.CAPTURE a r1 AMOUNT 5");
    wire.ask("CREDIT.RESERVE a r2 11");
    let figures: Vec<_> = ["granted", "debited", "captured", "refunded", "balance", "reserved", "accounts", "holds"]
        .map(|name| info(&mut wire, "credits", name).parse::<u64>().expect("a number"))
        .into();
    assert_eq!(figures, [100, 30, 5, 0, 65, 11, 1, 1], "I2: 100 - 30 - 5 = 65; I3: one hold of 11");
    assert_eq!(info(&mut wire, "server clients", "maxclients"), "10000");
    assert_eq!(info(&mut wire, "ALL", "cluster_enabled"), "0");
    assert_eq!(info(&mut wire, "everything", "db0"), "keys=1,expires=0,avg_ttl=0");
    assert!(info(&mut wire, "commandstats", "cmdstat_credit.debit").starts_with("calls=1,"));
    wire.expect("INFO no-such-section", "$0 ");
    wire.ask("HELLO 3");
    let verbatim = wire.ask("INFO replication").text();
    assert!(verbatim.starts_with('=') && verbatim.contains("\r\ntxt:# Replication\r\nrole:master\r\n"), "{verbatim}");
}

#[test]
fn without_the_password_only_the_door_answers_and_every_wrong_one_has_its_own_reply() {
    let site = Site::new();
    let server = site.start(&["--requirepass", "s3cret"]);
    let mut wire = server.connect();
    for line in ["PING", "CREDIT.BALANCE a", "INFO", "SHUTDOWN"] {
        wire.expect(line, "-NOAUTH Authentication required.");
    }
    assert!(
        wire.ask("HELLO 3").line().starts_with("-NOAUTH HELLO must be called with the client already authenticated")
    );
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.";
    let lines = ["PING", "AUTH nope", "PING", "AUTH default s3cret", "PING", "CREDIT.GRANT a g 1"];
    wire.send(&lines.iter().flat_map(|line| request(line)).collect::<Vec<_>>());
    for reply in ["-NOAUTH Authentication required.", wrong, "-NOAUTH Authentication required.", "+OK", "+PONG"] {
        assert_eq!(wire.reply().line(), reply);
    }
    assert!(wire.reply().line().contains("granted"));
    wire.expect("RESET", "+RESET");
    wire.expect("PING", "-NOAUTH Authentication required.");
    assert!(wire.ask("HELLO 3 AUTH default s3cret SETNAME x").text().starts_with("%7\r\n"));

    let mut wire = server.connect();
    wire.send(&["AUTH a", "AUTH b", "AUTH c", "AUTH s3cret"].iter().flat_map(|line| request(line)).collect::<Vec<_>>());
    assert_eq!(wire.rest(), format!("{wrong}\r\n").repeat(3).as_bytes(), "three wrong ones end the connection");
    assert!(!server.log().contains("s3cret"), "no log shows it");
}

#[test]
fn multi_queues_and_exec_answers_in_order() {
    let site = Site::new();
    let server = site.start(&[]);
    let mut wire = server.connect();
    wire.expect("MULTI", "+OK");
    wire.expect("MULTI", "-ERR MULTI calls can not be nested");
    wire.expect("CREDIT.GRANT a g1 5", "+QUEUED");
    wire.expect("CREDIT.DEBIT a d1 9", "+QUEUED");
    wire.expect("PING", "+QUEUED");
    wire.expect(
        "EXEC",
        "*3 *8 $6 status $7 granted $7 balance :5 $9 available :5 $3 seq :1 -INSUFFICIENT available=5 required=9 +PONG",
    );
    wire.expect("MULTI", "+OK");
    wire.expect("CREDIT.DEBIT a d2 1", "+QUEUED");
    wire.expect("NOSUCH", "-ERR unknown command 'NOSUCH', with args beginning with: ");
    wire.expect("CREDIT.DEBIT a d3", "-ERR wrong number of arguments for 'credit.debit' command");
    wire.expect("EXEC", "-EXECABORT Transaction discarded because of previous errors.");
    wire.expect("MULTI", "+OK");
    wire.expect("CREDIT.DEBIT a d4 1", "+QUEUED");
    wire.expect("DISCARD", "+OK");
    wire.expect("MULTI", "+OK");
    wire.expect("EXEC", "*0");
    assert_eq!(wire.ask("CREDIT.BALANCE a").number("seq"), 2, "what was thrown away was not executed");
}
