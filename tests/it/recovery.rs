//! The recovery table (journal.md 6), row by row, on the directories of real servers: the exit code, the operator's
//! message, and that a refusal changes no byte.
//!
//! ```text
//!  a life or several ─▶ kill -9 or SIGTERM ─▶ files are changed as an accident would ─▶ start: 0, 28 or 65, words
//! ```
//!
//! Rows 10 and 14 need strace and a mount; where those may not be had, the tests say so and prove nothing.

use std::fs;
use std::process::Command;

use crate::files::{FileBytes, PAGE, files, image, segments, supers};
use crate::nested::has_strace;
use crate::server::{Server, Site};
use crate::wire::info;

/// One shard, so that everything is in `shard-000`.
pub const FLAGS: [&str; 4] = ["--shards", "1", "--cores", "1"];

/// A server with five entries of two accounts, each in a block of its own.
fn living(site: &Site) -> Server {
    let server = site.start(&FLAGS);
    let mut wire = server.connect();
    let number = files(site, 0, ".wal").len();
    for n in 0..5 {
        let reply = wire.ask(&format!("CREDIT.GRANT acct:{} g{number}:{n} 10", n % 2)).line();
        assert!(reply.contains("granted"), "{reply}");
    }
    server
}

/// The directory of a server that stopped in order; so the supers prove all of it.
fn stopped() -> Site {
    let site = Site::new();
    assert_eq!(living(&site).terminate(), Some(0));
    site
}

/// The directory of three lives, a segment each.
fn three_lives() -> Site {
    let site = stopped();
    (0..2).for_each(|_| assert_eq!(living(&site).terminate(), Some(0)));
    assert_eq!(segments(&site).len(), 3);
    site
}

/// The start is refused with 65 and these words, and no file is another than before. Returns what was said.
#[track_caller]
fn check_refused(site: &Site, words: &[&str]) -> String {
    let before = image(&site.data_dir());
    let said = check_no_start(site, &[], 65, words);
    assert!(said.contains("next: "), "the next step is not in: {said}");
    assert!(image(&site.data_dir()) == before, "a refusal changes nothing: {said}");
    said
}

/// A server under `wrapper` ends with this code and these words.
#[track_caller]
fn check_no_start(site: &Site, wrapper: &[&str], code: i32, words: &[&str]) -> String {
    let earlier = said(site).len();
    let Err((status, log)) = site.begin(wrapper, &FLAGS).ready() else { panic!("started, but not for {words:?}") };
    let said = log[earlier..].to_owned();
    assert_eq!(status.code(), Some(code), "{said}");
    for word in words.iter().chain(&["ERROR"]) {
        assert!(said.contains(word), "'{word}' is not in: {said}");
    }
    said
}

/// What all servers of the site have said so far.
fn said(site: &Site) -> String {
    fs::read_to_string(site.path("stderr")).unwrap_or_default()
}

/// The start succeeds, with these words in its log and this many credits in all.
#[track_caller]
fn check_starts(site: &Site, credits: u64, words: &[&str]) -> Server {
    let earlier = said(site).len();
    let server = site.start(&FLAGS);
    assert_eq!(info(&mut server.connect(), "credits", "balance"), credits.to_string());
    let said = server.log()[earlier..].to_owned();
    for word in words {
        assert!(said.contains(word), "'{word}' is not in: {said}");
    }
    server
}

#[test]
fn row_1_a_clean_stop_starts_clean() {
    let site = stopped();
    let server = check_starts(&site, 50, &["log read", "clean=true"]);
    assert_eq!(info(&mut server.connect(), "persistence", "log_clean_start"), "1");
}

#[test]
fn row_2_a_kill_starts_with_all_that_was_acknowledged_and_says_where_the_log_ends() {
    let site = Site::new();
    living(&site).kill9();
    let end = segments(&site)[0].log_end() - PAGE;
    let server = check_starts(&site, 50, &["log read", "clean=false", &format!("end_lsn={end}")]);
    assert_eq!(info(&mut server.connect(), "persistence", "log_clean_start"), "0");
}

