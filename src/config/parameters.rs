//! CONFIG GET: the names that Redis clients and tools ask for, then every knob under its own name.
//!
//! A client that asks for `maxmemory-policy` or `databases` wants to know how the server behaves, not how it was set
//! up; those answers are facts of this server in the words of Redis.

use super::Config;

impl Config {
    /// Each parameter that is wanted, once, with its value. Passwords are shown as empty; `port` and `tls_port` are the ports
    /// that were bound, 0 = none. Which names match which patterns is the language's business.
    pub fn parameters(&self, port: u16, tls_port: u16, want: impl Fn(&str) -> bool) -> Vec<(&'static str, String)> {
        let mut found = self.redis_parameters(port, tls_port);
        for setting in self.settings.iter() {
            let name = setting.knob.name;
            if !found.iter().any(|(known, _)| *known == name) {
                found.push((name, setting.display()));
            }
        }
        found.retain(|(name, _)| want(name));
        found
    }

    /// What Redis tools ask for (redis-protocol.md D), with numbers in the units of Redis.
    fn redis_parameters(&self, port: u16, tls_port: u16) -> Vec<(&'static str, String)> {
        let text = |text: &str| text.to_string();
        let seconds = |ms: Option<u64>| (ms.unwrap_or(0) / 1_000).to_string();
        vec![
            ("appendfsync", text(self.appendfsync.word())),
            ("appendonly", text("yes")),
            ("bind", self.settings.get("bind").display()),
            ("client-output-buffer-limit", format!("normal {0} 0 0 slave 0 0 0 pubsub {0} 0 0", self.output_bytes_max)),
            ("client-query-buffer-limit", self.frame_bytes_max.to_string()),
            ("cluster-enabled", text("no")),
            ("databases", text("1")),
            ("dir", self.data_dir.display().to_string()),
            ("hz", text("10")),
            ("io-threads", text("1")),
            ("latency-monitor-threshold", self.latency_spike_us.unwrap_or(0).div_ceil(1_000).to_string()),
            ("latency-tracking", text("yes")),
            ("latency-tracking-info-percentiles", text("50 99 99.9")),
            ("maxclients", self.maxclients.to_string()),
            ("maxmemory", text("0")),
            ("maxmemory-policy", text("noeviction")),
            ("notify-keyspace-events", text("")),
            ("port", port.to_string()),
            ("proto-max-bulk-len", self.frame_bytes_max.to_string()),
            ("replica-read-only", text("yes")),
            ("requirepass", text("")),
            ("save", text("")),
            ("slave-read-only", text("yes")),
            ("slowlog-log-slower-than", self.slowlog_slower_than_us.map_or_else(|| text("-1"), |us| us.to_string())),
            ("slowlog-max-len", self.slowlog_len_max.to_string()),
            ("tcp-keepalive", seconds(self.tcp_keepalive_ms)),
            ("timeout", seconds(self.timeout_ms)),
            ("tls-port", tls_port.to_string()),
        ]
    }
}
