//! CONFIG GET: the names that Redis clients and tools ask for, then every knob under its own name.
//!
//! A client that asks for `maxmemory-policy` or `databases` wants to know how the server behaves, not how it was set
//! up; those answers are facts of this server in the words of Redis.

use super::{Appendfsync, Config, glob};

impl Config {
    /// Each parameter that matches one of `patterns` (globs, either case), once, with its value. An unknown name is
    /// no error: it matches nothing. Passwords are shown as empty.
    pub fn parameters(&self, patterns: &[&[u8]]) -> Vec<(&'static str, String)> {
        let mut found = self.redis_parameters();
        for setting in self.settings.iter() {
            let name = setting.knob.name;
            if !found.iter().any(|(known, _)| *known == name) {
                found.push((name, setting.display()));
            }
        }
        found.retain(|(name, _)| patterns.iter().any(|pattern| glob::matches(pattern, name.as_bytes())));
        found
    }

    /// What Redis tools ask for (redis-protocol.md D), with numbers in the units of Redis.
    fn redis_parameters(&self) -> Vec<(&'static str, String)> {
        let text = |text: &str| text.to_string();
        let seconds = |ms: Option<u64>| (ms.unwrap_or(0) / 1_000).to_string();
        let always = self.appendfsync == Appendfsync::Always;
        vec![
            ("appendfsync", text(if always { "always" } else { "no" })),
            ("appendonly", text("yes")),
            ("bind", self.settings.get("bind").display()),
            ("client-output-buffer-limit", format!("normal {0} 0 0 slave 0 0 0 pubsub {0} 0 0", self.output_bytes_max)),
            ("client-query-buffer-limit", self.frame_bytes_max.to_string()),
            ("cluster-enabled", text("no")),
            ("databases", text("1")),
            ("dir", self.data_dir.display().to_string()),
            ("hz", text("10")),
            ("io-threads", text("1")),
            ("latency-monitor-threshold", text("0")),
            ("latency-tracking", text("yes")),
            ("latency-tracking-info-percentiles", text("50 99 99.9")),
            ("maxclients", self.maxclients.to_string()),
            ("maxmemory", text("0")),
            ("maxmemory-policy", text("noeviction")),
            ("notify-keyspace-events", text("")),
            ("port", self.port.to_string()),
            ("proto-max-bulk-len", self.frame_bytes_max.to_string()),
            ("replica-read-only", text("yes")),
            ("requirepass", text("")),
            ("save", text("")),
            ("slave-read-only", text("yes")),
            ("slowlog-log-slower-than", text("-1")),
            ("slowlog-max-len", text("0")),
            ("tcp-keepalive", seconds(self.tcp_keepalive_ms)),
            ("timeout", seconds(self.timeout_ms)),
            ("tls-auth-clients", text("no")),
            ("tls-port", text("0")),
        ]
    }
}
