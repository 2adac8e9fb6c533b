//! Passwords show nowhere: a word that nothing else has is given in every way, right and wrong, and looked for in all that
//! the server answers, logs and writes.

use crate::scrape::get;
use crate::server::Site;
use crate::wire::Wire;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// In every password. Short, so that one of that length is kept as a human's.
const CANARY: &str = "kanari7c1f";

fn assert_clean(what: &str, bytes: &[u8]) {
    let found = bytes.windows(CANARY.len()).position(|window| window.eq_ignore_ascii_case(CANARY.as_bytes()));
    let near =
        |at: usize| String::from_utf8_lossy(&bytes[at.saturating_sub(80)..]).chars().take(200).collect::<String>();
    assert!(found.is_none(), "a password in {what}: {}", near(found.unwrap_or_default()));
}

/// Every file below `dir`.
fn each_file(dir: &Path, look: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { each_file(&path, look) } else { look(&path) }
    }
}

/// Asks, and looks at the answer.
fn ask(wire: &mut Wire, line: &str) -> String {
    let reply = wire.ask(line);
    assert_clean(line.split(' ').next().expect("a word"), &reply.0);
    reply.line()
}

#[test]
fn no_password_shows_anywhere() {
    let site = Site::new();
    let (config, users) = (site.path("creditd.toml"), site.path("users.acl"));
    let text = format!("requirepass = \"{CANARY}-file\"\nadmin-token = \"{CANARY}-admin\"\n");
    fs::write(&config, text).expect("a file for the test");
    fs::write(&users, "").expect("a file for the test");
    fs::set_permissions(&users, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let [config_flag, users_flag] = [&config, &users].map(|path| path.to_str().expect("text"));
    let mut flags = vec!["--config", config_flag, "--aclfile", users_flag, "--log-level", "trace"];
    flags.extend(["--slowlog-log-slower-than", "0", "--latency-monitor-threshold", "1us"]);
    let server = site.start(&flags);

    for wrong in ["AUTH", "AUTH default", "AUTH nobody", "HELLO 3 AUTH default", "HELLO 2 AUTH nobody"] {
        let said = ask(&mut server.connect(), &format!("{wrong} {CANARY}-wrong"));
        assert!(said.starts_with("-WRONGPASS"), "{said}");
    }
    let mut monitor = server.connect();
    assert_eq!(ask(&mut monitor, &format!("AUTH {CANARY}-file")), "+OK");
    assert_eq!(ask(&mut monitor, "MONITOR"), "+OK");

    let mut wire = server.connect();
    assert!(ask(&mut wire, &format!("HELLO 3 AUTH default {CANARY}-file SETNAME app")).starts_with('%'));
    let token = CANARY.repeat(4);
    assert_eq!(ask(&mut wire, &format!("ACL SETUSER shop on >{CANARY} >{token} ~* +@all")), "+OK");
    assert!(ask(&mut wire, &format!("ACL SETUSER shop <{CANARY}-none")).starts_with("-ERR"));
    assert!(ask(&mut wire, &format!("ACL SETUSER shop >{CANARY} nonsense")).starts_with("-ERR"));
    assert_eq!(ask(&mut wire, &format!("AUTH shop {CANARY}")), "+OK");
    assert_eq!(ask(&mut wire, &format!("AUTH shop {token}")), "+OK");
    ask(&mut wire, "CREDIT.GRANT a g 5");
    assert_eq!(ask(&mut wire, "ACL SAVE"), "+OK");
    for line in [
        "CONFIG GET *",
        "INFO everything",
        "CLIENT LIST",
        "ACL LIST",
        "ACL GETUSER shop",
        "ACL LOG",
        "SLOWLOG GET -1",
        "LATENCY DOCTOR",
        "COMMAND DOCS",
    ] {
        ask(&mut wire, line);
    }
    ask(&mut wire, "ECHO the-end");
    // The monitor hears of everything up to here.
    let mut lines = Vec::new();
    while !lines.last().is_some_and(|line: &String| line.contains("the-end")) {
        let line = monitor.reply();
        assert_clean("MONITOR", &line.0);
        lines.push(line.text());
    }
    assert!(lines.iter().any(|line| line.contains("(redacted)")), "{lines:?}");
    let head = format!("Authorization: Bearer {CANARY}-admin\r\n");
    for (path, head) in [("/metrics", head.as_str()), ("/metrics", ""), ("/readyz", &head)] {
        assert_clean(path, get(server.admin_port(), path, head).body.as_bytes());
    }
    assert_eq!(server.terminate(), Some(0));
    let mut looked_at = 0;
    each_file(config.parent().expect("it has a directory"), &mut |path| {
        if path != config {
            assert_clean(&path.display().to_string(), &fs::read(path).expect("a readable file"));
            looked_at += 1;
        }
    });
    assert!(looked_at > 3, "the log of the process, its users, segments: {looked_at}");
}