#[test]
fn row_3_a_torn_tail_is_cut_off_and_kept() {
    let torn_block = |segment: &FileBytes| segment.bytes[segment.blocks()[2].range()][..100].to_vec();
    let garbage = |_: &FileBytes| vec![0xa5; 5_000];
    for tear in [torn_block as fn(&FileBytes) -> Vec<u8>, garbage] {
        let site = Site::new();
        living(&site).kill9();
        let mut segment = segments(&site).remove(0);
        let (at, torn) = (segment.log_end(), tear(&segment));
        segment.bytes[at..at + torn.len()].copy_from_slice(&torn);
        segment.save();
        let (from, to) = (at - PAGE, (at + torn.len()).next_multiple_of(PAGE) - PAGE);
        let quarantine = format!("{}.{at:x}", segment.name());
        let facts = [format!("from_lsn={from} to_lsn={to}"), format!("bytes={}", to - from), quarantine.clone()];
        let words = ["WARN", "torn tail", "not proven acknowledged", "shard=0", &facts[0], &facts[1], &facts[2]];
        check_starts(&site, 50, &words).kill9();
        let kept = fs::read(site.data_dir().join("shard-000/quarantine").join(quarantine)).expect("a copy");
        assert!(kept.starts_with(&torn) && kept.len() == to - from);
        check_starts(&site, 50, &["clean=false"]);
    }
}

#[test]
fn row_4_damage_below_what_is_proven_is_refused_and_named() {
    // A later block proves it; zeros in place of the newest entry, which only the super proves; a shorter file.
    let site = stopped();
    let whole = segments(&site).remove(0);
    let (name, blocks) = (whole.name(), whole.blocks());
    let change = |change: &dyn Fn(&mut Vec<u8>), words: &[&str]| {
        let mut segment = FileBytes::load(whole.path());
        change(&mut segment.bytes);
        segment.save();
        check_refused(&site, words);
        whole.save();
    };
    let place = |at: usize| format!("shard 0 segment {name} offset {at}: acknowledged data is damaged");
    let (early, last) = (blocks[2], blocks[blocks.len() - 2]);
    let lost = format!("lost lsn {}..", early.lsn);
    let near = "accounts with entries next to what is lost, at least shard=0 accounts=\"";
    change(&|bytes| bytes[early.offset + 80] ^= 1, &[&place(early.offset), "a later block says", &lost, near]);
    let lost = format!("lost lsn {}..", last.lsn);
    change(&|bytes| bytes[last.offset..].fill(0), &[&place(last.offset), "zeros", "the super says", &lost]);
    change(&|bytes| bytes.truncate(16 * PAGE), &[&place(16 * PAGE), "the file has 65536 bytes, it was made with"]);
    change(&|bytes| bytes[40] ^= 1, &[&place(0), "header is damaged"]);
    check_starts(&site, 50, &[]);
}

#[test]
fn row_4_damage_in_a_closed_segment_is_refused_and_named() {
    let site = three_lives();
    let mut first = segments(&site).remove(0);
    let block = first.blocks()[1];
    first.bytes[block.offset + 72] ^= 0x10;
    first.save();
    let place = format!("shard 0 segment {} offset {}: acknowledged data is damaged", first.name(), block.offset);
    check_refused(&site, &[&place, &format!("lost lsn {}..", block.lsn)]);
}

#[test]
fn row_5_an_edited_log_with_right_checksums_is_refused() {
    let site = stopped();
    let mut segment = segments(&site).remove(0);
    let (edited, next) = (segment.blocks()[2], segment.blocks()[3]);
    // The block's time: no rule of the ledger notices, the chain of the next block does.
    segment.bytes[edited.offset + 64] ^= 1;
    segment.seal_block(edited);
    segment.save();
    let place = format!("shard 0 segment {} offset {}: the log was edited", segment.name(), next.offset);
    check_refused(&site, &[&place, "does not name the one before it"]);
}

#[test]
fn row_6_a_missing_segment_is_a_hole() {
    let site = three_lives();
    let all = segments(&site);
    fs::remove_file(all[1].path()).expect("it was there");
    let place = format!("shard 0 segment {} offset {}: ", all[0].name(), all[0].log_end());
    check_refused(&site, &[&place, &all[2].name(), "lost lsn"]);
    all[1].save();
    fs::remove_file(all[0].path()).expect("it was there");
    let place = format!("shard 0 segment {} offset 0: hole between segments", all[1].name());
    check_refused(&site, &[&place, "needed is 0"]);
    all[0].save();
    check_starts(&site, 150, &[]);
}

#[test]
fn row_7_a_log_that_ends_before_its_super_is_refused() {
    let site = three_lives();
    let all = segments(&site);
    fs::remove_file(all[2].path()).expect("it was there");
    check_refused(&site, &["shard 0", all[1].name().as_str(), "part of the log is missing", "epoch 2, the super of 3"]);
    all.iter().for_each(|segment| drop(fs::remove_file(segment.path())));
    check_refused(&site, &["shard 0", "part of the log is missing", "there is no segment", "lost lsn"]);
}

