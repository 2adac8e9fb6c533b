//! The grammar at its border: what each command takes and what it says to anything else.

mod control;
mod docs;
mod feed;
mod keys;
mod leads;

use super::connection::client::ClientFilter;
use super::connection::{ConnectionRequest, LibraryInfo};
use super::reply::{Encoder, Proto};
use super::server::flush::Flush;
use super::spec::CommandSpec;
use super::*;
use crate::commands::arguments::OwnedArguments;
use crate::ledger::command::Op;
use crate::ledger::credits::{CREDITS_MAX, TTL_MS_MAX};
use table::TABLE;

const DEFAULTS: Defaults = Defaults { reserve_ttl_ms: 300_000, allow_auto_tx: true };

fn with_words<T>(words: &[&[u8]], see: impl FnOnce(Result<Request<'_>, Refusal>) -> T) -> T {
    let owned: OwnedArguments = words.iter().copied().collect();
    see(parse(owned.borrow(), &DEFAULTS))
}

/// Words of `line` between blanks.
fn with_line<T>(line: &str, see: impl FnOnce(Result<Request<'_>, Refusal>) -> T) -> T {
    with_words(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>(), see)
}

fn op(line: &str) -> Op {
    with_line(line, |request| match request {
        Ok(Request::Ledger { command, .. }) => command.op,
        other => panic!("{line}: {other:?}"),
    })
}

fn refused(line: &str, text: &str) {
    with_line(line, |request| assert_eq!(request.expect_err(line).text(), text, "{line}"));
}

fn accepted(line: &str, expected: Request<'_>) {
    with_line(line, |request| assert_eq!(request, Ok(expected), "{line}"));
}

const SYNTAX: &str = "ERR syntax error";
const AMOUNT_RULE: &str = "ERR amount must be a whole number from 1 to 9007199254740991, without sign or leading zero";

#[test]
fn writes_are_understood_in_any_case_and_option_order() {
    with_words(&[b"Credit.Reserve", b"t:1", b"r1", b"5", b"meta", b"m", b"ttl", b"1", b"REASON", b"why"], |request| {
        let op = Op::Reserve { amount: 5, ttl_ms: 1 };
        let command = Command { reason: b"why", meta: b"m", ..Command::new(b"t:1", b"r1", op) };
        assert_eq!(request, Ok(Request::Ledger { command, made_tx: false }));
    });
    assert_eq!(op("CREDIT.GRANT a t 9007199254740991"), Op::Grant { amount: CREDITS_MAX });
    assert_eq!(op("CREDIT.DEBIT a t 1"), Op::Debit { amount: 1 });
    assert_eq!(op("CREDIT.RESERVE a t 1"), Op::Reserve { amount: 1, ttl_ms: 300_000 });
    assert_eq!(op("CREDIT.RESERVE a t 1 TTL 2592000000"), Op::Reserve { amount: 1, ttl_ms: TTL_MS_MAX });
    assert_eq!(op("CREDIT.CAPTURE a t"), Op::Capture { amount: None });
    assert_eq!(op("CREDIT.CAPTURE a t AMOUNT 7 META m"), Op::Capture { amount: Some(7) });
    assert_eq!(op("CREDIT.RELEASE a t REASON r"), Op::Release);
    assert_eq!(op("CREDIT.BALANCE a"), Op::Balance);
    assert_eq!(op("CREDIT.HOLDS a"), Op::Holds);
    with_line("CREDIT.REFUND a f1 d1 reason why AMOUNT 3", |request| {
        let op = Op::Refund { amount: Some(3) };
        let command = Command { of: b"d1", reason: b"why", ..Command::new(b"a", b"f1", op) };
        assert_eq!(request, Ok(Request::Ledger { command, made_tx: false }));
    });
    assert_eq!(op("CREDIT.REFUND a f1 d1"), Op::Refund { amount: None });
    assert_eq!(op("CREDIT.BALANCE a at 0"), Op::BalanceAt { at_ms: 0 });
    assert_eq!(op("CREDIT.TX a t"), Op::Tx);
    assert_eq!(op("CREDIT.AUDIT a"), Op::Audit);
}

#[test]
fn bad_amounts() {
    for amount in
        ["0", "-1", "+5", "05", "1.5", "1e3", "9007199254740992", "99999999999999999999", "", "x", "0x5", "5\r"]
    {
        for verb in ["GRANT", "DEBIT", "RESERVE"] {
            refused(&format!("CREDIT.{verb} a t {amount}"), AMOUNT_RULE);
        }
        let rule = AMOUNT_RULE.replace("amount", "AMOUNT");
        let text = format!("{rule}; to take nothing use CREDIT.RELEASE");
        refused(&format!("CREDIT.CAPTURE a t AMOUNT {amount}"), &text);
        let text = format!("{rule}; to refund all that is left leave it out");
        refused(&format!("CREDIT.REFUND a t d AMOUNT {amount}"), &text);
    }
    for amount in [&b" 5"[..], b"5 ", b" "] {
        with_words(&[b"CREDIT.DEBIT", b"a", b"t", amount], |request| {
            assert_eq!(request.expect_err("blank").text(), AMOUNT_RULE);
        });
    }
}

#[test]
fn bad_times_to_live() {
    let rule =
        "ERR TTL must be a whole number of milliseconds from 1 to 2592000000 (30 days), without sign or leading zero";
    for ttl in ["0", "-1", "+1", "01", "2592000001", "1.0", "", "5m", "99999999999999999999"] {
        refused(&format!("CREDIT.RESERVE a t 1 TTL {ttl}"), rule);
    }
}

#[test]
fn bad_moments() {
    for at in ["", "-1", "01", "1.5", "now", "18446744073709551616"] {
        let rule = "ERR AT must be a whole number of milliseconds since 1970, without sign or leading zero";
        refused(&format!("CREDIT.BALANCE a AT {at}"), rule);
    }
}

#[test]
fn ids_are_bytes_of_bounded_length() {
    let longest = ([b'a'; 128], [b't'; 64]);
    let odd: &[(&[u8], &[u8])] = &[(&longest.0, &longest.1), (b"\0\xff", b"\r\n"), (b"{a}:b", b"**"), (b"*", b"'")];
    for &(account, tx) in odd {
        with_words(&[b"CREDIT.RELEASE", account, tx], |request| {
            let command = Command::new(account, tx, Op::Release);
            assert_eq!(request, Ok(Request::Ledger { command, made_tx: false }));
        });
    }
    let (account, tx) = ("a".repeat(129), "t".repeat(65));
    for verb in ["CREDIT.GRANT", "CREDIT.DEBIT", "CREDIT.RESERVE", "CREDIT.CAPTURE", "CREDIT.RELEASE"] {
        let tail = if matches!(verb, "CREDIT.CAPTURE" | "CREDIT.RELEASE") { "" } else { " 1" };
        refused(&format!("{verb} {account} t{tail}"), "ERR account is longer than 128 bytes");
        refused(&format!("{verb} a {tx}{tail}"), "ERR tx is longer than 64 bytes");
        refused(&format!("{verb}  t{tail}"), "ERR account is empty");
        refused(&format!("{verb} a {tail}"), "ERR tx is empty");
    }
    refused(&format!("CREDIT.REFUND a f {tx}"), "ERR tx is longer than 64 bytes");
    refused("CREDIT.REFUND a f ", "ERR tx is empty");
    refused("CREDIT.TX a ", "ERR tx is empty");
    for verb in ["BALANCE", "HOLDS", "HISTORY", "AUDIT"] {
        refused(&format!("CREDIT.{verb} {account}"), "ERR account is longer than 128 bytes");
        refused(&format!("CREDIT.{verb} "), "ERR account is empty");
    }
}

#[test]
fn options_come_once_with_a_value_and_are_known() {
    for line in [
        "CREDIT.GRANT a t 1 TTL 5",
        "CREDIT.GRANT a t 1 REASON",
        "CREDIT.GRANT a t 1 REASON x reason y",
        "CREDIT.DEBIT a t 1 META x META x",
        "CREDIT.DEBIT a t 1 x",
        "CREDIT.RESERVE a t 1 TTL",
        "CREDIT.RESERVE a t 1 TTL 5 TTL 5",
        "CREDIT.RESERVE a t 1 AMOUNT 5",
        "CREDIT.CAPTURE a t 5",
        "CREDIT.CAPTURE a t AMOUNT",
        "CREDIT.CAPTURE a t AMOUNT 1 AMOUNT 1",
        "CREDIT.RELEASE a t META x",
        "CREDIT.RELEASE a t REASON x REASON x",
        "CREDIT.BALANCE a x",
        "CREDIT.BALANCE a AT",
        "CREDIT.BALANCE a AT 5 AT 5",
        "CREDIT.REFUND a t d 5",
        "CREDIT.REFUND a t d TTL 5",
        "CREDIT.REFUND a t d AMOUNT",
    ] {
        refused(line, SYNTAX);
    }
    let (reason, meta) = ("r".repeat(64), "m".repeat(1024));
    assert_eq!(op(&format!("CREDIT.GRANT a t 1 REASON {reason} META {meta}")), Op::Grant { amount: 1 });
    refused(&format!("CREDIT.GRANT a t 1 REASON {reason}r"), "ERR REASON is longer than 64 bytes");
    refused(&format!("CREDIT.CAPTURE a t META {meta}m"), "ERR META is longer than 1024 bytes");
}

#[test]
fn the_server_makes_an_id_only_for_what_starts_something() {
    for verb in ["GRANT", "DEBIT", "RESERVE"] {
        let line = format!("CREDIT.{verb} a * 1");
        with_line(&line, |request| {
            let Ok(Request::Ledger { command, made_tx }) = request else { panic!("{request:?}") };
            assert_eq!((command.tx, made_tx), (&b"*"[..], true));
        });
        let owned: OwnedArguments = line.split(' ').map(str::as_bytes).collect();
        let off = parse(owned.borrow(), &Defaults { allow_auto_tx: false, ..DEFAULTS });
        let text = "ERR tx * is off here (allow-auto-tx no); choose an id and keep it for retries";
        assert_eq!(off.expect_err("off").text(), text);
    }
    with_line("CREDIT.REFUND a * d", |request| assert!(matches!(request, Ok(Request::Ledger { made_tx: true, .. }))));
    for words in ["CAPTURE a", "RELEASE a", "TX a", "REFUND a f"] {
        refused(&format!("CREDIT.{words} *"), "ERR tx * starts something new; name the tx that you mean");
    }
}

#[test]
fn unknown_names_and_wrong_numbers_of_words() {
    refused("CREDIT.DEBIT a t", "ERR wrong number of arguments for 'credit.debit' command");
    refused("Credit.Holds a b", "ERR wrong number of arguments for 'credit.holds' command");
    refused("PING a b", "ERR wrong number of arguments for 'ping' command");
    refused("CLIENT", "ERR wrong number of arguments for 'client' command");
    refused("CLIENT ID 1", "ERR wrong number of arguments for 'client|id' command");
    refused("client STOP x", "ERR unknown subcommand 'STOP'. Try CLIENT HELP.");
    refused("COMMAND x\ry", "ERR unknown subcommand 'x y'. Try COMMAND HELP.");
    refused("CONFIG SET a b c", "ERR wrong number of arguments for 'config|set' command");
    refused("CONFIG REWRITE", "ERR Rewriting config file: Operation not permitted");
    refused("CONFIG foo", "ERR unknown subcommand 'foo'. Try CONFIG HELP.");
    refused("LPOP k", "ERR unknown command 'LPOP', with args beginning with: 'k' ");
    refused("client|id", "ERR unknown command 'client|id', with args beginning with: ");
}

/// The shortest right request for a table entry, by the kinds of its required arguments.
fn minimal(spec: &'static CommandSpec) -> Vec<&'static str> {
    let mut words: Vec<&str> = spec.name.split('|').collect();
    words.extend(match spec.name {
        "client|no-evict" | "client|no-touch" => vec!["ON"],
        "client|setinfo" => vec!["LIB-NAME", "x"],
        "command|getkeys" | "command|getkeysandflags" => vec!["ping"],
        "xread" => vec!["STREAMS", "k", "0"],
        "xadd" => vec!["k", "*", "field", "value"],
        "scan" => vec!["0"],
        "client|pause" | "client|unblock" => vec!["1"],
        "client|reply" | "client|tracking" => vec!["OFF"],
        "config|set" => vec!["a", "b"],
        "hscan" => vec!["k", "0"],
        "xinfo|stream" | "xinfo|groups" => vec!["credit:events:0"],
        "select" => vec!["0"],
        _ => spec.args.iter().filter(|arg| !arg.optional).map(|_| "1").collect(),
    });
    words
}

#[test]
fn every_entry_takes_its_shortest_request_and_refuses_a_word_less() {
    for spec in TABLE.iter().flat_map(|&spec| std::iter::once(spec).chain(spec.subcommands)) {
        if spec.arity == -2 && !spec.subcommands.is_empty() {
            continue; // a container: called by a subcommand only
        }
        let words = minimal(spec);
        assert_eq!(words.len(), spec.arity.unsigned_abs() as usize, "{}: arity and arguments differ", spec.name);
        let words: Vec<_> = words.iter().map(|word| word.as_bytes()).collect();
        with_words(&words, |request| match (spec.group, spec.name) {
            _ if spec.summary.starts_with("Refused")
                && !matches!(spec.name, "object|freq" | "flushall" | "flushdb" | "function|flush") =>
            {
                assert!(request.is_err(), "{}", spec.name)
            }
            ("cluster", _) | (_, "watch" | "command|getkeys" | "command|getkeysandflags" | "xinfo|consumers") => {
                assert!(request.is_err(), "{}", spec.name)
            }
            _ => assert!(request.is_ok(), "{}: {request:?}", spec.name),
        });
        let shorter = &words[..words.len() - 1];
        if shorter.len() > spec.name.split('|').count() - 1 {
            let text = format!("ERR wrong number of arguments for '{}' command", spec.name);
            with_words(shorter, |request| assert_eq!(request.expect_err(spec.name).text(), text));
        }
    }
}

#[test]
fn commands_of_the_connection() {
    let connection = |request| Request::Connection(request);
    accepted("PING", connection(ConnectionRequest::Ping(None)));
    accepted("PING x", connection(ConnectionRequest::Ping(Some(b"x"))));
    accepted("QUIT 1 2", connection(ConnectionRequest::Quit));
    accepted("SELECT 0", Request::Accepted);
    refused("SELECT 1", "ERR DB index is out of range");
    refused("SELECT -1", "ERR DB index is out of range");
    refused("SELECT a", "ERR value is not an integer or out of range");
    accepted("UNWATCH", Request::Accepted);
    with_line("WATCH k", |request| {
        assert!(request.expect_err("watch").text().starts_with("ERR WATCH is not supported"))
    });
    accepted("CLIENT SETNAME ", connection(ConnectionRequest::SetName(b"")));
    refused("CLIENT SETNAME a\rb", "ERR Client names cannot contain spaces, newlines or special characters.");
    refused(&format!("CLIENT SETNAME {}", "n".repeat(257)), "ERR Client names cannot be longer than 256 bytes.");
    accepted("CLIENT setinfo lib-ver 1.2", connection(ConnectionRequest::SetInfo(LibraryInfo::Version, b"1.2")));
    refused("CLIENT SETINFO x y", "ERR Unrecognized option 'x'");
    refused("CLIENT SETINFO LIB-NAME a\n", "ERR lib-name cannot contain spaces, newlines or special characters.");
    accepted("CLIENT NO-EVICT on", Request::Accepted);
    refused("CLIENT NO-TOUCH x", SYNTAX);
    accepted("CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type internal-ip", Request::Accepted);
    refused("CLUSTER INFO", "ERR This instance has cluster support disabled");
    refused("READONLY", "ERR This instance has cluster support disabled");
}

#[test]
fn client_list_filters() {
    let list = |filter| Request::Server(ServerRequest::ClientList(filter));
    accepted("CLIENT LIST", list(ClientFilter::All));
    accepted("CLIENT LIST TYPE Normal", list(ClientFilter::Listening(false)));
    accepted("CLIENT LIST TYPE pubsub", list(ClientFilter::Listening(true)));
    accepted("CLIENT LIST TYPE replica", list(ClientFilter::None));
    refused("CLIENT LIST TYPE foo", "ERR Unknown client type 'foo'");
    refused("CLIENT LIST ID x", "ERR Invalid client ID");
    refused("CLIENT LIST foo", SYNTAX);
    refused("CLIENT LIST ID", SYNTAX);
    with_line("CLIENT LIST ID 3 5", |request| {
        let Ok(Request::Server(ServerRequest::ClientList(filter))) = request else { panic!("{request:?}") };
        assert_eq!(filter.ids(), Some(vec![3, 5]));
    });
}

#[test]
fn greetings() {
    type Seen = (Option<Proto>, Option<(Vec<u8>, Vec<u8>)>, Option<Vec<u8>>);
    let hello = |line: &str| -> Seen {
        with_line(line, |request| {
            let Ok(Request::Connection(ConnectionRequest::Hello { proto, auth, name })) = request else {
                panic!("{line}: {request:?}")
            };
            let auth = auth.map(|auth| (auth.user.to_vec(), auth.password.reveal().to_vec()));
            (proto, auth, name.map(<[u8]>::to_vec))
        })
    };
    assert_eq!(hello("HELLO"), (None, None, None));
    assert_eq!(hello("hello 2"), (Some(Proto::Resp2), None, None));
    let all = (Some(Proto::Resp3), Some((b"u".to_vec(), b"p".to_vec())), Some(b"me".to_vec()));
    assert_eq!(hello("HELLO 3 auth u p setname me"), all);
    assert_eq!(hello("HELLO 3 SETNAME me AUTH u p"), all);
    refused("HELLO 4", "NOPROTO unsupported protocol version");
    refused("HELLO 1", "NOPROTO unsupported protocol version");
    refused("HELLO x", "ERR Protocol version is not an integer or out of range");
    refused("HELLO 3 foo", "ERR Syntax error in HELLO option 'foo'");
    refused("HELLO 3 AUTH u", "ERR Syntax error in HELLO option 'AUTH'");
    refused("HELLO 3 SETNAME a\tb", "ERR Client names cannot contain spaces, newlines or special characters.");
}

#[test]
fn passwords_are_parsed_and_never_shown() {
    for (line, user) in [("AUTH canary", "default"), ("AUTH someone canary", "someone")] {
        with_line(line, |request| {
            assert!(!format!("{request:?}").contains("canary"));
            let Ok(Request::Connection(ConnectionRequest::Auth(auth))) = request else { panic!("{line}") };
            assert_eq!((auth.user, auth.password.reveal()), (user.as_bytes(), &b"canary"[..]));
        });
    }
    refused("AUTH a b c", SYNTAX);
}

#[test]
fn commands_of_the_server() {
    accepted("DBSIZE", Request::Server(ServerRequest::DbSize));
    accepted("WAIT 1 100", Request::Number(0));
    refused("WAIT x 1", "ERR value is not an integer or out of range");
    refused("WAIT 1 x", "ERR timeout is not an integer or out of range");
    accepted("ROLE", Request::Server(ServerRequest::Role));
    accepted("MODULE LIST", Request::Nothing);
    accepted("FLUSHDB async", Request::Server(ServerRequest::Flush(Flush::Accounts)));
    accepted("FUNCTION FLUSH", Request::Server(ServerRequest::Flush(Flush::Functions)));
    refused("FLUSHALL now", SYNTAX);
    refused("FLUSHALL SYNC ASYNC", SYNTAX);
    refused("EVAL return 0", "ERR unknown command 'EVAL', with args beginning with: 'return' '0' ");
    accepted("SHUTDOWN nosave NOW force", Request::Server(ServerRequest::Shutdown));
    refused("SHUTDOWN SAVE NOSAVE", SYNTAX);
    refused("SHUTDOWN foo", SYNTAX);
    accepted("save", Request::Server(ServerRequest::Save));
    accepted("BGSAVE", Request::Server(ServerRequest::BgSave { schedule: false }));
    accepted("BGSAVE schedule", Request::Server(ServerRequest::BgSave { schedule: true }));
    refused("BGSAVE now", SYNTAX);
    refused("SAVE now", "ERR wrong number of arguments for 'save' command");
    with_line("INFO Server all", |request| {
        let Ok(Request::Server(ServerRequest::Info(sections))) = request else { panic!("{request:?}") };
        assert_eq!(sections.words().collect::<Vec<_>>(), [&b"Server"[..], b"all"]);
    });
    with_line("CONFIG GET save max*", |request| {
        let Ok(Request::Server(ServerRequest::ConfigGet(patterns))) = request else { panic!("{request:?}") };
        assert_eq!(["save", "maxclients", "port"].map(|name| patterns.want(name)), [true, true, false]);
    });
}

fn catalog_reply(line: &str, proto: Proto) -> String {
    with_line(line, |request| {
        let Ok(Request::Catalog(request)) = request else { panic!("{line}: {request:?}") };
        let mut out = Vec::new();
        catalog::answer(request, &mut Encoder::new(&mut out, proto));
        String::from_utf8(out).expect("text").replace("\r\n", "|")
    })
}

#[test]
fn command_info_has_the_shape_of_redis_7() {
    let resp2 = "*10|$12|credit.debit|:-4|*3|+write|+denyoom|+fast|:1|:1|:1|*3|+@write|+@fast|+@spender|*0|*1|\
                 *6|$5|flags|*3|+RW|+access|+update|$12|begin_search|*4|$4|type|$5|index|$4|spec|*2|$5|index|:1|\
                 $9|find_keys|*4|$4|type|$5|range|$4|spec|*6|$7|lastkey|:0|$7|keystep|:1|$5|limit|:0|*0|";
    assert_eq!(catalog_reply("COMMAND INFO CREDIT.DEBIT nope", Proto::Resp2), format!("*2|{resp2}$-1|"));
    let ping = "*10|$4|ping|:-1|~1|+fast|:0|:0|:0|~2|+@fast|+@connection|\
                ~2|$25|request_policy:all_shards|$29|response_policy:all_succeeded|~0|~0|";
    assert_eq!(catalog_reply("COMMAND INFO ping nope", Proto::Resp3), format!("*2|{ping}_|"));
    let keys_behind = |begin, range| {
        format!(
            "|*6|$5|flags|*2|+RO|+access|$12|begin_search|*4|{begin}|$9|find_keys|*4|$4|type|$5|range|$4|spec|*6|{range}"
        )
    };
    let xread = catalog_reply("COMMAND INFO xread", Proto::Resp2);
    let begin = "$4|type|$7|keyword|$4|spec|*4|$7|keyword|$7|STREAMS|$9|startfrom|:1";
    let behind_streams = keys_behind(begin, "$7|lastkey|:-1|$7|keystep|:1|$5|limit|:2|");
    assert!(
        xread.contains("|:-4|*2|+readonly|+blocking|:0|:0|:0|*6|+@read|+@blocking|+@slow|+@reader|+@feed|+@stream|"),
        "{xread}"
    );
    assert!(xread.contains(&behind_streams), "{xread}");
    let xinfo = catalog_reply("COMMAND INFO xinfo|stream", Proto::Resp2);
    let at_two = keys_behind("$4|type|$5|index|$4|spec|*2|$5|index|:2", "$7|lastkey|:0|$7|keystep|:1|$5|limit|:0|");
    assert!(xinfo.contains("|:-3|*1|+readonly|:2|:2|:1|") && xinfo.contains(&at_two), "{xinfo}");
    let all = catalog_reply("COMMAND", Proto::Resp2);
    assert!(all.starts_with(&format!("*{}|*10|", TABLE.len())) && !all.contains("movablekeys"));
    assert_eq!(all, catalog_reply("COMMAND INFO", Proto::Resp2));
}

#[test]
fn command_docs_has_the_shape_of_redis_7() {
    let docs = catalog_reply("COMMAND DOCS credit.reserve nope", Proto::Resp3);
    let summary = "Holds credits of an account until they are captured, released or the TTL is over";
    let arguments = "*6|%3|$4|name|$7|account|$4|type|$3|key|$14|key_spec_index|:0|%2|$4|name|$2|tx|$4|type|$6|string|\
                     %2|$4|name|$6|amount|$4|type|$7|integer|\
                     %4|$4|name|$12|milliseconds|$4|type|$7|integer|$5|token|$3|TTL|$5|flags|~1|+optional|\
                     %4|$4|name|$4|text|$4|type|$6|string|$5|token|$6|REASON|$5|flags|~1|+optional|\
                     %4|$4|name|$4|text|$4|type|$6|string|$5|token|$4|META|$5|flags|~1|+optional|";
    assert_eq!(
        docs,
        format!(
            "%1|$14|credit.reserve|%5|$7|summary|${}|{summary}|$5|since|$5|0.1.0|$5|group|$6|credit|\
             $10|complexity|$4|O(1)|$9|arguments|{arguments}",
            summary.len()
        )
    );
    let client = catalog_reply("COMMAND DOCS client", Proto::Resp2);
    assert!(client.contains("$11|subcommands|*38|$9|client|id|*8|$7|summary|"), "{client}");
    assert!(catalog_reply("COMMAND DOCS", Proto::Resp2).starts_with(&format!("*{}|", TABLE.len() * 2)));
    assert_eq!(catalog_reply("COMMAND DOCS nope", Proto::Resp3), "%0|");
}

#[test]
fn command_lists_counts_and_finds_keys() {
    assert_eq!(catalog_reply("COMMAND COUNT", Proto::Resp2), format!(":{}|", TABLE.len()));
    assert_eq!(catalog_reply("COMMAND LIST FILTERBY PATTERN credit.?ebit", Proto::Resp3), "*1|$12|credit.debit|");
    assert_eq!(
        catalog_reply("COMMAND LIST filterby aclcat Granter", Proto::Resp2),
        "*4|$12|credit.grant|$13|credit.refund|$9|lead.open|$10|lead.close|"
    );
    assert_eq!(catalog_reply("COMMAND LIST FILTERBY MODULE x", Proto::Resp2), "*0|");
    assert!(catalog_reply("COMMAND LIST", Proto::Resp2).contains("$9|client|id|"));
    refused("COMMAND LIST FILTERBY x y", SYNTAX);
    refused("COMMAND LIST FILTERBY PATTERN x y", SYNTAX);
    assert_eq!(catalog_reply("COMMAND GETKEYS credit.debit acct t 5", Proto::Resp2), "*1|$4|acct|");
    assert_eq!(catalog_reply("COMMAND GETKEYS xinfo stream s", Proto::Resp2), "*1|$1|s|");
    assert_eq!(catalog_reply("COMMAND GETKEYS XREAD COUNT 1 streams a b 0 $", Proto::Resp2), "*2|$1|a|$1|b|");
    refused("COMMAND GETKEYS XREAD foo bar baz", "ERR Invalid arguments specified for command");
    refused("COMMAND GETKEYS XREAD COUNT 1 STREAMS", "ERR Invalid arguments specified for command");
    let read = "*2|$1|k|*2|+RO|+access|";
    assert_eq!(catalog_reply("COMMAND GETKEYSANDFLAGS hget k f", Proto::Resp2), format!("*1|{read}"));
    let update = "~3|+RW|+access|+update|";
    let twice = format!("*1|*2|$1|a|{update}");
    assert_eq!(catalog_reply("COMMAND GETKEYSANDFLAGS credit.grant a t 5", Proto::Resp3), twice);
    refused("COMMAND GETKEYS ping", "ERR The command has no key arguments");
    refused("COMMAND GETKEYS nope a", "ERR Invalid command specified");
    refused("COMMAND GETKEYS credit.debit acct", "ERR Invalid number of arguments specified for command");
}
