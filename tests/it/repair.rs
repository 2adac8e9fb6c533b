//! `creditd repair` on damaged directories: what it says, that its own words repair, and that nothing is thrown away.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use crate::files::{FileBytes, files, image, segments, supers};
use crate::nested::has_strace;
use crate::server::{Server, Site};
use crate::tools::{Told, tool};

const FLAGS: [&str; 2] = ["--shards", "1"];

/// Grants of 1 credit each, a block each.
fn granted(site: &Site, txs: std::ops::Range<u64>) -> Server {
    let server = site.start(&FLAGS);
    let mut wire = server.connect();
    for n in txs {
        assert!(wire.ask(&format!("CREDIT.GRANT acct:{} g{n} 1", n % 2)).line().contains("granted"));
    }
    server
}

/// The directory of three lives with five grants each, all stopped in order.
fn three_lives() -> Site {
    let site = Site::new();
    (0..3).for_each(|life| assert_eq!(granted(&site, life * 5..life * 5 + 5).terminate(), Some(0)));
    assert_eq!(segments(&site).len(), 3);
    site
}

fn repair(site: &Site, more: &[&str]) -> Told {
    let dir = site.data_dir();
    tool(&[&["repair", dir.to_str().expect("text"), "--shard", "0"][..], more].concat())
}

/// Runs the command that the last line of `told` names.
fn as_told(told: &Told) -> Told {
    let line = told.out.lines().last().expect("a command").replace("\"why\"", "tested");
    tool(&line.split_whitespace().skip(1).collect::<Vec<_>>())
}

/// A server starts on the site, holds this many credits, and executes anew what was lost.
fn check_whole(site: &Site, credits: u64) {
    let server = site.start(&[]);
    let mut wire = server.connect();
    let mut sum = || (0..2).map(|n| wire.ask(&format!("CREDIT.BALANCE acct:{n}")).number("balance")).sum::<u64>();
    assert_eq!(sum(), credits);
    drop(wire);
    assert_eq!(server.terminate(), Some(0));
    assert_eq!(granted(site, 0..15).terminate(), Some(0));
    let dir = site.data_dir();
    let told = tool(&["verify", dir.to_str().expect("text")]);
    assert_eq!(told.code, Some(0), "{}", told.out);
    assert!(told.out.contains("balance 15 = granted 15"), "{}", told.out);
}

/// Damages a block of the second life.
fn damage(site: &Site) -> FileBytes {
    let mut segment = segments(site).remove(1);
    let block = segment.blocks()[2];
    segment.bytes[block.offset + 80] ^= 1;
    segment.save();
    segment
}

#[test]
fn damage_is_cut_off_as_the_message_says_and_kept() {
    let site = three_lives();
    let (damaged, later) = (damage(&site), segments(&site).remove(2));
    let (code, said) = site.refusal(&FLAGS);
    assert!(code == Some(65) && said.contains("creditd repair DATA_DIR --shard 0"), "{said}");
    let before = image(&site.data_dir());
    let told = repair(&site, &[]);
    assert_eq!(told.code, Some(65), "{}{}", told.out, told.err);
    let lsn = damaged.blocks()[2].lsn.to_string();
    for words in
        ["FINDING damaged: shard 0 segment", &format!("a cut at lsn {lsn} "), "entries of 2 accounts", "acct:0"]
    {
        assert!(told.out.contains(words), "{words}: {}", told.out);
    }
    assert!(image(&site.data_dir()) == before, "asked, not done");
    let done = as_told(&told);
    assert_eq!(done.code, Some(0), "{}{}", done.out, done.err);
    assert!(done.out.contains("note: repaired: ") && done.out.ends_with(": ok\n"), "{}", done.out);
    let kept = |name: String| fs::read(site.data_dir().join("shard-000/quarantine").join(name)).expect("kept");
    assert!(kept(damaged.name()) == damaged.bytes && kept(later.name()) == later.bytes, "whole");
    let note = fs::read_to_string(site.data_dir().join("shard-000/REPAIRS")).expect("a note");
    let note: serde_json::Value = serde_json::from_str(&note).expect("JSON");
    assert_eq!((note["reason"].as_str(), note["durable_lsn"].to_string()), (Some("tested"), lsn));
    // The first life's grants, and those of the second before the damage: its blocks are a FENCE or none, then grants.
    let kept = damaged.blocks()[..2].iter().filter(|block| block.kind == 1).count() as u64;
    check_whole(&site, 5 + kept);
}

#[test]
fn a_hole_is_cut_off_and_what_stood_behind_it_is_kept() {
    let site = three_lives();
    let [_, missing, later] = segments(&site).try_into().map_err(|_| "three").expect("three");
    fs::remove_file(missing.path()).expect("lost");
    let told = repair(&site, &[]);
    assert!(told.code == Some(65) && told.out.contains(&format!("segment {} proves", later.name())), "{}", told.out);
    let done = as_told(&told);
    assert_eq!(done.code, Some(0), "{}{}", done.out, done.err);
    assert!(site.data_dir().join("shard-000/quarantine").join(later.name()).exists());
    check_whole(&site, 5);
}

