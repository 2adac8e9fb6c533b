//! The layers: default < TOML file < variable < flag. The last one that speaks wins, and each value knows who spoke.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::knobs::{KNOBS, Kind, Knob};
use super::secret::Secret;
use super::value::{Value, expected};

/// Who set a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody.
    Default,
    /// The TOML file.
    File {
        /// As it was given.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
    /// An environment variable with this name.
    Variable(String),
    /// A flag with this name.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// What is wrong with a configuration, in words for the operator.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A name that no knob has.
    #[error("{place}: there is no setting `{name}`{}", did_you_mean(.suggestion))]
    Unknown {
        /// As it was given.
        name: String,
        /// Where.
        place: Source,
        /// The nearest name, if one is near.
        suggestion: Option<String>,
    },
    /// A value that is none, or out of range.
    #[error("{place}: {name} cannot be {given}: give {expected}")]
    Invalid {
        /// The knob.
        name: &'static str,
        /// As it was given, in quotes; a secret is not repeated.
        given: String,
        /// Where.
        place: Source,
        /// What a value looks like.
        expected: String,
    },
    /// The file names itself.
    #[error("{place}: config cannot be set in the file: use --config or CREDITD_CONFIG")]
    Nested {
        /// Where.
        place: Source,
    },
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {reason}", .path.display())]
    Unreadable {
        /// As it was given.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// The file is no TOML.
    #[error("{place}: {message}")]
    Malformed {
        /// Where.
        place: Source,
        /// What the parser said.
        message: String,
    },
    /// Log files may go while every id in them is remembered.
    #[error(
        "history-retention {history} ({place}) cannot be kept while tx-retention is forever: every remembered id needs \
         its record; set tx-retention to the time in which retries end, or history-retention to forever"
    )]
    HistoryOfIds {
        /// The retention that was asked for.
        history: String,
        /// By whom.
        place: Source,
    },
    /// Settings of TLS, or of the ports, that do not go together.
    #[error("{name} {given} ({place}): {reason}")]
    Tls {
        /// The knob that asks for more than is there.
        name: &'static str,
        /// Its value.
        given: String,
        /// By whom.
        place: Source,
        /// What is missing, and the way out.
        reason: &'static str,
    },
    /// Open to other machines without a password.
    #[error(
        "bind {address} ({place}) lets other machines in and no password is set, so anyone could move credits: \
         set requirepass (CREDITD_REQUIREPASS=..., or in the file), or serve TLS alone to clients with certificates \
         (port off, tls-auth-clients yes), or bind to 127.0.0.1"
    )]
    Exposed {
        /// The address that is no loopback address.
        address: IpAddr,
        /// Who asked for it.
        place: Source,
    },
    /// Figures open to other machines without a token.
    #[error(
        "admin-bind {address} ({place}) lets other machines in and no token is set, so anyone could read the figures: \
         set admin-token (CREDITD_ADMIN_TOKEN=..., or in the file), or bind to 127.0.0.1"
    )]
    AdminExposed {
        /// The address that is no loopback address.
        address: IpAddr,
        /// Who asked for it.
        place: Source,
    },
}

impl ConfigError {
    /// Whether the command line itself is wrong (exit 64), rather than what it names (exit 78).
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Invalid { place: Source::Flag(_), .. })
    }
}

/// The value of one knob.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Whose.
    pub knob: &'static Knob,
    /// In range.
    pub value: Value,
    /// Who set it.
    pub source: Source,
}

impl Setting {
    /// The value in the words of its knob; secrets stay hidden.
    pub fn display(&self) -> String {
        self.value.display(self.knob.kind)
    }
}

/// One [`Setting`] for each knob, in the order of the table.
#[derive(Clone, Debug)]
pub struct Settings(Vec<Setting>);

impl Settings {
    /// Lays the layers over each other; see [`super::Config::load`].
    pub(super) fn gather(
        flags: impl IntoIterator<Item = (&'static str, String)>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut settings = Self::defaults();
        let mut upper = Vec::new();
        for (name, text) in variables {
            if name.starts_with("CREDITD_") {
                upper.push((variable_knob(&name)?, text, Source::Variable(name)));
            }
        }
        for (name, text) in flags {
            let knob = Knob::named(name).expect("flags are made from the table");
            upper.push((knob, text, Source::Flag(knob.flag())));
        }
        // The upper layers say which file is the lower one.
        for (knob, text, source) in upper.iter().filter(|(knob, ..)| knob.kind == Kind::File) {
            settings.set(knob, text, source.clone())?;
        }
        let file = settings.path("config");
        if !file.as_os_str().is_empty() {
            settings.read_file(&file)?;
        }
        for (knob, text, source) in upper {
            settings.set(knob, &text, source)?;
        }
        Ok(settings)
    }

    /// The setting of a knob of the table.
    pub fn get(&self, name: &str) -> &Setting {
        self.0.iter().find(|setting| setting.knob.name == name).expect("the caller names a knob of the table")
    }

    /// All settings, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.0.iter()
    }

