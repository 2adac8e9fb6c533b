//! `creditd backup` beside a server under load, `creditd restore`, and what comes of a half or a damaged one.
//!
//! ```text
//!  clients ─ GRANT n ─▶ server ──╳            restored ─▶ server: balance = 1 + 2 + .. + k,
//!                         └─ backup ─ restore ─┘           acknowledged before the backup <= k <= sent before its end
//! ```

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{Sender, channel};

use crate::server::Site;
use crate::tools::{Told, image, tool};
use crate::wire::{Wire, encode};

/// Long enough that segments of 4 MiB follow each other.
const META: [u8; 1000] = [b'm'; 1000];

const PIPELINE: u64 = 32;

/// Grants 1, 2, 3 .. to one account.
#[derive(Default)]
struct Client {
    sent: AtomicU64,
    acknowledged: AtomicU64,
}

impl Client {
    fn work(&self, account: &str, mut wire: Wire, is_over: &AtomicBool, progress: &Sender<()>) {
        while !is_over.load(SeqCst) {
            let first = self.sent.fetch_add(PIPELINE, SeqCst) + 1;
            wire.send(&(first..first + PIPELINE).flat_map(|n| grant(account, n)).collect::<Vec<_>>());
            for _ in 0..PIPELINE {
                let reply = wire.reply().text();
                assert!(!reply.starts_with('-'), "{reply}");
                self.acknowledged.fetch_add(1, SeqCst);
            }
            let _ = progress.send(());
        }
    }
}

fn grant(account: &str, n: u64) -> Vec<u8> {
    let (tx, amount) = (format!("t{n}"), n.to_string());
    encode(&[b"CREDIT.GRANT", account.as_bytes(), tx.as_bytes(), amount.as_bytes(), b"META", &META])
}

fn sum(n: u64) -> u64 {
    n * (n + 1) / 2
}

fn backup(data: &Path, dest: &Path) -> Told {
    tool(&["backup", data.to_str().expect("text"), dest.to_str().expect("text")])
}

fn restore(backup: &Path, data: &Path) -> Told {
    tool(&["restore", backup.to_str().expect("text"), data.to_str().expect("text")])
}

/// Makes a backup of a loaded server and proves that what is restored from it is a state the server was in meanwhile.
fn check_backup_under_load(dest: &Path, is_linked: bool) {
    let (site, restored) = (Site::new(), Site::new());
    let server = site.start(&["--shards", "2"]);
    let accounts = ["a", "b", "c", "d"];
    let clients: Vec<Client> = accounts.iter().map(|_| Client::default()).collect();
    let counts = |count: fn(&Client) -> &AtomicU64| clients.iter().map(|c| count(c).load(SeqCst)).collect::<Vec<_>>();
    let (is_over, (progress, answered)) = (AtomicBool::new(false), channel());
    let (before, after) = std::thread::scope(|scope| {
        for (client, account) in clients.iter().zip(accounts) {
            let (wire, progress, is_over) = (server.connect(), progress.clone(), &is_over);
            scope.spawn(move || client.work(account, wire, is_over, &progress));
        }
        for _ in 0..2 {
            (0..500).for_each(|_| answered.recv().expect("clients work"));
            server.connect().expect("SAVE", "+OK");
        }
        let before = counts(|client| &client.acknowledged);
        let told = backup(&site.data_dir(), dest);
        let after = counts(|client| &client.sent);
        is_over.store(true, SeqCst);
        assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
        assert!(told.out.ends_with("verified\n") && told.out.starts_with("shard 0: lsn 0.."), "{}", told.out);
        (before, after)
    });
    server.kill9();
    let snapshots = image(dest).into_iter().filter(|(path, _)| path.extension() == Some("snap".as_ref())).count();
    assert_eq!(snapshots, 4, "two of each shard");
    let links = |path: &Path| fs::metadata(path).expect("there").nlink();
    let segments: Vec<_> =
        image(dest).into_iter().filter(|(path, _)| path.extension() == Some("wal".as_ref())).collect();
    let linked = segments.iter().filter(|(path, _)| links(path) == 2).count();
    assert_eq!(linked, if is_linked { segments.len() - 2 } else { 0 }, "all but the newest of each shard");
    assert!(segments.len() > 2, "segments followed each other");

    let told = restore(dest, &restored.data_dir());
    assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
    let server = restored.start(&[]);
    assert!(server.log().contains("snapshot"), "it starts from one: {}", server.log());
    let mut wire = server.connect();
    for (i, account) in accounts.into_iter().enumerate() {
        let balance = |wire: &mut Wire| wire.ask(&format!("CREDIT.BALANCE {account}")).number("balance");
        let found = balance(&mut wire);
        let kept = (0..).find(|n| sum(*n) >= found).expect("there is one");
        assert_eq!(sum(kept), found, "a state of this account");
        assert!(before[i] <= kept && kept <= after[i], "{} <= {kept} <= {}", before[i], after[i]);
        for n in [1, kept / 2, kept] {
            wire.call(&[b"CREDIT.GRANT", account.as_bytes(), format!("t{n}").as_bytes(), n.to_string().as_bytes()]);
        }
        assert_eq!(balance(&mut wire), found, "ids before the end of the backup are known");
        wire.send(&grant(account, kept + 1));
        wire.reply();
        assert_eq!(balance(&mut wire), sum(kept + 1), "later ones are not");
    }
    assert_eq!(server.terminate(), Some(0));
    let told = tool(&["verify", dest.to_str().expect("text")]);
    assert_eq!(told.code, Some(0), "the backup is as it was: {}", told.out);
}