#[test]
fn row_7_an_older_backup_s_supers_or_log_are_noticed() {
    let site = stopped();
    let old = segments(&site).remove(0);
    assert_eq!(living(&site).terminate(), Some(0));
    let all = segments(&site);
    all.iter().for_each(|segment| fs::remove_file(segment.path()).expect("it was there"));
    old.save();
    check_refused(&site, &["shard 0", "an older backup was mixed in", "epoch 1, the super of 2"]);
    fs::remove_file(old.path()).expect("it was there");
    all.iter().for_each(FileBytes::save);
    check_starts(&site, 100, &["clean=true"]);
}

/// The directory of a server that was saved in its second life, twice, and stopped; with 110 credits.
fn saved() -> Site {
    let site = stopped();
    save(&site);
    site
}

/// A life of 60 credits and two snapshots.
fn save(site: &Site) {
    let server = living(site);
    let mut wire = server.connect();
    for n in 0..2 {
        wire.expect("SAVE", "+OK");
        assert!(wire.ask(&format!("CREDIT.GRANT acct:0 s{n} 5")).line().contains("granted"));
    }
    assert_eq!(server.terminate(), Some(0));
    assert_eq!(snapshots(site).len(), 2);
}

fn snapshots(site: &Site) -> Vec<FileBytes> {
    files(site, 0, ".snap").iter().map(|path| FileBytes::load(path)).collect()
}

/// Makes files worthless.
fn spoil(files: &[FileBytes]) {
    for file in files {
        let mut file = FileBytes::load(file.path());
        let at = file.bytes.len() - PAGE + 40;
        file.bytes[at] ^= 4;
        file.save();
    }
}

#[test]
fn row_7_a_log_that_ends_before_its_snapshot_is_refused() {
    let site = stopped();
    let (old, old_supers) = (segments(&site), supers(&site));
    save(&site);
    segments(&site).iter().for_each(|segment| fs::remove_file(segment.path()).expect("it was there"));
    old.iter().chain(&old_supers).for_each(FileBytes::save);
    let newest = snapshots(&site).remove(1).name();
    let words = ["shard 0", "an older backup was mixed in", &newest, "was made when the log had reached lsn"];
    check_refused(&site, &words);
    snapshots(&site).iter().for_each(|file| fs::remove_file(file.path()).expect("it was there"));
    check_starts(&site, 50, &["clean=true"]);
}

#[test]
fn row_8_a_bad_snapshot_is_set_aside_and_the_one_before_or_the_log_does() {
    for bad in 1..=2 {
        let site = saved();
        let all = snapshots(&site);
        spoil(&all[2 - bad..]);
        let words = ["WARN", "snapshot", "shard=0", all[1].name().as_str()].map(str::to_owned);
        let server = check_starts(&site, 110, &words.each_ref().map(String::as_str));
        assert_eq!(snapshots(&site).len(), 2 - bad, "a bad one is no longer here");
        let quarantine = site.data_dir().join("shard-000/quarantine");
        assert!(quarantine.join(all[1].name()).exists(), "but there");
        assert_eq!(server.terminate(), Some(0));
        check_starts(&site, 110, &["clean=true"]);
    }
}

#[test]
fn row_8_without_a_snapshot_a_trimmed_log_is_refused() {
    let site = saved();
    // As the server trims: the supers say where the log begins, then the files go.
    let all = segments(&site);
    let base = u64::from_str_radix(&all[1].name()[..16], 16).expect("a name says where it begins");
    for mut file in supers(&site) {
        file.bytes[50..58].copy_from_slice(&base.to_le_bytes());
        file.seal_pages();
        file.save();
    }
    fs::remove_file(all[0].path()).expect("it was there");
    let whole = image(&site.data_dir());
    let both = snapshots(&site);
    spoil(&both);
    check_refused(&site, &["shard 0", "no snapshot is whole"]);
    both.iter().for_each(FileBytes::save);
    assert!(image(&site.data_dir()) == whole);
    check_starts(&site, 110, &["clean=true"]);
}

#[test]
fn row_9_one_bad_super_is_enough_and_two_are_refused() {
    let site = stopped();
    let mut both = supers(&site);
    let older = usize::from(both[0].bytes[16] > both[1].bytes[16]);
    both[older].bytes.fill(0xff);
    both[older].save();
    assert_eq!(check_starts(&site, 50, &["clean=true"]).terminate(), Some(0));
    both.iter_mut().for_each(|file| file.bytes.fill(0xff));
    both.iter().for_each(FileBytes::save);
    check_refused(&site, &["shard 0", "both supers are bad", "repair"]);
    both.iter().for_each(|file| fs::remove_file(file.path()).expect("it was there"));
    check_refused(&site, &["shard 0", "both supers are bad", "neither super.0 nor super.1"]);
}

