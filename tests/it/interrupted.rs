//! `creditd backup`, `restore` and `archive`, ended by a signal at each of their steps, and on a disk that gets full.
//!
//! What is left is never taken for whole, the next run says what to remove or goes on, and what was read from is as it
//! was. strace sends the signals; where it may not run, those tests say so and prove nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::mount::Mount;
use crate::nested::has_strace;
use crate::server::Site;
use crate::tools::{Told, image, tool};

/// Calls by which the tools make something, and the signals of an operator.
const ENDS: [(&str, &str); 7] = [
    ("mkdir", "SIGKILL"),
    ("linkat", "SIGKILL"),
    ("copy_file_range", "SIGKILL"),
    ("fdatasync", "SIGKILL"),
    ("fsync", "SIGKILL"),
    ("fsync", "SIGINT"),
    ("rename", "SIGKILL"),
];

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// Runs a tool and ends it at its nth `call`. `None`: it came to its end before, and all was well.
fn ended(words: &[&str], call: &str, signal: &str, nth: u32) -> Option<()> {
    let inject = format!("inject={call}:signal={signal}:when={nth}");
    let strace = ["-f", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject];
    let mut command = Command::new("strace");
    command.args(strace).arg(env!("CARGO_BIN_EXE_creditd")).args(words).env_clear();
    let output = command.output().expect("strace runs");
    match output.status.code() {
        Some(0) => None,
        None => Some(()),
        Some(code) => panic!("{words:?} ends with {code}: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// Runs `check` after each step at which `words` can be ended.
fn at_each_step(words: &[&str], mut check: impl FnMut(&str)) {
    for (call, signal) in ENDS {
        let steps = (1..).take_while(|nth| ended(words, call, signal, *nth).map(|()| check(call)).is_some()).count();
        eprintln!("{}: ended at {steps} of its calls of {call} by {signal}", words[0]);
        assert!(steps > 0 || call != "fsync", "{} syncs what it makes", words[0]);
        check("nothing");
    }
}

/// A stopped server's directory: three segments a shard, two snapshots of each.
fn data() -> Site {
    let site = Site::new();
    for life in 0..3 {
        let server = site.start(&["--shards", "2"]);
        let mut wire = server.connect();
        for n in 0..20 {
            assert!(wire.ask(&format!("CREDIT.GRANT acct:{n} g{life} 5")).line().contains("granted"));
        }
        if life > 0 {
            wire.expect("SAVE", "+OK");
        }
        assert_eq!(server.terminate(), Some(0));
    }
    site
}

fn verify(dir: &Path) -> Told {
    tool(&["verify", text(dir)])
}

/// What has no manifest is not taken for whole, nor for copied segments.
fn check_half(call: &str, dir: &Path) {
    let told = verify(dir);
    if !dir.join("MANIFEST").exists() && fs::read_dir(dir).expect("readable").next().is_some() {
        let is_told = told.out.contains("is what an interrupted backup or restore left: remove it");
        assert!(told.code == Some(65) && is_told, "{call}: {}{}", told.out, told.err);
    }
}

fn done(told: &Told) {
    assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
}

#[test]
fn a_backup_that_was_interrupted_is_none() {
    if !has_strace() {
        return;
    }
    let site = data();
    let (data, dest, half) = (site.data_dir(), site.path("backup"), site.path("backup.tmp"));
    let (words, before) = (["backup", text(&data), text(&dest)], image(&data));
    at_each_step(&words, |call| {
        if half.exists() {
            // The list comes last: all that was missing then is the name.
            if !half.join("BACKUP").exists() {
                let told = tool(&["restore", text(&half), text(&site.path("new"))]);
                assert_eq!(told.code, Some(64), "{call}: {}", told.err);
                assert!(told.err.contains("no file BACKUP; take another, or make a new one"), "{call}: {}", told.err);
            }
            check_half(call, &half);
            let told = tool(&words);
            let remove = format!("rm -r {}", text(&half));
            assert!(told.code == Some(64) && told.err.contains(&remove), "{call}: {}", told.err);
            fs::remove_dir_all(&half).expect("as it says");
        }
        if !dest.exists() {
            done(&tool(&words));
        }
        done(&verify(&dest));
        fs::remove_dir_all(&dest).expect("room for the next");
        assert!(image(&data) == before, "{call}: the source was changed");
    });
}

#[test]
fn a_restore_that_was_interrupted_starts_no_server() {
    if !has_strace() {
        return;
    }
    let (site, restored) = (data(), Site::new());
    let (kept, dir) = (site.path("backup"), restored.data_dir());
    done(&tool(&["backup", text(&site.data_dir()), text(&kept)]));
    let (words, before) = (["restore", text(&kept), text(&dir)], image(&kept));
    at_each_step(&words, |call| {
        if dir.join("MANIFEST").exists() {
            done(&verify(&dir)); // only the proof was missing, or not even that
        } else if dir.exists() && fs::read_dir(&dir).expect("readable").next().is_some() {
            check_half(call, &dir);
            assert_eq!(restored.refusal(&[]).0, Some(65), "{call}");
            let told = tool(&words);
            assert!(told.code == Some(64) && told.err.contains("is not empty: move it away first (mv"), "{}", told.err);
        }
        let _ = fs::remove_dir_all(&dir);
        done(&tool(&words));
        fs::remove_dir_all(&dir).expect("room for the next");
        assert!(image(&kept) == before, "{call}: the backup was changed");
    });
}

#[test]
fn an_archive_that_was_interrupted_goes_on() {
    if !has_strace() {
        return;
    }
    let site = data();
    let (data, dest) = (site.data_dir(), site.path("archive"));
    let (words, before) = (["archive", text(&data), text(&dest)], image(&data));
    at_each_step(&words, |call| {
        done(&tool(&words));
        done(&verify(&dest));
        let left: Vec<PathBuf> = image(&dest).into_iter().map(|(path, _)| path).collect();
        assert_eq!(left.len(), 4, "{call}: two segments of each shard, and nothing else: {left:?}");
        fs::remove_dir_all(&dest).expect("room for the next");
        assert!(image(&data) == before, "{call}: the source was changed");
    });
}

#[test]
fn where_there_is_no_room_nothing_is_left_and_what_is_read_is_as_it_was() {
    let site = data();
    let Some(mount) = Mount::new(&site, 32) else { return };
    let (data, kept) = (site.data_dir(), site.path("backup"));
    done(&tool(&["backup", text(&data), text(&kept)]));
    let (data_before, kept_before) = (image(&data), image(&kept));
    for left in [0, 1 << 20, 2 << 20] {
        mount.fill(left);
        let new = |name: &str| mount.dir().join(name);
        for words in [
            ["backup", text(&data), text(&new("kept"))],
            ["restore", text(&kept), text(&new("data"))],
            ["archive", text(&data), text(&new("archive"))],
        ] {
            let told = tool(&words);
            let is_enough = words[0] == "archive" && left > 0 && told.code == Some(0);
            assert!(is_enough || told.code == Some(28), "{words:?} with {left}: {}{}", told.out, told.err);
        }
        for name in ["kept", "kept.tmp", "data"] {
            assert!(!new(name).exists(), "{name} with {left} bytes");
        }
        mount.drain();
        done(&tool(&["archive", text(&data), text(&new("archive"))]));
        done(&verify(&new("archive")));
        fs::remove_dir_all(new("archive")).expect("room for the next");
    }
    assert!(image(&data) == data_before && image(&kept) == kept_before, "what was read from was changed");
    done(&tool(&["restore", text(&kept), text(&mount.dir().join("data"))]));
}
