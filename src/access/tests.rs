//! Users, their rules and their file.

use super::*;
use crate::commands::arguments::OwnedArguments;
use crate::commands::spec::{Class, CommandSpec, Flags, KeyUse, Names};
use crate::commands::table;
use std::collections::BTreeSet;

const READER: &str = "credit.balance credit.holds credit.tx credit.history lead.get lead.claims exists type ttl pttl \
    expiretime pexpiretime object object|encoding object|freq object|idletime object|refcount memory memory|usage hgetall hget \
    hmget hlen hkeys hvals hexists hstrlen hscan get strlen scan";
const SPENDER: &str = "credit.debit credit.reserve credit.capture credit.release lead.claim";
const GRANTER: &str = "credit.grant credit.refund lead.open lead.close";
/// Of readers and of those who have the feed: what may be seen depends on the stream.
const STREAM: &str =
    "xread xrange xrevrange xlen xinfo xinfo|stream xinfo|groups xinfo|consumers xinfo|help xadd xdel xtrim";
const FEED: &str = "subscribe psubscribe publish pubsub pubsub|channels pubsub|numsub pubsub|numpat pubsub|help";
const ADMIN: &str = "credit.audit client|list client|no-evict client|kill client|pause client|unpause client|unblock \
    monitor config config|get config|set config|resetstat config|rewrite lastsave save bgsave acl acl|list acl|users acl|getuser \
    acl|setuser acl|deluser acl|log acl|save acl|load slowlog slowlog|get slowlog|len slowlog|reset slowlog|help latency \
    latency|latest latency|history latency|histogram latency|reset latency|doctor latency|help shutdown debug flushall flushdb \
    function function|flush";
const OPEN: &str = "object|help memory|doctor memory|help set incr incrby decrby hset hdel hincrby del unlink expire rename \
    keys unsubscribe punsubscribe ping echo quit reset select hello auth client client|id client|info client|getname \
    client|setname client|setinfo client|no-touch client|maint_notifications client|reply client|tracking client|trackinginfo \
    client|caching client|getredir client|help multi exec discard watch unwatch command command|count command|list command|info \
    command|docs command|getkeys command|getkeysandflags command|help info config|help dbsize time acl|whoami acl|cat \
    acl|genpass acl|help wait role module module|list cluster readonly readwrite";

fn words(list: &'static str) -> BTreeSet<&'static str> {
    list.split_whitespace().collect()
}

/// What a user with that rule may run, as the lists say.
fn granted(rule: &str) -> BTreeSet<&'static str> {
    let lists: &[&str] = match rule {
        "+@reader" => &[READER, STREAM],
        "+@spender" => &[SPENDER],
        "+@granter" => &[GRANTER],
        "+@feed" => &[FEED, STREAM],
        "+@admin" => &[ADMIN],
        "+@all" => &[READER, STREAM, SPENDER, GRANTER, FEED, ADMIN],
        _ => &[],
    };
    lists.iter().chain(&[OPEN]).flat_map(|list| words(list)).collect()
}

/// A user made by `rules`.
fn user(rules: &str) -> User {
    let mut user = User::new("u");
    for rule in rules.split_whitespace() {
        user.apply(rule, || [7; 16]).unwrap_or_else(|error| panic!("{rule}: {error}"));
    }
    user.check().expect(rules);
    user
}

/// Why it may not run a command on `key`, if it may not: the first words.
fn refused(user: &User, ordinal: u16, spec: &CommandSpec, key: &str) -> Option<&'static str> {
    let line = if spec.key == Some(KeyUse::Streams) { format!("STREAMS {key} 0") } else { format!("{key} 1 1") };
    let line = if spec.key == Some(KeyUse::ReadAll) { key.to_owned() } else { line };
    let rest: OwnedArguments = line.split(' ').map(str::as_bytes).collect();
    let refusal = user.denial(ordinal, spec, rest.borrow())?.refusal(user.name());
    let run = format!("NOPERM User u has no permissions to run the '{}' command", spec.name);
    match refusal.text() {
        "NOPERM No permissions to access a key" => Some("key"),
        text if text == run => Some("command"),
        text => panic!("{text}"),
    }
}

