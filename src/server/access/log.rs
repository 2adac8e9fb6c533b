//! ACL LOG: what users were denied, of all cores.
//!
//! A core that has a denial to tell does not wait for another one: under a flood on several cores some are not told. They
//! are all counted (`credit_errors_total`).

use super::super::engine::Engine;
use super::Access;
use crate::access::{Denial, Denials};
use crate::commands::reply::Encoder;
use std::sync::MutexGuard;

impl Access {
    /// What users were denied.
    pub(in crate::server) fn denials(&self) -> MutexGuard<'_, Denials> {
        self.denials.lock().expect("a thread that panics ends the process")
    }
}

impl Engine {
    /// See [`crate::net::connection::Host::denied`].
    pub(in crate::server) fn note_denial(
        &self,
        user: &str,
        denial: &Denial<'_>,
        in_multi: bool,
        client: impl FnOnce() -> String,
    ) {
        if let Ok(mut denials) = self.shared.access.denials.try_lock() {
            denials.note(user, denial, in_multi, client(), self.now_ms());
        }
    }
}

/// Redis' fields.
pub(super) fn show(denials: &Denials, count: usize, now_ms: u64, e: &mut Encoder<'_>) {
    let entries = denials.newest(count);
    e.array(entries.len());
    for entry in entries {
        e.map(10);
        e.number("count", entry.count);
        e.field("reason", entry.reason);
        e.field("context", if entry.in_multi { "multi" } else { "toplevel" });
        e.text("object");
        e.bulk(&entry.object);
        e.field("username", &entry.user);
        e.text("age-seconds");
        e.thousandths(now_ms.saturating_sub(entry.updated_ms));
        e.field("client-info", &entry.client);
        e.number("entry-id", entry.id);
        e.number("timestamp-created", entry.created_ms);
        e.number("timestamp-last-updated", entry.updated_ms);
    }
}
