//! Users: who may come in, what they may do, at the socket and across a restart.

use crate::scrape::{sample, scrape};
use crate::server::{Server, Site};
use crate::wire::{Wire, request};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

const WRONG: &str = "-WRONGPASS invalid username-password pair or user is disabled.";
const NO_KEY: &str = "-NOPERM No permissions to access a key";
const NOAUTH: &str = "-NOAUTH Authentication required.";

/// A token: 32 characters or more.
const TOKEN: &str = "5f4dcc3b5aa765d61d8327deb882cf99";

/// Its SHA-256.
const DIGEST: &str = "3f2cd8e57b096fe7e4a78a5627e34ca3f885ad65a56e61c287cf4211bbc5949f";

/// An aclfile with that text and mode.
fn aclfile(site: &Site, text: &str, mode: u32) -> PathBuf {
    let path = site.path("users.acl");
    fs::write(&path, text).expect("a file for the test");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
    path
}

fn no_command(user: &str, command: &str) -> String {
    format!("-NOPERM User {user} has no permissions to run the '{command}' command")
}

#[test]
fn users_made_at_run_time_have_their_rights_at_once_and_after_a_restart() {
    let site = Site::new();
    let path = aclfile(&site, "", 0o600);
    let flags = ["--aclfile", path.to_str().expect("text")];
    let server = site.start(&flags);
    let mut ops = server.connect();
    ops.expect("ACL WHOAMI", "$7 default");
    ops.ask("CREDIT.GRANT tradie:1 g1 10");
    ops.expect(&format!("ACL SETUSER shop on >{TOKEN} ~tradie:* +@spender +@reader"), "+OK");
    ops.expect("ACL SETUSER ann on >short ~* +@all", "+OK");

    let mut shop = server.connect();
    shop.expect(&format!("AUTH shop {TOKEN}"), "+OK");
    shop.expect("ACL WHOAMI", "$4 shop");
    assert!(shop.ask("CREDIT.DEBIT tradie:1 d1 1").line().contains("debited"));
    shop.expect("CREDIT.DEBIT other:1 d1 1", NO_KEY);
    shop.expect("CREDIT.GRANT tradie:1 g2 5", &no_command("shop", "credit.grant"));
    shop.expect("CLIENT LIST", &no_command("shop", "client|list"));
    assert!(shop.ask("XRANGE credit:log:{tradie:1} - +").line().starts_with("*2 "));
    shop.expect("XRANGE credit:log:{other:1} - +", NO_KEY);
    shop.expect("XREAD STREAMS credit:events:0 0", NO_KEY);
    shop.expect("TYPE credit:log:{tradie:1}", "+stream");
    shop.expect("TYPE credit:log:{other:1}", NO_KEY);
    ops.ask("CREDIT.GRANT other:1 g1 10");
    shop.expect("SCAN 0 COUNT 1000", "*2 $1 0 *1 $8 tradie:1");
    ops.expect("SCAN 0 COUNT 1000 MATCH other*", "*2 $1 0 *1 $7 other:1");
    shop.expect("SUBSCRIBE credit.granted", &no_command("shop", "subscribe"));
    assert!(shop.ask("LEAD.GET lead:1").line().starts_with("$-1"), "prefixes are of accounts");

    ops.expect("ACL SETUSER shop -@spender", "+OK");
    shop.expect("CREDIT.DEBIT tradie:1 d2 1", &no_command("shop", "credit.debit"));
    ops.expect("ACL SETUSER shop +@spender", "+OK");
    assert!(shop.ask("CREDIT.DEBIT tradie:1 d2 1").line().contains("debited"), "the same connection");
    ops.expect("ACL SAVE", "+OK");
    assert_eq!(fs::metadata(&path).expect("saved").permissions().mode() & 0o777, 0o600);
    assert_eq!(server.terminate(), Some(0));

    let server = site.start(&flags);
    let mut wire = server.connect();
    wire.expect("AUTH ann short", "+OK");
    wire.expect("ACL WHOAMI", "$3 ann");
    let mut shop = server.connect();
    assert!(shop.ask(&format!("HELLO 3 AUTH shop {TOKEN}")).text().starts_with("%7\r\n"));
    shop.expect("CREDIT.GRANT tradie:1 g3 5", &no_command("shop", "credit.grant"));
    wire.expect("ACL DELUSER shop nobody", ":1");
    assert!(shop.try_send(&request("PING")).is_err() || shop.next().is_none(), "its user is gone");
    wire.expect("ACL LOAD", "+OK");
    server.connect().expect(&format!("AUTH shop {TOKEN}"), "+OK");
    assert!(!server.log().contains(TOKEN), "no log shows it");
}

