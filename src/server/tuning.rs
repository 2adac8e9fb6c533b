//! CONFIG SET: the few parameters that can change while the server runs, for its operator's convenience. Nothing here
//! changes what happens to money, and nothing outlives the process.

use super::shared::Shared;
use crate::commands::refusal::printable;
use crate::commands::server::config::Assignments;
use crate::config::Config;
use crate::config::knobs::{ACLLOG_LEN_MAX, SLOWLOG_LEN_MAX};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

/// What has no other place to be changed at.
pub(super) struct Tuning {
    maxclients: AtomicU64,
    /// 0: connections may be idle for ever.
    timeout_s: AtomicU64,
}

/// A parameter that can be set, a whole number as CONFIG GET shows it.
struct Parameter {
    name: &'static str,
    min: i64,
    max: fn(&Shared) -> i64,
    get: fn(&Shared) -> i64,
    set: fn(&Shared, i64),
}

const DAY_US: i64 = 86_400_000_000;
const YEAR_S: i64 = 366 * 86_400;

const SETTABLE: [Parameter; 6] = [
    Parameter {
        name: "acllog-max-len",
        min: 0,
        max: |_| ACLLOG_LEN_MAX as i64,
        get: |shared| shared.access.denials().len_max() as i64,
        set: |shared, len| shared.access.denials().set_len_max(len as usize),
    },
    Parameter {
        name: "latency-monitor-threshold",
        min: 0,
        max: |_| DAY_US / 1_000,
        get: |shared| shared.slow.spike_ms() as i64,
        set: |shared, ms| shared.slow.set_spike_ms(ms as u64),
    },
    // No more than at the start, when the file descriptors for them were made sure of.
    Parameter {
        name: "maxclients",
        min: 1,
        max: |shared| shared.config.maxclients as i64,
        get: |shared| shared.tuning.maxclients() as i64,
        set: |shared, clients| shared.tuning.maxclients.store(clients as u64, Ordering::Relaxed),
    },
    Parameter {
        name: "slowlog-log-slower-than",
        min: -1,
        max: |_| DAY_US,
        get: |shared| shared.slow.slower_than_us().map_or(-1, |us| us as i64),
        set: |shared, us| shared.slow.set_slower_than_us(u64::try_from(us).ok()),
    },
    Parameter {
        name: "slowlog-max-len",
        min: 0,
        max: |_| SLOWLOG_LEN_MAX as i64,
        get: |shared| shared.slow.log().len_max() as i64,
        set: |shared, len| shared.slow.log().set_len_max(len as usize),
    },
    Parameter {
        name: "timeout",
        min: 0,
        max: |_| YEAR_S,
        get: |shared| shared.tuning.timeout_s.load(Ordering::Relaxed) as i64,
        set: |shared, seconds| shared.tuning.timeout_s.store(seconds as u64, Ordering::Relaxed),
    },
];

impl Tuning {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            maxclients: AtomicU64::new(config.maxclients as u64),
            timeout_s: AtomicU64::new(config.timeout_ms.unwrap_or(0).div_ceil(1_000)),
        }
    }

    /// Connections at most.
    pub(super) fn maxclients(&self) -> usize {
        self.maxclients.load(Ordering::Relaxed) as usize
    }

    /// How long a connection may be silent; `None`: for ever.
    pub(super) fn timeout_ms(&self) -> Option<u64> {
        Some(self.timeout_s.load(Ordering::Relaxed) * 1_000).filter(|ms| *ms > 0)
    }
}

impl Shared {
    /// The wanted parameters as they are now.
    pub(super) fn parameters(&self, want: impl Fn(&str) -> bool) -> Vec<(&'static str, String)> {
        let port = |port: &AtomicU16| port.load(Ordering::Relaxed);
        let mut pairs = self.config.parameters(port(&self.port), port(&self.tls_port), want);
        for (name, value) in &mut pairs {
            if let Some(parameter) = SETTABLE.iter().find(|parameter| parameter.name == *name) {
                *value = (parameter.get)(self).to_string();
            }
        }
        pairs
    }

    /// Sets all that is named, or nothing and says why, in Redis' words. To set what is so already is no change.
    pub(super) fn set_parameters(&self, assignments: &Assignments<'_>) -> Result<(), String> {
        let (mut changes, mut seen) = (Vec::new(), Vec::new());
        for (word, value) in assignments.pairs() {
            let name = printable(word, 128).to_ascii_lowercase();
            let failed =
                |why: &str| Err(format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}"));
            let Some((_, now)) = self.parameters(|known| known == name).pop() else {
                return Err(format!("ERR Unknown option or number of arguments for CONFIG SET - '{name}'"));
            };
            if seen.contains(&name) {
                return failed("duplicate parameter");
            }
            if let Some(parameter) = SETTABLE.iter().find(|parameter| parameter.name == name) {
                let (min, max) = (parameter.min, (parameter.max)(self));
                let Some(number) = str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok()) else {
                    return failed("argument couldn't be parsed into an integer");
                };
                if !(min..=max).contains(&number) {
                    return failed(&format!("argument must be between {min} and {max} inclusive"));
                }
                changes.push((parameter, number));
            } else if name == "requirepass" || now.as_bytes() != value {
                return failed("can't set immutable config");
            }
            seen.push(name);
        }
        changes.into_iter().for_each(|(parameter, number)| (parameter.set)(self, number));
        Ok(())
    }
}