    pub(super) fn count(&self, name: &str) -> u64 {
        let Value::Number(n) = self.get(name).value else { panic!("{name} is a number") };
        n
    }

    /// Microseconds; `None` = forever.
    pub(super) fn duration_us(&self, name: &str) -> Option<u64> {
        if self.get(name).value == Value::Forever { None } else { Some(self.count(name)) }
    }

    pub(super) fn switch(&self, name: &str) -> bool {
        let Value::Switch(on) = self.get(name).value else { panic!("{name} is a switch") };
        on
    }

    pub(super) fn choice(&self, name: &str) -> &'static str {
        let Value::Word(word) = self.get(name).value else { panic!("{name} is a word") };
        word
    }

    pub(super) fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let Value::Addresses(list) = &self.get(name).value else { panic!("{name} is a list of addresses") };
        list.clone()
    }

    /// A port; `None` = off, 0 = any free one.
    pub(super) fn port(&self, name: &str) -> Option<u16> {
        match self.get(name).value {
            Value::Number(port) => Some(port as u16),
            Value::Word("any") => Some(0),
            _ => None,
        }
    }

    /// `None` = empty.
    pub(super) fn optional_path(&self, name: &str) -> Option<PathBuf> {
        Some(self.path(name)).filter(|path| !path.as_os_str().is_empty())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        let Value::Path(path) = &self.get(name).value else { panic!("{name} is a path") };
        path.clone()
    }

    pub(super) fn secret(&self, name: &str) -> Option<Secret> {
        let Value::Secret(secret) = &self.get(name).value else { panic!("{name} is a secret") };
        secret.clone()
    }

    fn defaults() -> Self {
        let setting = |knob: &'static Knob| {
            let value = Value::parse(knob.kind, knob.default).expect("every default parses, says a test");
            Setting { knob, value, source: Source::Default }
        };
        Self(KNOBS.iter().map(setting).collect())
    }

    fn set(&mut self, knob: &'static Knob, text: &str, source: Source) -> Result<(), ConfigError> {
        let Some(value) = Value::parse(knob.kind, text) else {
            let given =
                if knob.kind == Kind::Secret { "this text".into() } else { format!("`{}`", text.escape_debug()) };
            return Err(ConfigError::Invalid { name: knob.name, given, place: source, expected: expected(knob.kind) });
        };
        let setting = self.0.iter_mut().find(|setting| setting.knob.name == knob.name).expect("one for each knob");
        setting.value = value;
        setting.source = source;
        Ok(())
    }

    fn read_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let unreadable = |reason| ConfigError::Unreadable { path: path.into(), reason };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let place = |offset: usize| {
            let line = 1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|&&byte| byte == b'\n').count();
            Source::File { path: path.into(), line }
        };
        let table = DeTable::parse(&text).map_err(|err| ConfigError::Malformed {
            place: place(err.span().map_or(0, |span| span.start)),
            message: err.message().into(),
        })?;
        // By line, so that the first error is the first in the file.
        let mut entries: Vec<_> = table.get_ref().iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let place = place(key.span().start);
            let name: &str = key.get_ref();
            let Some(knob) = Knob::named(name) else {
                let suggestion = nearest(name, KNOBS.iter().map(|knob| knob.name.to_string()));
                return Err(ConfigError::Unknown { name: name.into(), place, suggestion });
            };
            if knob.kind == Kind::File {
                return Err(ConfigError::Nested { place });
            }
            let text = plain(value.get_ref()).unwrap_or_else(|| format!("a {}", value.get_ref().type_str()));
            self.set(knob, &text, place)?;
        }
        Ok(())
    }
}

/// A TOML value as the text that a flag would have; `None` for what no knob takes.
fn plain(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(integer) => Some(integer.to_string()),
        DeValue::Boolean(on) => Some(if *on { "yes" } else { "no" }.into()),
        DeValue::Array(items) => {
            let texts = items.iter().map(|item| item.get_ref().as_str()).collect::<Option<Vec<_>>>()?;
            Some(texts.join(","))
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

fn variable_knob(name: &str) -> Result<&'static Knob, ConfigError> {
    KNOBS.iter().find(|knob| knob.variable() == name).ok_or_else(|| ConfigError::Unknown {
        name: name.into(),
        place: Source::Variable("environment".into()),
        suggestion: nearest(name, KNOBS.iter().map(Knob::variable)),
    })
}

/// The candidate most like `name`, if one is alike at all.
fn nearest(name: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    // Seven tenths keeps typos and swapped words, and drops names that only share their prefix.
    const ALIKE: f64 = 0.7;
    candidates
        .map(|candidate| {
            (strsim::normalized_damerau_levenshtein(&name.to_lowercase(), &candidate.to_lowercase()), candidate)
        })
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

fn did_you_mean(suggestion: &Option<String>) -> String {
    match suggestion {
        Some(name) => format!(", did you mean `{name}`?"),
        None => "; `creditd config explain` lists them all".into(),
    }
}
