//! Users: who may come in, what they may do, at the socket and across a restart.

use crate::server::Site;
use crate::wire::request;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

const WRONG: &str = "-WRONGPASS invalid username-password pair or user is disabled.";
const NO_KEY: &str = "-NOPERM No permissions to access a key";
const NOAUTH: &str = "-NOAUTH Authentication required.";

/// A token: 32 characters or more.
const TOKEN: &str = "5f4dcc3b5aa765d61d8327deb882cf99";

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
