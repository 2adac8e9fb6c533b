//! Readers of streams, and subscribers.

use super::{Family, family};
use prometheus_client::metrics::MetricType::{Counter, Gauge};
use prometheus_client::registry::Unit;

pub(super) const FAMILIES: &[Family] = &[
    family("credit_feed_waiting", None, Gauge, "", "Connections that wait for an entry of a stream", |looked, out| {
        out.gauge(&[], looked.view.feed.blocked)
    }),
    family(
        "credit_feed_subscribers",
        None,
        Gauge,
        "",
        "Connections that are subscribed to something",
        |looked, out| out.gauge(&[], looked.view.feed.subscribed),
    ),
    family(
        "credit_feed_lag",
        Some(Unit::Bytes),
        Gauge,
        "shard",
        "Log that is durable and not yet shown to those who wait for events or listen; 0 where nobody does",
        |looked, out| out.by_shard(looked, |shard| shard.feed_lag_bytes),
    ),
    family(
        "credit_feed_messages_lost",
        None,
        Counter,
        "",
        "Messages for subscribers for which there was no room between threads; streams have them",
        |looked, out| out.counter(&[], looked.view.server.messages_lost),
    ),
];
