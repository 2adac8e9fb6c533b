//! The nth call of each kind fails, in a start, under load and in a stop, as strace makes it.

use std::os::unix::process::ExitStatusExt;

use super::settings;
use super::tally::Tally;
use crate::chance;
use crate::nested::has_strace;
use crate::server::Site;

/// All by which the server and its tools touch files.
const CALLS: [&str; 12] = [
    "openat",
    "pread64",
    "pwrite64",
    "pwritev",
    "fdatasync",
    "fsync",
    "fallocate",
    "ftruncate",
    "rename",
    "unlink",
    "getdents64",
    "fadvise64",
];

/// Enough to fill the first segment: the calls that make the next one are met too.
const GRANTS: usize = 5_000;

/// Exit codes that say what to do (docs/operate/messages.md).
const CODES: [i32; 6] = [0, 28, 65, 70, 77, 78];

#[test]
#[ignore = "torture"]
fn the_nth_call_of_each_kind_fails() {
    let (cycles, mut chance) = settings();
    if !has_strace() {
        return;
    }
    for call in CALLS {
        let site = Site::new();
        let mut tally = Tally::new(10, 1000);
        for nth in 1..=cycles {
            let (error, on) = (chance::of(&mut chance, &["EIO", "ENOSPC"]), chance::of(&mut chance, &["", "+"]));
            let inject = format!("inject={call}:error={error}:when={nth}{on}");
            let told = suffer(&site, &inject, &mut tally);
            let server = site.start(&["--shards", "1"]);
            tally.check(&server);
            server.kill9();
            eprintln!("{inject}: {told}; {} grants", tally.acknowledged());
        }
    }
}

/// Lets a server live with that fault. What became of it.
fn suffer(site: &Site, inject: &str, tally: &mut Tally) -> String {
    let strace = ["strace", "-D", "-f", "-o", "/dev/null", "-e", inject];
    let _ = std::fs::remove_file(site.path("stderr"));
    let server = match site.begin(&strace, &["--shards", "1"]).ready() {
        Ok(server) => server,
        Err((status, log)) => {
            // The loader of programs may be the one that could not open a file.
            let is_ours = status.code().is_some_and(|code| code != 0 && CODES.contains(&code));
            assert!(is_ours || log.contains("error while loading shared libraries"), "{inject}: {status}\n{log}");
            assert!(!log.is_empty() && status.signal().is_none(), "{inject}: {status}, no word why");
            return format!("no start, {status}");
        }
    };
    let goes_on = tally.grant(&mut server.connect(), GRANTS);
    let log = server.log();
    let code = server.terminate();
    let log = [log, std::fs::read_to_string(site.path("stderr")).unwrap_or_default()].concat();
    assert!(code.is_some_and(|code| CODES.contains(&code)) && !log.contains("panicked"), "{inject}: {code:?}\n{log}");
    assert!(code == Some(0) || log.contains("FATAL"), "{inject}: {code:?}, no word why\n{log}");
    format!("{} under load, then {code:?}", if goes_on { "served" } else { "refused or ended" })
}
