//! Less memory than the accounts take: the kernel ends the server, at a moment of its own choice.

use std::fs;
use std::path::PathBuf;

use super::settings;
use super::tally::Tally;
use crate::server::Site;

/// Far more accounts than the limit has room for.
const ACCOUNTS: usize = 2_000_000;

/// A control group with a limit; it goes with the value.
struct Group(PathBuf);

impl Group {
    /// Of version 1 or 2, wherever this machine has it. `None`: nowhere.
    fn new(limit: u64) -> Option<Self> {
        let name = format!("creditd-torture-{}", std::process::id());
        let kinds = [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
        kinds.into_iter().find_map(|(root, file)| {
            let group = Self(PathBuf::from(root).join(&name));
            fs::create_dir(&group.0).ok()?;
            fs::write(group.0.join(file), limit.to_string()).ok()?;
            Some(group)
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Best effort: an empty group costs nothing.
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
#[ignore = "torture"]
fn the_kernel_ends_it_for_want_of_memory() {
    let (cycles, mut chance) = settings();
    for cycle in 0..cycles {
        let limit = (24 << 20) + chance.below(16 << 20);
        let Some(group) = Group::new(limit) else {
            eprintln!("SKIPPED: no control group for memory here, nobody was ended");
            return;
        };
        let (site, mut tally) = (Site::new(), Tally::new(u64::MAX, 0));
        let enter = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", group.0.display());
        let limited = site.begin(&["sh", "-c", &enter, "sh"], &["--shards", "1"]).ready();
        let server = limited.unwrap_or_else(|(status, log)| panic!("no start in {limit} bytes: {status}\n{log}"));
        let goes_on = tally.grant(&mut server.connect(), ACCOUNTS);
        assert!(!goes_on, "{ACCOUNTS} accounts in {limit} bytes");
        drop(server);
        eprintln!("cycle {cycle}: {limit} bytes, ended after {} accounts", tally.acknowledged());
        let server = site.start(&["--shards", "1"]);
        tally.check(&server);
        assert_eq!(server.terminate(), Some(0));
    }
}
