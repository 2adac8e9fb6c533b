//! Configuration: no text panics, what is refused names who said it, what is accepted can be said again as it is
//! shown, and the password is never shown.
//!
//! ```text
//! input   TOML NUL name=value NUL name=value ...      a capital name is a variable, any other a flag
//! ```

#![no_main]

use creditd::config::knobs::{KNOBS, Kind, Knob};
use creditd::config::{Config, ConfigError, Source};
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

type Flag = (&'static str, String);

thread_local! {
    /// Without a name, so that nothing is left behind; found by its descriptor.
    static FILE: RefCell<File> = RefCell::new(nameless_file());
}

fuzz_target!(|input: &[u8]| {
    let mut parts = input.split(|&byte| byte == 0);
    let path = FILE.with_borrow(|file| {
        let toml = parts.next().unwrap_or_default();
        file.set_len(0).and_then(|()| file.write_all_at(toml, 0)).expect("a file of our own");
        format!("/proc/self/fd/{}", file.as_raw_fd())
    });
    let (mut flags, mut variables) = (vec![("config", path)], Vec::new());
    for (name, value) in parts.filter_map(|part| str::from_utf8(part).ok()?.split_once('=')) {
        if name.starts_with(|first: char| first.is_ascii_uppercase()) {
            // It could name any file of this machine.
            variables.extend((name != "CREDITD_CONFIG").then(|| (name.to_owned(), value.to_owned())));
        } else if let Some(knob) = Knob::named(name).filter(|knob| knob.kind != Kind::File) {
            flags.push((knob.name, value.to_owned()));
        }
    }
    match Config::load(flags, variables) {
        Ok(config) => check_accepted(&config),
        Err(error) => check_refused(&error),
    }
});

fn nameless_file() -> File {
    let path = std::env::temp_dir().join(format!("creditd-fuzz-{}.toml", std::process::id()));
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).expect("a file");
    std::fs::remove_file(path).expect("it was just made");
    file
}

fn check_accepted(config: &Config) {
    let shown = |config: &Config| -> Vec<Flag> {
        let settings = config.settings().iter().filter(|setting| setting.knob.kind != Kind::File);
        settings.map(|setting| (setting.knob.name, setting.display())).collect()
    };
    let first = shown(config);
    let again = Config::load(first.clone(), []).unwrap_or_else(|error| panic!("{error}: {first:?}"));
    assert_eq!(first, shown(&again), "what is shown can be given");
    let values = |config: &Config| -> Vec<_> {
        let settings = config.settings().iter().filter(|s| !matches!(s.knob.kind, Kind::File | Kind::Secret));
        settings.map(|setting| setting.value.clone()).collect()
    };
    assert_eq!(values(config), values(&again), "and means the same");
    // The corpus has passwords with this word, which nothing else has.
    assert!(!format!("{config:?}").contains("hunter2"), "a password shows");
}

fn check_refused(error: &ConfigError) {
    let text = error.to_string();
    assert!(text.len() > 10 && !text.contains('\0'), "{text:?}");
    let place = match error {
        ConfigError::Unknown { place, .. } | ConfigError::Invalid { place, .. } => place,
        ConfigError::Nested { place } | ConfigError::Malformed { place, .. } => place,
        ConfigError::HistoryOfIds { place, .. } | ConfigError::Tls { place, .. } => place,
        ConfigError::Exposed { place, .. } | ConfigError::AdminExposed { place, .. } => place,
        ConfigError::Unreadable { .. } => return,
    };
    match place {
        Source::Default => panic!("no default is refused: {text}"),
        Source::File { line, .. } => assert!(*line >= 1 && text.contains("/proc/self/fd/"), "{text}"),
        Source::Variable(_) => assert!(text.contains("environment") || text.contains("CREDITD_"), "{text}"),
        Source::Flag(flag) => assert!(text.contains(flag) && KNOBS.iter().any(|knob| knob.flag() == *flag), "{text}"),
    }
}