#[test]
fn the_access_table_is_what_the_lists_say() {
    let all: BTreeSet<_> = table::entries().map(|(_, spec)| spec.name).collect();
    assert_eq!(granted("+@all"), all, "a new command has to be put into a list above");
    let lead = ["lead.open", "lead.close", "lead.get", "lead.claims"];
    for rule in ["nocommands", "+@reader", "+@spender", "+@granter", "+@feed", "+@admin", "+@all"] {
        let may_run = granted(rule);
        let has_feed = matches!(rule, "+@feed" | "+@all");
        for prefix in ["~*", "~in:*", "resetkeys"] {
            if has_feed && prefix == "~in:*" {
                continue; // there is no such user
            }
            let user = user(&format!("on nopass {prefix} {rule}"));
            for (ordinal, spec) in table::entries() {
                for (inside, key, log) in [(true, "in:1", "credit:log:{in:1}"), (false, "out:1", "credit:log:{out:1}")]
                {
                    let is_stream = words(STREAM).contains(spec.name);
                    let key = if is_stream { log } else { key };
                    let touches = prefix == "~*" || (prefix == "~in:*" && inside);
                    let expected = match spec.key {
                        _ if !may_run.contains(spec.name) => Some("command"),
                        Some(_) if !touches && !lead.contains(&spec.name) => Some("key"),
                        _ => None,
                    };
                    assert_eq!(refused(&user, ordinal, spec, key), expected, "{rule} {prefix} {} {key}", spec.name);
                }
                if spec.names == Names::Key && spec.key.is_some() && may_run.contains(spec.name) {
                    let expected = (prefix == "resetkeys").then_some("key");
                    assert_eq!(refused(&user, ordinal, spec, "credit:log:{in:1}"), expected, "{rule} {}", spec.name);
                }
                if spec.names == Names::Stream && spec.key.is_some() && may_run.contains(spec.name) {
                    let expected = (!has_feed).then_some("key");
                    assert_eq!(refused(&user, ordinal, spec, "credit:events:0"), expected, "{rule} {}", spec.name);
                }
            }
        }
    }
}

#[test]
fn every_key_of_a_command_is_looked_at() {
    let user = user("~in:* +@reader");
    for (line, is_refused) in [
        ("EXISTS in:1 in:2", false),
        ("EXISTS in:1 out:1", true),
        ("XREAD STREAMS credit:log:{in:1} credit:log:{in:2} 0 0", false),
        ("XREAD COUNT 5 STREAMS credit:log:{in:1} credit:log:{out:1} 0 0", true),
        ("xread streams credit:log:{in:1} credit:events:1 0 0", true),
    ] {
        let words: OwnedArguments = line.split(' ').map(str::as_bytes).collect();
        let call = table::resolve(words.borrow()).expect(line);
        assert_eq!(user.denial(call.ordinal, call.spec, call.rest).is_some(), is_refused, "{line}");
    }
}

#[test]
fn what_is_for_operators_alone_says_so_twice() {
    for (_, spec) in table::entries() {
        let is_admin = spec.class == Class::Admin;
        assert!(!spec.flags.has(Flags::ADMIN) || is_admin, "{}: flag admin, class {:?}", spec.name, spec.class);
    }
}

#[test]
fn rights_are_the_same_when_they_are_read_back() {
    for rules in [
        "nocommands",
        "+@all",
        "+@all -@feed",
        "+@all -config|set",
        "+@all -client|kill -@dangerous",
        "+@all -acl",
        "+@reader +@spender -credit.release",
        "+credit.debit +client|list +slowlog",
        "+acl +pubsub -acl|setuser",
        "+@read -xinfo|stream",
        "+command -ping",
    ] {
        let rights = *user(&format!("~* {rules}")).rights();
        let again = *user(&format!("~* {}", rights.rules())).rights();
        for (ordinal, spec) in table::entries().filter(|(_, spec)| spec.subcommands.is_empty()) {
            assert_eq!(again.allow(ordinal), rights.allow(ordinal), "{rules}: {} by {}", spec.name, rights.rules());
        }
    }
    assert_eq!(user("+@spender +credit.balance").rights().rules(), "-@all +@spender +credit.balance");
}

#[test]
fn rules_that_cannot_be_change_nothing_and_say_why() {
    let users = Users::load("user u on nopass ~a* +@reader", None).expect("a line");
    for (rule, why) in [
        ("+nope", "Unknown command or category name in ACL"),
        ("+@nope", "Unknown command or category name in ACL"),
        ("nope", "Syntax error"),
        ("", "Syntax error"),
        ("~a?", "creditd knows prefixes"),
        ("~a*b*", "creditd knows prefixes"),
        ("~a b*", "creditd knows prefixes"),
        ("~a\nuser evil on nopass*", "creditd knows prefixes"),
        ("~exact", "creditd knows prefixes"),
        ("#12", "The password hash must be exactly 64"),
        ("$argon2id$v=19$m=9999999,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA", "The password hash must be"),
        (">", "the password is empty"),
        ("<never", "The password you are trying to remove from the user does not exist"),
        ("&news", "Syntax error"),
        ("+@feed", "the feed shows all accounts"),
        ("allcommands", "the feed shows all accounts"),
    ] {
        let text = users.with("u", &["off", rule], || [7; 16]).expect_err(rule);
        assert!(text.starts_with("ERR ") && text.contains(why) && !text.contains("never"), "{rule}: {text}");
    }
    assert!(users.with("a b", &[], || [7; 16]).is_err() && users.with(&"n".repeat(65), &[], || [7; 16]).is_err());
    assert!(users.get(b"u").expect("there").is_open(), "nothing has changed");
}