#[test]
fn supers_are_rebuilt_from_the_segments_without_a_loss() {
    let site = three_lives();
    for mut page in supers(&site) {
        page.bytes.fill(0xff);
        page.save();
    }
    let told = repair(&site, &[]);
    assert!(told.code == Some(65) && told.out.contains("neither super can be read"), "{}", told.out);
    let done = as_told(&told);
    assert_eq!(done.code, Some(0), "{}{}", done.out, done.err);
    let again = repair(&site, &["--rebuild-supers"]);
    assert!(again.code == Some(64) && again.err.contains("there is nothing to rebuild"), "{}", again.err);
    check_whole(&site, 15);
}

#[test]
fn a_log_that_ends_before_what_the_super_proves_is_given_up_to_there() {
    let site = three_lives();
    let last = segments(&site).remove(2);
    fs::remove_file(last.path()).expect("lost");
    let told = repair(&site, &[]);
    assert!(told.code == Some(65) && told.out.contains("FINDING lost: "), "{}", told.out);
    let done = as_told(&told);
    assert_eq!(done.code, Some(0), "{}{}", done.out, done.err);
    check_whole(&site, 10);
}

#[test]
fn what_does_not_help_is_not_done() {
    let site = three_lives();
    let told = repair(&site, &[]);
    assert!(told.code == Some(0) && told.out.ends_with(": ok\n"), "{}{}", told.out, told.err);
    let damaged = damage(&site);
    let blocks = damaged.blocks();
    let before = image(&site.data_dir());
    let cut = |at: u64| repair(&site, &["--truncate-at", &at.to_string(), "--accept-loss", "tested"]);
    for (at, words) in [
        (
            blocks[1].lsn + 8,
            format!("no block ends at lsn {}: cut at {} or at {}", blocks[1].lsn + 8, blocks[1].lsn, blocks[2].lsn),
        ),
        (blocks[3].lsn, format!("the log is wrong from lsn {} on: cut at {} or before", blocks[2].lsn, blocks[2].lsn)),
        (1 << 40, format!("the log is wrong from lsn {} on", blocks[2].lsn)),
    ] {
        let told = cut(at);
        assert!(told.code == Some(64) && told.err.contains(&words), "{words}: {}", told.err);
    }
    for (words, saying) in [
        (&["--truncate-at", "0", "--accept-loss", ""][..], "--accept-loss"),
        (&["--accept-loss", "tested"], "--truncate-at"),
        (&["--rebuild-supers"], "there is nothing to rebuild"),
    ] {
        let told = repair(&site, words);
        assert!(told.code == Some(64) && told.err.contains(saying), "{words:?}: {}", told.err);
    }
    let told = repair(&site, &["--truncate-at", &blocks[1].lsn.to_string()]);
    assert!(
        told.code == Some(65) && told.out.contains("repair: nothing was changed. With a cut there lsn "),
        "{}",
        told.out
    );
    assert!(image(&site.data_dir()) == before, "nothing was changed");
    let dir = site.data_dir();
    let told = tool(&["repair", dir.to_str().expect("text"), "--shard", "1"]);
    assert!(told.code == Some(64) && told.err.contains("there is no shard 1"), "{}", told.err);
    let other = Site::new();
    let server = granted(&other, 0..1);
    let told = repair(&other, &[]);
    assert!(told.code == Some(73) && told.err.contains("is held by another creditd"), "{}", told.err);
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_repair_that_is_killed_at_any_step_can_be_done_again() {
    if !has_strace() {
        return;
    }
    let whole = three_lives();
    let damaged = damage(&whole);
    let kept = damaged.blocks()[..2].iter().filter(|block| block.kind == 1).count() as u64;
    let lsn = damaged.blocks()[2].lsn.to_string();
    for call in ["mkdir", "linkat", "rename", "unlink", "ftruncate", "write", "pwrite64", "fsync", "fdatasync"] {
        let mut step = 1;
        while let Some(site) = killed_at(&whole, &lsn, call, step) {
            let told = repair(&site, &[]);
            // Refused as before, or repaired: never a third thing.
            let done = if told.code == Some(65) { as_told(&told) } else { told };
            assert_eq!(done.code, Some(0), "{call} {step}: {}{}", done.out, done.err);
            assert!(!files(&site, 0, "REPAIRS").is_empty(), "{call} {step}: no loss without a note");
            check_whole(&site, 5 + kept);
            step += 1;
        }
        assert!(step > 1, "{call} is a step");
    }
}

/// A copy of `whole` on which a cut was killed at the `step`th system call of this name; `None` if there are fewer.
fn killed_at(whole: &Site, lsn: &str, call: &str, step: u32) -> Option<Site> {
    let site = Site::new();
    let copied = Command::new("cp").arg("-a").arg(whole.data_dir()).arg(site.data_dir()).status();
    assert!(copied.expect("it runs").success());
    let inject = format!("inject={call}:signal=KILL:when={step}");
    let mut command = Command::new("strace");
    command.args(["-f", "-o", "/dev/null", "-e", &inject, env!("CARGO_BIN_EXE_creditd"), "repair"]);
    command.arg(site.data_dir()).args(["--shard", "0", "--truncate-at", lsn, "--accept-loss", "tested"]);
    let status = command.output().expect("it runs").status;
    assert!(status.success() || status.signal() == Some(9), "{status}");
    (!status.success()).then_some(site)
}
