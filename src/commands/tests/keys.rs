//! What may be asked of keys.

use super::*;
use crate::commands::keys::hash::{FIELDS_MAX, Field, HashView, ScanForm};
use crate::commands::keys::options::ScanOptions;
use crate::commands::keys::scan::{Cursor, Scan};
use crate::commands::keys::{Key, KeyRequest, KeyView};

fn shown(line: &str) -> KeyView {
    with_line(line, |request| match request {
        Ok(Request::Keys(KeyRequest::Show(Key::Account(b"a"), view))) => view,
        other => panic!("{line}: {other:?}"),
    })
}

#[test]
fn a_key_is_an_account_or_a_stream() {
    let long = "a".repeat(129);
    for (word, key) in [
        ("a", Key::Account(b"a")),
        (&long[1..], Key::Account(&long.as_bytes()[1..])),
        (&long, Key::Nothing),
        ("", Key::Nothing),
        ("credit:log:{a}", Key::Log(b"a")),
        ("credit:events:3", Key::Events(3)),
        ("credit:events:x", Key::Account(b"credit:events:x")),
    ] {
        accepted(&format!("TYPE {word}"), Request::Keys(KeyRequest::Show(key, KeyView::Type)));
    }
}

#[test]
fn views_of_a_key() {
    for command in ["TTL", "pttl", "EXPIRETIME", "PEXPIRETIME"] {
        assert_eq!(shown(&format!("{command} a")), KeyView::Expiry);
    }
    assert_eq!(shown("OBJECT encoding a"), KeyView::Encoding);
    assert_eq!((shown("OBJECT REFCOUNT a"), shown("OBJECT IDLETIME a")), (KeyView::Constant(1), KeyView::Constant(0)));
    assert_eq!(shown("MEMORY USAGE a samples 0"), KeyView::Memory { name_len: 1 });
    refused("MEMORY USAGE a SAMPLES", SYNTAX);
    refused("MEMORY USAGE a SAMPLES x", "ERR value is not an integer or out of range");
    refused("MEMORY USAGE a b 0", SYNTAX);
    refused("MEMORY STATS", "ERR unknown subcommand 'STATS'. Try MEMORY HELP.");
    assert_eq!((shown("GET a"), shown("STRLEN a")), (KeyView::Text, KeyView::TextLen));
    let hash = |view| KeyView::Hash(view);
    assert_eq!(shown("hgetall a"), hash(HashView::All));
    assert_eq!(shown("HGET a seq"), hash(HashView::Value(Some(Field::Seq))));
    assert_eq!(shown("HEXISTS a Seq"), hash(HashView::Has(None)), "names of fields have their own case");
    let KeyView::Hash(HashView::Some(fields)) = shown("HMGET a time x time") else { panic!("fields") };
    assert_eq!(fields.as_slice(), [Some(Field::Time), None, Some(Field::Time)]);
    shown(&format!("HMGET a{}", " seq".repeat(FIELDS_MAX)));
    let text = "ERR wrong number of arguments for 'hmget' command";
    refused(&format!("HMGET a{}", " seq".repeat(FIELDS_MAX + 1)), text);
    let KeyView::Hash(HashView::Scan(fields, ScanForm::Names)) = shown("HSCAN a 0 NOVALUES match *s*e* COUNT 1") else {
        panic!("fields")
    };
    let names: Vec<_> = fields.as_slice().iter().flatten().map(|field| field.name()).collect();
    assert_eq!(names, ["reserved", "seq"]);
    refused("HSCAN a x", "ERR invalid cursor");
    refused("HSCAN a 0 TYPE hash", SYNTAX);
}

#[test]
fn scans_have_a_cursor_and_bounded_steps() {
    let scan = |cursor, pattern, count, kind| {
        let options = ScanOptions { pattern, count, kind, no_values: false };
        Request::Server(ServerRequest::Scan(Scan { cursor, options }))
    };
    accepted("SCAN 0", scan(Cursor::before(0), None, 10, None));
    accepted("scan 4294967301 type hash match a* count 5000", {
        scan(Cursor { shard: 1, below: 5 }, Some(b"a*"), 1000, Some(b"hash"))
    });
    for cursor in ["x", "-1", "281474976710656", "18446744073709551616"] {
        refused(&format!("SCAN {cursor}"), "ERR invalid cursor");
    }
    refused("SCAN 0 COUNT 0", SYNTAX);
    refused("SCAN 0 COUNT -5", SYNTAX);
    refused("SCAN 0 COUNT x", "ERR value is not an integer or out of range");
    refused("SCAN 0 MATCH", SYNTAX);
    refused("SCAN 0 NOVALUES", SYNTAX);
    refused(&format!("SCAN 0 MATCH {}", "*".repeat(257)), "ERR MATCH is longer than 256 bytes");
    refused("KEYS *", "ERR KEYS would hold up every command; use SCAN, which goes on in steps");
}

#[test]
fn nothing_changes_a_key() {
    let text = "ERR accounts change only through CREDIT.*: creditd keeps credits, it is not a cache";
    for line in ["SET a 5", "INCRBY a 5", "HSET a balance 5", "DEL a b", "EXPIRE a 10", "RENAME a b", "HDEL a seq"] {
        refused(line, text);
    }
    assert_eq!(catalog_reply("COMMAND GETKEYS EXISTS a b", Proto::Resp2), "*2|$1|a|$1|b|");
    assert_eq!(catalog_reply("COMMAND GETKEYS MEMORY usage a", Proto::Resp2), "*1|$1|a|");
    assert!(catalog_reply("COMMAND INFO exists", Proto::Resp2).contains("|:1|:-1|:1|"));
}