#[test]
fn a_wrong_login_in_a_pipeline_has_its_reply_in_its_place() {
    let site = Site::new();
    let path = aclfile(&site, "", 0o600);
    let server = site.start(&["--requirepass", "s3cret", "--aclfile", path.to_str().expect("text")]);
    let mut ops = server.connect();
    ops.expect("AUTH s3cret", "+OK");
    ops.expect("ACL SETUSER ann on >short ~a* +@reader", "+OK");
    let mut wire = server.connect();
    let lines = [
        "PING",
        "AUTH ann wrong",
        "PING",
        "HELLO 3 AUTH nobody short",
        "AUTH ann short",
        "ACL WHOAMI",
        "CREDIT.BALANCE b",
    ];
    wire.send(&lines.iter().flat_map(|line| request(line)).collect::<Vec<_>>());
    for reply in [NOAUTH, WRONG, NOAUTH, WRONG, "+OK", "$3 ann", NO_KEY] {
        assert_eq!(wire.reply().line(), reply);
    }
    wire.send(&["AUTH ann no", "PING"].iter().flat_map(|line| request(line)).collect::<Vec<_>>());
    assert_eq!(wire.rest(), format!("{WRONG}\r\n").as_bytes(), "the third of the connection");
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn users_are_shown_in_redis_shapes() {
    let site = Site::new();
    let server = site.start(&[]);
    let mut wire = server.connect();
    wire.expect(&format!("ACL SETUSER shop on >{TOKEN} ~tradie:* +@spender"), "+OK");
    wire.expect("ACL USERS", "*2 $7 default $4 shop");
    let list = wire.ask("ACL LIST").line();
    assert!(list.contains("user default on nopass ~* &* +@all"), "{list}");
    assert!(list.contains("user shop on #") && list.ends_with("~tradie:* &* -@all +@spender"), "{list}");
    let user = wire.ask("ACL GETUSER shop").line();
    assert!(user.starts_with("*12 $5 flags *1 $2 on $9 passwords *1 $64 "), "{user}");
    assert!(user.contains("$8 commands $15 -@all +@spender $4 keys $9 ~tradie:*"), "{user}");
    wire.expect("ACL GETUSER nobody", "$-1");
    wire.expect("ACL DELUSER default", "-ERR The 'default' user cannot be removed");
    wire.expect(
        "ACL SETUSER shop +nope",
        "-ERR Error in ACL SETUSER modifier '+nope': Unknown command or category name in ACL",
    );
    assert!(wire.ask("ACL SAVE").line().starts_with("-ERR creditd was started without aclfile"));
    assert_eq!(wire.ask("ACL GENPASS").line().len(), "$64 ".len() + 64);
    assert!(wire.ask("ACL CAT").line().contains("$7 spender"));
    wire.expect("ACL CAT granter", "*4 $12 credit.grant $13 credit.refund $9 lead.open $10 lead.close");
}

#[test]
fn a_file_that_cannot_be_is_refused_at_the_start_and_changes_nothing_at_run_time() {
    let site = Site::new();
    let good = "user ann on nopass ~* +@all\n";
    let path = aclfile(&site, good, 0o644);
    let flags = ["--aclfile", path.to_str().expect("text")];
    let (code, log) = site.refusal(&flags);
    assert!(code == Some(78) && log.contains("chmod 600"), "{code:?} {log}");
    aclfile(&site, "user ann on nopass\nuser bob hunter2\n", 0o600);
    let (code, log) = site.refusal(&flags);
    assert!(code == Some(78) && log.contains("line 2: rule 1 of user bob"), "{code:?} {log}");
    assert!(!log.contains("hunter2"), "it may be a password");
    aclfile(&site, good, 0o600);
    let server = site.start(&flags);
    let mut wire = server.connect();
    wire.expect("PING", NOAUTH);
    wire.expect("AUTH ann anything", "+OK");
    aclfile(&site, "user ann off\nuser bob nonsense\n", 0o600);
    assert!(wire.ask("ACL LOAD").line().contains("line 2"));
    wire.expect("ACL USERS", "*2 $3 ann $7 default");
    server.connect().expect("AUTH ann anything", "+OK");
}

#[test]
fn nobody_listens_to_other_machines_while_the_default_user_is_open() {
    let site = Site::new();
    let path = aclfile(&site, "", 0o600);
    let flags = ["--bind", "0.0.0.0", "--aclfile", path.to_str().expect("text")];
    let (code, log) = site.refusal(&flags);
    assert!(code == Some(78) && log.contains("anybody"), "{code:?} {log}");
    aclfile(&site, &format!("user ann on #{} ~* +@all\n", "0".repeat(64)), 0o600);
    site.start(&flags).connect().expect("PING", NOAUTH);
}

/// An argon2id digest of `short` that takes as long to look at as any that is accepted: 64 MiB, 16 passes.
const SLOW: &str = "$argon2id$v=19$m=65536,t=16,p=1$c2FsdHNhbHRzYWx0c2FsdA$T4/6IdN2jsE+ouIbfEPV8mynkYPa1R2joEr5zmdva2k";

/// A connection that has asked to log in, and whose question has come to where it is looked at.
fn asking(server: &Server, login: &str) -> Wire {
    let mut wire = server.connect();
    wire.send(&["PING", login].iter().flat_map(|line| request(line)).collect::<Vec<_>>());
    assert_eq!(wire.reply().line(), NOAUTH); // the login was read with it
    wire
}

#[test]
fn a_flood_of_logins_is_told_to_try_again_and_disturbs_nobody() {
    let site = Site::new();
    let users = format!("user ann on {SLOW} ~* +@all\nuser ops on #{DIGEST} ~* +@all\n");
    let path = aclfile(&site, &users, 0o600);
    let mut flags = vec!["--aclfile", path.to_str().expect("text"), "--auth-timeout", "1h"];
    flags.extend(["--unauthenticated-max", "5000", "--unauthenticated-per-ip-max", "5000"]);
    let server = site.start(&flags);
    let code =
        |word: &str| scrape(server.admin_port()).get(&format!("credit_errors_total{{code=\"{word}\"}}")).copied();
    let mut flood: Vec<_> = (0..1100).map(|_| asking(&server, "AUTH ann short")).collect();
    let refused = || ["tryagain", "wrongpass"].map(|word| code(word).unwrap_or_default());
    assert!((0..100_000).any(|_| refused().iter().sum::<f64>() >= 50.0), "1100 ask, there is room for 1024");
    assert_eq!(refused()[1], 0.0, "it is the right password");
    let strangers = sample(&scrape(server.admin_port()), "credit_connections_unauthenticated");
    assert!((1050.0..=1100.0).contains(&strangers), "{strangers} wait: some may be through");
    server.connect().expect(&format!("AUTH ops {TOKEN}"), "+OK");
    // Who is no user is told the same, as long as there is no room.
    let mut nobody_hears = || {
        flood.extend((0..3).map(|_| asking(&server, "AUTH ann short")));
        asking(&server, "AUTH nobody short").reply().line()
    };
    let busy = "-TRYAGAIN too many logins at once: this one was not looked at";
    assert!((0..20).any(|_| nobody_hears() == busy));
}

#[test]
fn nobody_comes_in_by_a_password_that_was_taken_away_while_it_was_looked_at() {
    let site = Site::new();
    let users = format!("user ann on {SLOW} ~* +@all\nuser bob on {SLOW} ~* +@all\nuser ops on #{DIGEST} ~* +@all\n");
    let path = aclfile(&site, &users, 0o600);
    let server = site.start(&["--aclfile", path.to_str().expect("text"), "--cores", "1"]);
    let mut ops = server.connect();
    ops.expect(&format!("AUTH ops {TOKEN}"), "+OK");
    // The thread looks at bob for so long that ann asks before her password changes, and is looked at behind that.
    let mut bob = asking(&server, "AUTH bob short");
    ops.send(
        &["PING", &format!("ACL SETUSER ann <short >{TOKEN}")].iter().flat_map(|l| request(l)).collect::<Vec<_>>(),
    );
    assert_eq!(ops.reply().line(), "+PONG");
    let mut ann = asking(&server, "AUTH ann short");
    assert_eq!(bob.reply().line(), "+OK");
    assert_eq!(ops.reply().line(), "+OK");
    assert_eq!(ann.reply().line(), WRONG);
    ann.expect(&format!("AUTH ann {TOKEN}"), "+OK");
}

#[test]
fn what_was_denied_is_kept_for_acl_log() {
    let site = Site::new();
    let path = aclfile(&site, &format!("user ops on #{DIGEST} ~* +@all\n"), 0o600);
    let server = site.start(&["--aclfile", path.to_str().expect("text")]);
    let mut ops = server.connect();
    ops.expect(&format!("AUTH ops {TOKEN}"), "+OK");
    ops.expect("ACL LOG", "*0");
    ops.expect("ACL SETUSER shop on nopass ~tradie:* +@reader", "+OK");
    let mut shop = server.connect();
    shop.expect("AUTH ops hunter2", WRONG);
    shop.expect("HELLO 3 AUTH hunter2 hunter2", WRONG);
    shop.expect("AUTH shop x", "+OK");
    shop.expect("CLIENT SETNAME till", "+OK");
    (0..3).for_each(|_| shop.expect("CREDIT.BALANCE other:1", NO_KEY));
    shop.expect("MULTI", "+OK");
    shop.expect("SAVE", &no_command("shop", "save"));
    let line = ops.ask("ACL LOG 2").line();
    let entries: Vec<_> = line.split(" $5 count ").skip(1).collect();
    assert!(line.starts_with("*2 *20 ") && entries.len() == 2, "Redis' ten fields each: {line}");
    let head = ":1 $6 reason $7 command $7 context $5 multi $6 object $4 save $8 username $4 shop $11 age-seconds $5 ";
    assert!(entries[0].starts_with(head), "{}", entries[0]);
    for words in [":3 $6 reason $3 key $7 context $8 toplevel $6 object $7 other:1 ", " name=till ", " $8 entry-id :2 "]
    {
        assert!(entries[1].contains(words), "{words} in {}", entries[1]);
    }
    let all = ops.ask("ACL LOG").line();
    assert!(all.contains("$6 reason $4 auth $7 context $8 toplevel $6 object $4 AUTH $8 username $3 ops "), "{all}");
    assert!(all.contains("$6 object $5 HELLO $8 username $9 (unknown) ") && !all.contains("hunter2"), "{all}");
    assert!(ops.ask("HELLO 3").line().starts_with("%7"));
    assert!(ops.ask("ACL LOG 1").text().starts_with("*1\r\n%10\r\n"));
    ops.expect("ACL LOG -1", "*0");
    ops.expect("ACL LOG x", "-ERR value is not an integer or out of range");
    ops.expect("CONFIG SET acllog-max-len 1", "+OK");
    assert!(ops.ask("ACL LOG").line().starts_with("*1 %10 $5 count :1 $6 reason $7 command "));
    ops.expect("ACL LOG RESET", "+OK");
    ops.expect("ACL LOG", "*0");
}