#[test]
fn passwords_are_known_by_their_digests() {
    let token = "0123456789abcdef0123456789abcdef";
    let users = Users::load("", None).expect("no line");
    let users = users.with("u", &["on", &format!(">{token}"), ">short"], || [7; 16]).expect("two passwords");
    let text = users.get(b"u").expect("there").to_string();
    assert!(text.starts_with("user u on #") && text.contains(" $argon2id$v=19$") && !text.contains("short"), "{text}");
    assert!(matches!(users.check(b"u", token.as_bytes()), Checked::Right(user) if user.name() == "u"));
    for (given, is_right) in [("short", true), ("shorT", false), ("", false)] {
        let Checked::Slow(_, login) = users.check(b"u", given.as_bytes()) else { panic!("{given}: not on a core") };
        assert_eq!(login.proof().is_some(), is_right, "{given}");
    }
    let same = users.with("u", &[">short", ">short"], || [8; 16]).expect("known already");
    assert_eq!(same.get(b"u").expect("there").passwords().len(), 2);
    let without = users.with("u", &["<short"], || [7; 16]).expect("it has it");
    assert!(matches!(without.check(b"u", b"short"), Checked::Wrong));
    let off = users.with("u", &["off"], || [7; 16]).expect("a rule");
    assert!(matches!(off.check(b"u", token.as_bytes()), Checked::Wrong), "off");
    assert!(matches!(users.check(b"nobody", token.as_bytes()), Checked::Wrong));
}

#[test]
fn a_file_says_the_same_when_it_is_read_back() {
    let digest = Password::token(b"x");
    let text = format!("# people\n\nuser ann on {digest} ~a* ~b* +@reader -credit.tx\nuser ops off nopass ~* +@all\n");
    let users = Users::load(&text, Some(Password::token(b"p"))).expect("good lines");
    let again = Users::load(&users.text(None), None).expect("our own lines");
    assert!(users.iter().eq(again.iter()), "{}", users.text(None));
    let saved = users.text(Some(&Password::token(b"p")));
    assert!(!saved.contains("user default"), "requirepass may change: {saved}");
    assert!(users.text(Some(&Password::token(b"other"))).contains("user default on #"));
}

#[test]
fn the_default_user_is_open_only_if_there_is_nobody_else_and_no_password() {
    for (text, password, is_open, is_on) in [
        ("", false, true, true),
        ("", true, false, true),
        ("user u on nopass", false, false, false),
        ("user u on nopass", true, false, true),
        ("user default on nopass", true, true, true),
        ("user default off", false, false, false),
    ] {
        let users = Users::load(text, password.then(|| Password::token(b"p"))).expect(text);
        let default = users.get(b"default").expect("always there");
        assert_eq!((users.unasked().is_some(), default.flags().any(|flag| flag == "on")), (is_open, is_on), "{text:?}");
    }
}

#[test]
fn a_line_that_cannot_be_is_named_and_no_secret_is() {
    for (line, why) in [
        ("ann on", "a line is `user NAME RULE ...`"),
        ("user", "no name"),
        ("user ann >secret", "a file has digests"),
        ("user ann on secret", "rule 2 of user ann: Syntax error"),
        ("user ann #secret", "rule 1 of user ann: The password hash"),
        ("user first off", "user first is there already"),
        ("user ann ~a* +@all", "the feed shows all accounts"),
    ] {
        let error = Users::load(&format!("user first on nopass\n\n{line}\n"), None).expect_err(line);
        assert_eq!(error.line, 3, "{line}");
        assert!(error.reason.contains(why) && !error.to_string().contains("secret"), "{line}: {error}");
    }
    let many = |users: usize| (0..users).map(|number| format!("user u{number} off\n")).collect::<String>();
    let full = Users::load(&many(1000), None).expect("as many as there may be");
    Users::load(&full.text(None), None).expect("with the default user that is saved beside them");
    assert_eq!(Users::load(&many(1001), None).expect_err("one too many").line, 1001);
}