#[test]
fn row_10_a_bad_sector_is_read_three_times_then_refused() {
    if !has_strace() {
        return;
    }
    let site = stopped();
    let before = image(&site.data_dir());
    let segment = segments(&site).remove(0);
    let path = segment.path().to_str().expect("text");
    let strace = ["strace", "-D", "-f", "-o", "/dev/null", "-P", path, "-e", "inject=pread64:error=EIO:when=3+"];
    let place = format!("shard 0 segment {} offset ", segment.name());
    check_no_start(&site, &strace, 65, &[&place, "bad sector: 3 reads of", "next: "]);
    assert!(image(&site.data_dir()) == before, "a refusal changes nothing");
    check_starts(&site, 50, &[]);
}

#[test]
fn row_11_a_newer_version_s_files_are_refused_by_name() {
    let site = stopped();
    let segment = segments(&site).remove(0);
    let newer = |what: &str| format!("{what} is written by a newer version of creditd: format 3, this version reads");
    let refuse = |whole: &FileBytes, at: usize, seal: &dyn Fn(&mut FileBytes), what: &str| {
        let mut file = FileBytes::load(whole.path());
        file.bytes[at] = 3;
        seal(&mut file);
        file.save();
        let before = image(&site.data_dir());
        check_no_start(&site, &[], 65, &[&newer(what)]);
        assert!(image(&site.data_dir()) == before, "a refusal changes nothing");
        whole.save();
    };
    let block = segment.blocks()[1];
    let what = format!("shard 0 segment {} block at offset {}", segment.name(), block.offset);
    refuse(&segment, block.offset + 8, &|file| file.seal_block(block), &what);
    refuse(&segment, 8, &FileBytes::seal_segment_header, &format!("shard 0 segment {}", segment.name()));
    refuse(&supers(&site)[1], 8, &FileBytes::seal_pages, "shard 0 super.1");
    refuse(&FileBytes::load(&site.data_dir().join("MANIFEST")), 8, &FileBytes::seal_pages, "MANIFEST");
    check_starts(&site, 50, &["clean=true"]);
}

#[test]
fn row_12_files_of_another_instance_are_refused() {
    let (site, other) = (stopped(), stopped());
    let [ours, theirs] = [&site, &other].map(|site| segments(site).remove(0));
    assert_eq!(ours.name(), theirs.name(), "names do not tell them apart");
    fs::copy(theirs.path(), ours.path()).expect("mixed up");
    let place = format!("shard 0 segment {} offset 0: a file of another instance or shard", ours.name());
    check_refused(&site, &[&place, "put the right file back"]);
    ours.save();
    let both = supers(&site);
    supers(&other).iter().zip(&both).for_each(|(theirs, ours)| drop(fs::copy(theirs.path(), ours.path())));
    check_refused(&site, &["shard 0", "the super names another instance or shard"]);
    both.iter().for_each(FileBytes::save);
    check_starts(&site, 50, &["clean=true"]);
}

#[test]
fn row_13_a_record_that_breaks_a_rule_is_shown() {
    let site = stopped();
    let mut segment = segments(&site).remove(0);
    let block = segment.blocks()[2];
    // The balance after the entry.
    segment.bytes[block.offset + 72 + 40] += 1;
    segment.seal_block(block);
    segment.save();
    let record = &segment.bytes[block.range()][72..];
    let hex: String = record.iter().map(|byte| format!("{byte:02x}")).collect();
    let place = format!("shard 0 segment {} offset {}: replay breaks an invariant", segment.name(), block.offset + 72);
    check_refused(&site, &[&place, &format!("at lsn {}; record: {hex}", block.lsn + 72), "report this message"]);
}

#[test]
fn row_14_a_read_only_file_system_ends_with_28_in_plain_words() {
    let site = stopped();
    let before = image(&site.data_dir());
    let dir = site.data_dir().to_str().expect("text").to_owned();
    let script = format!("mount --bind {dir} {dir} && mount -o remount,ro,bind {dir} || exit 99; exec \"$0\" \"$@\"");
    if Command::new("unshare").args(["-m", "sh", "-c", &script, "true"]).status().is_ok_and(|status| status.success()) {
        let words = ["read-only file system", "read the kernel log", "mount it writable and start again"];
        check_no_start(&site, &["unshare", "-m", "sh", "-c", &script], 28, &words);
        assert!(image(&site.data_dir()) == before);
    } else {
        eprintln!("SKIPPED: nothing may be mounted here, no file system was read-only");
    }
}
