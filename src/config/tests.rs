//! Configuration as an operator meets it: layers, sources, refusals, secrets, CONFIG GET.

use std::fs;
use std::path::Path;

use super::knobs::{KNOBS, Kind};
use super::value::{Value, expected};
use super::*;

fn load(flags: &[(&'static str, &str)], variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::load(
        flags.iter().map(|(name, text)| (*name, text.to_string())),
        variables.iter().map(|(name, text)| (name.to_string(), text.to_string())),
    )
}

fn load_file(text: &str) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    load(&[("config", path)], &[]).map_err(|err| err.to_string().replace(path, "c.toml"))
}

fn refusal(flags: &[(&'static str, &str)], variables: &[(&str, &str)]) -> String {
    load(flags, variables).expect_err("must be refused").to_string()
}

#[test]
fn every_default_parses_and_shows_itself_readably() {
    for knob in KNOBS {
        let value = Value::parse(knob.kind, knob.default);
        let value = value.unwrap_or_else(|| panic!("{}: give {}", knob.name, expected(knob.kind)));
        let shown = value.display(knob.kind);
        assert_eq!(Value::parse(knob.kind, &shown), Some(value), "{} shows as {shown}", knob.name);
        assert!(knob.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{} is kebab-case", knob.name);
        assert!(!knob.help.is_empty() && !knob.help.ends_with('.'), "{}: help is a phrase", knob.name);
        assert_eq!(KNOBS.iter().filter(|other| other.name == knob.name).count(), 1, "{} stands once", knob.name);
    }
}

#[test]
fn nothing_set_gives_the_documented_defaults() {
    let config = load(&[], &[("PATH", "/bin"), ("CREDIT", "not ours")]).unwrap();
    assert_eq!((config.port, &config.tls), (Some(7379), &None));
    assert_eq!(config.bind, vec!["127.0.0.1".parse::<IpAddr>().unwrap()]);
    assert_eq!(config.data_dir, Path::new("./data"));
    assert_eq!((config.cores, config.shards), (None, None));
    assert_eq!(config.segment_bytes, 64 << 20);
    assert_eq!(config.appendfsync, Appendfsync::Always);
    assert_eq!(config.reserve_ttl_ms, 300_000);
    assert_eq!(config.tx_retention_ms, Some(86_400_000));
    assert_eq!((config.maxclients, config.requirepass.is_none()), (10_000, true));
    assert_eq!((config.tcp_keepalive_ms, config.timeout_ms), (Some(60_000), None));
    assert!(config.settings().iter().all(|setting| setting.source == Source::Default));
}

#[test]
fn the_nearest_layer_wins_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    fs::write(&path, "port = 1\n\nmaxclients = 2\nreserve-ttl = '1m'\nbind = ['127.0.0.1', '::1']\n").unwrap();
    let path = path.to_str().unwrap();
    let variables = [("CREDITD_PORT", "3"), ("CREDITD_MAXCLIENTS", "4"), ("CREDITD_CONFIG", path)];
    let config = load(&[("port", "5")], &variables).unwrap();
    assert_eq!((config.port, config.maxclients, config.reserve_ttl_ms), (Some(5), 4, 60_000));
    assert_eq!(config.bind.len(), 2);
    let source = |name| config.settings().get(name).source.to_string();
    assert_eq!(source("port"), "--port");
    assert_eq!(source("maxclients"), "CREDITD_MAXCLIENTS");
    assert_eq!(source("reserve-ttl"), format!("{path}:4"));
    assert_eq!(source("cores"), "default");
}

#[test]
fn units_are_read_and_shown() {
    let size = Kind::Size { min: 0, max: u64::MAX, step: 1 };
    let auto = Kind::SizeOrAuto { min: 1, max: u64::MAX };
    let time = Kind::Duration { min_us: 0, max_us: u64::MAX, bare_us: 1_000_000, forever: true };
    for (kind, text, shown) in [
        (size, "64mb", "64MiB"),
        (size, "64 MiB", "64MiB"),
        (size, "67108864", "64MiB"),
        (size, "67_108_864", "64MiB"),
        (size, "1536kb", "1536KiB"),
        (size, "100", "100"),
        (size, "2GB", "2GiB"),
        (auto, "2GB", "2GiB"),
        (auto, "AUTO", "auto"),
        (time, "300", "5m"),
        (time, "300s", "5m"),
        (time, "300000ms", "5m"),
        (time, "24h", "1d"),
        (time, "1500ms", "1500ms"),
        (time, "250us", "250us"),
        (time, "0", "0"),
        (time, "Forever", "forever"),
    ] {
        let value = Value::parse(kind, text).unwrap_or_else(|| panic!("{text} parses"));
        assert_eq!(value.display(kind), shown, "{text}");
    }
    for text in ["", "mb", "-1", "+1", "1.5mb", "1e3", "64 zb", "99999999999gb", "18446744073709551616"] {
        assert_eq!(Value::parse(size, text), None, "{text:?} is no size");
        assert_eq!(Value::parse(time, text), None, "{text:?} is no duration");
    }
}

#[test]
fn bad_values_name_place_value_and_range() {
    for (name, given, words) in [
        (
            "port",
            "70000",
            "--port: port cannot be `70000`: give a port from 1 to 65535, any (a free one), off, or 0 (= any)",
        ),
        ("shards", "3", "--shards: shards cannot be `3`: give a power of two from 1 to 256, or auto"),
        ("appendfsync", "everysec", "--appendfsync: appendfsync cannot be `everysec`: give always or no"),
        ("segment-size", "5000000", "a multiple of 4KiB, such as 64MiB"),
        ("reserve-ttl", "31d", "give a duration from 1ms to 30d, such as 90s, 5m or 24h"),
        ("bind", "localhost", "give IP addresses separated by commas, such as 127.0.0.1,::1"),
        ("data-dir", "", "give the path of a directory"),
        ("allow-auto-tx", "maybe", "give yes or no"),
        ("port", "1\n2", "`1\\n2`"),
    ] {
        let err = load(&[(name, given)], &[]).expect_err(given);
        assert!(err.to_string().contains(words), "{err}");
        assert!(err.is_usage(), "a flag with a bad value is a wrong command line");
    }
    let err = load(&[], &[("CREDITD_PORT", "x")]).unwrap_err();
    assert!(err.to_string().starts_with("CREDITD_PORT: port cannot be `x`") && !err.is_usage(), "{err}");
}

#[test]
fn unknown_names_get_a_line_and_a_suggestion() {
    let refused = load_file("port = 1\n# a comment\nmax-clients = 5\n").unwrap_err();
    assert_eq!(refused, "c.toml:3: there is no setting `max-clients`, did you mean `maxclients`?");
    let refused = load_file("reserve_ttl = 5\n").unwrap_err();
    assert_eq!(refused, "c.toml:1: there is no setting `reserve_ttl`, did you mean `reserve-ttl`?");
    let refused = load_file("[net]\nport = 5\n").unwrap_err();
    assert_eq!(refused, "c.toml:1: there is no setting `net`; `creditd config explain` lists them all");
    let refused = refusal(&[], &[("CREDITD_RESERVE_TLL", "5")]);
    assert!(refused.ends_with("`CREDITD_RESERVE_TLL`, did you mean `CREDITD_RESERVE_TTL`?"), "{refused}");
    assert!(refusal(&[], &[("CREDITD_X", "5")]).contains("lists them all"));
}

#[test]
fn broken_files_are_refused_by_line() {
    assert!(load_file("port = 1\nport = 2\n").unwrap_err().starts_with("c.toml:2: "), "twice");
    assert!(load_file("port = \n").unwrap_err().starts_with("c.toml:1: "));
    assert!(load_file("port = 1.5\n").unwrap_err().starts_with("c.toml:1: port cannot be `a float`"));
    assert!(load_file("\nport = 'x'\n").unwrap_err().starts_with("c.toml:2: port cannot be `x`"));
    assert!(load_file("config = 'other.toml'\n").unwrap_err().contains("--config"));
    assert!(refusal(&[("config", "/nonexistent/c.toml")], &[]).starts_with("cannot read the configuration file"));
}

#[test]
fn an_open_bind_needs_a_password() {
    for address in ["0.0.0.0", "::", "10.1.2.3", "127.0.0.1,192.168.0.1"] {
        let err = load(&[("bind", address)], &[]).expect_err(address);
        assert!(matches!(err, ConfigError::Exposed { .. }) && !err.is_usage(), "{err}");
        assert!(err.to_string().contains("requirepass") && err.to_string().contains("--bind"), "{err}");
        load(&[("bind", address), ("requirepass", "x")], &[]).expect("a password opens it");
    }
    load(&[("bind", "127.0.0.1 ::1 127.8.8.8")], &[]).expect("loopback is open");
    let err = load(&[("admin-bind", "::"), ("requirepass", "x")], &[]).expect_err("figures are not for everyone");
    assert!(matches!(err, ConfigError::AdminExposed { .. }), "{err}");
    assert!(err.to_string().contains("admin-token") && err.to_string().contains("--admin-bind"), "{err}");
    load(&[("admin-bind", "::"), ("admin-token", "x")], &[]).expect("a token opens it");
}

#[test]
fn a_port_has_two_words() {
    for (name, text, port) in [
        ("port", "0", Some(0)),
        ("port", "any", Some(0)),
        ("port", "7379", Some(7379)),
        ("tls-port", "0", None),
        ("tls-port", "OFF", None),
    ] {
        let config = load(&[(name, text)], &[]).unwrap();
        let found = if name == "port" { config.port } else { config.tls.map(|tls| tls.port) };
        assert_eq!(found, port, "{name} {text}");
    }
    let err = refusal(&[("port", "off")], &[]);
    assert_eq!(err, "port off (--port): nobody could connect: set tls-port");
}

#[test]
fn tls_needs_its_files_and_certificates_of_clients_open_a_bind() {
    let files = [("tls-port", "any"), ("tls-cert-file", "s.crt"), ("tls-key-file", "s.key")];
    let with = |more: &[(&'static str, &'static str)]| load(&[&files, more].concat(), &[]);
    for (flags, missing) in [
        (vec![("tls-port", "1"), ("tls-auth-clients", "no")], "tls-port 1 (--tls-port): TLS needs a certificate"),
        (files.to_vec(), "set tls-ca-cert-file, or tls-auth-clients to no"),
        ([&files[..], &[("tls-auth-clients", "optional")]].concat(), "set tls-ca-cert-file"),
    ] {
        let err = refusal(&flags, &[]);
        assert!(err.contains(missing), "{err}");
    }
    let tls = with(&[("tls-auth-clients", "no"), ("tls-ca-cert-file", "ca.crt")]).unwrap().tls.unwrap();
    assert_eq!((tls.port, tls.auth_clients, tls.ca_cert_file, tls.has_tls12), (0, AuthClients::No, None, false));
    let ca = ("tls-ca-cert-file", "ca.crt");
    let both = with(&[ca, ("tls-protocols", "tlsv1.2 tlsv1.3")]).unwrap();
    assert!(both.tls.as_ref().is_some_and(|tls| tls.has_tls12) && !both.needs_certificates());
    let open = ("bind", "0.0.0.0");
    with(&[open, ca, ("port", "off")]).expect("nobody comes in without a certificate");
    for (flags, why) in [
        (vec![open, ca], "the other port asks for nothing"),
        (vec![open, ca, ("port", "off"), ("tls-auth-clients", "optional")], "who has none comes in"),
        (vec![open, ("port", "off"), ("tls-auth-clients", "no")], "anyone comes in"),
    ] {
        assert!(matches!(with(&flags), Err(ConfigError::Exposed { .. })), "{why}");
    }
}

#[test]
fn history_goes_only_when_ids_may_be_forgotten() {
    let err = load(&[("history-retention", "30d"), ("tx-retention", "forever")], &[]).expect_err("ids need records");
    assert!(matches!(err, ConfigError::HistoryOfIds { .. }), "{err}");
    assert!(err.to_string().contains("--history-retention") && err.to_string().contains("tx-retention"), "{err}");
    load(&[("history-retention", "30d")], &[]).expect("ids are forgotten after a day");
    load(&[("tx-retention", "forever")], &[]).expect("history is kept for ever");
}

#[test]
fn the_password_and_the_token_are_never_shown() {
    let canary = " hunter-canary ";
    let config = load(&[("requirepass", canary), ("admin-token", canary)], &[]).unwrap();
    let password = config.requirepass.as_ref().unwrap();
    assert!(password.matches(canary.as_bytes()), "spaces are part of it");
    for given in ["", "hunter-canary", " hunter-canary", " hunter-canary  ", " hunter-canarY "] {
        assert!(!password.matches(given.as_bytes()), "{given:?}");
    }
    let mut shown = format!("{config:?}");
    shown += &config.settings().get("requirepass").display();
    shown += &config.settings().get("admin-token").display();
    shown += &format!("{:?}", config.parameters(1, 2, |_| true));
    shown += &refusal(&[("requirepass", &canary.repeat(100))], &[]);
    assert!(!shown.contains("hunter"), "{shown}");
    assert_eq!(config.settings().get("requirepass").display(), "(set)");
    assert_eq!(load(&[], &[("CREDITD_REQUIREPASS", "")]).unwrap().requirepass, None, "empty = none, as in Redis");
}

#[test]
fn config_get_speaks_redis_and_our_own_names() {
    let config = load(&[("timeout", "300"), ("reserve-ttl", "90s")], &[]).unwrap();
    let get = |wanted: &str| config.parameters(4711, 4712, |name| name == wanted);
    assert_eq!(get("save"), [("save", String::new())]);
    assert_eq!(get("appendonly"), [("appendonly", "yes".into())]);
    assert_eq!(get("databases"), [("databases", "1".into())]);
    assert_eq!(get("timeout"), [("timeout", "300".into())], "seconds, as Redis clients parse it");
    assert_eq!(get("reserve-ttl"), [("reserve-ttl", "90s".into())]);
    assert_eq!(get("maxmemory-policy"), [("maxmemory-policy", "noeviction".into())]);
    assert_eq!(get("port"), [("port", "4711".into())], "the port that was bound");
    assert_eq!(get("tls-port"), [("tls-port", "4712".into())]);
    assert_eq!(get("tls-auth-clients"), [("tls-auth-clients", "yes".into())]);
    assert_eq!(get("inline-sync-max"), [("inline-sync-max", "1ms".into())]);
    assert_eq!(get("no-such-thing"), []);
    let all = config.parameters(4711, 4712, |_| true);
    for name in KNOBS.iter().map(|knob| knob.name) {
        assert_eq!(all.iter().filter(|(known, _)| *known == name).count(), 1, "{name} is answered once");
    }
}