#[test]
fn a_backup_of_a_loaded_server_is_a_state_that_it_was_in() {
    let place = Site::new();
    check_backup_under_load(&place.path("backup"), true);
}

#[test]
fn a_backup_on_another_file_system_is_copied() {
    let shm = Path::new("/dev/shm");
    let is_other =
        fs::metadata(shm).is_ok_and(|there| there.dev() != fs::metadata(Site::new().path("")).expect("there").dev());
    if !is_other {
        eprintln!("SKIPPED: /dev/shm is not another file system than that of the test's directory");
        return;
    }
    let place = tempfile::tempdir_in(shm).expect("a directory");
    check_backup_under_load(&place.path().join("backup"), false);
}

/// A server with a few accounts, and a backup of it.
fn kept() -> Site {
    let site = Site::new();
    let server = site.start(&["--shards", "2"]);
    let mut wire = server.connect();
    for n in 1..50 {
        wire.send(&grant(&format!("acct:{n}"), n));
        wire.reply();
    }
    let told = backup(&site.data_dir(), &site.path("backup"));
    assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
    assert_eq!(server.terminate(), Some(0));
    site
}

#[test]
fn every_damaged_file_of_a_backup_is_found_and_nothing_is_left_of_the_restore() {
    let site = kept();
    let (kept, new) = (site.path("backup"), site.path("new"));
    for (path, bytes) in image(&kept) {
        let name = path.strip_prefix(&kept).expect("below").to_str().expect("text").to_owned();
        let at = bytes.len() as u64 / 2;
        let file = fs::File::options().write(true).open(&path).expect("there");
        file.write_all_at(&[!bytes[at as usize]], at).expect("damaged");
        let told = restore(&kept, &new);
        assert_eq!((told.code, new.exists()), (Some(65), false), "{name}: {}", told.err);
        assert!(told.err.contains(&name) && told.err.contains("next: "), "{name}: {}", told.err);
        file.write_all_at(&[bytes[at as usize]], at).expect("mended");
    }
    fs::remove_file(kept.join("shard-001/super.0")).expect("there");
    let told = restore(&kept, &new);
    assert_eq!((told.code, new.exists()), (Some(65), false), "a lost file: {}", told.err);
}

#[test]
fn no_server_starts_on_half_a_restore() {
    let site = kept();
    let kept = site.path("backup");
    let list: serde_json::Value = serde_json::from_slice(&fs::read(kept.join("BACKUP")).expect("there")).expect("JSON");
    let files: Vec<_> =
        list["files"].as_array().expect("a list").iter().map(|f| f["path"].as_str().expect("a path")).collect();
    assert_eq!(files.last(), Some(&"MANIFEST"));
    for done in 1..files.len() {
        let half = Site::new();
        half.make_data_dir(0o700);
        for file in &files[..done] {
            let to = half.data_dir().join(file);
            fs::create_dir_all(to.parent().expect("below")).expect("made");
            fs::copy(kept.join(file), to).expect("copied");
        }
        let (code, said) = half.refusal(&[]);
        assert_eq!(code, Some(65), "{done} files: {said}");
        let told = restore(&kept, &half.data_dir());
        assert_eq!(told.code, Some(64), "{}", told.err);
        assert!(told.err.contains("is not empty: move it away first (mv "), "{}", told.err);
    }
}

#[test]
fn half_a_backup_is_told_by_its_name_and_is_none() {
    let site = kept();
    let (data, dest) = (site.data_dir(), site.path("second"));
    fs::create_dir(site.path("second.tmp")).expect("what a kill left");
    let told = backup(&data, &dest);
    assert!(told.code == Some(64) && told.err.contains("remove it (rm -r "), "{}", told.err);
    let told = backup(&data, &site.path("backup"));
    assert!(told.code == Some(64) && told.err.contains("exists: a backup is a new directory"), "{}", told.err);
    let told = restore(&data, &site.path("new"));
    assert!(told.code == Some(64) && told.err.contains("is no backup, or one that was interrupted"), "{}", told.err);
    fs::remove_dir(site.path("second.tmp")).expect("as the message says");
    assert_eq!(backup(&data, &dest).code, Some(0));
}

#[test]
fn no_backup_is_made_of_damaged_data() {
    let site = kept();
    let (data, dest) = (site.data_dir(), site.path("second"));
    // The log's first block, and in its place zeros: without the super's word that would be an empty log.
    let newest =
        image(&data).into_iter().find(|(path, _)| path.to_str().expect("text").ends_with(".wal")).expect("one").0;
    let file = fs::File::options().write(true).open(&newest).expect("there");
    file.write_all_at(&vec![0; (4 << 20) - 4096], 4096).expect("damaged");
    let told = backup(&data, &dest);
    assert_eq!(told.code, Some(65), "{}", told.err);
    assert!(told.err.contains("FINDING lost: shard 0") && !dest.exists(), "{}", told.err);
    assert!(!site.path("second.tmp").exists(), "nothing is left");
}
