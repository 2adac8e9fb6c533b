//! What the server holds: accounts, credits, holds, leads, and whether they add up.

use super::{Family, family};
use prometheus_client::metrics::MetricType::{Counter, Gauge};
use prometheus_client::registry::Unit;

pub(super) const FAMILIES: &[Family] = &[
    family("credit_accounts", None, Gauge, "", "Accounts", |looked, out| out.gauge(&[], looked.view.totals.accounts)),
    family("credit_credits", None, Gauge, "state", "Credits of all accounts: balance, and the reserved part of it", {
        |looked, out| {
            out.gauge(&[("state", "balance")], looked.view.totals.balance as f64)?;
            out.gauge(&[("state", "reserved")], looked.view.totals.reserved as f64)
        }
    }),
    family("credit_moved_credits", None, Counter, "by", "Credits moved since the log began, by what moved them", {
        |looked, out| {
            let totals = &looked.view.totals;
            let by = [
                ("grant", totals.granted),
                ("debit", totals.debited),
                ("capture", totals.captured),
                ("refund", totals.refunded),
            ];
            by.iter().try_for_each(|(by, credits)| out.counter(&[("by", by)], *credits as f64))
        }
    }),
    family("credit_holds_open", None, Gauge, "", "Active reservations, those of claims included", |looked, out| {
        out.gauge(&[], looked.view.totals.holds)
    }),
    family(
        "credit_holds_expired",
        None,
        Counter,
        "",
        "Reservations that ran out, since the log began",
        |looked, out| out.counter(&[], looked.view.totals.expired),
    ),
    family(
        "credit_timer_lag",
        Some(Unit::Seconds),
        Gauge,
        "shard",
        "By how much the oldest deadline of a reservation is overdue; expiry is exact for who asks, whatever this says",
        |looked, out| out.by_shard(looked, |shard| shard.overdue_ms as f64 / 1e3),
    ),
    family("credit_transaction_ids", None, Gauge, "", "Transaction ids that are remembered", |looked, out| {
        out.gauge(&[], looked.view.shard_sum(|shard| shard.transactions))
    }),
    family("credit_leads", None, Gauge, "state", "Leads that are open, and those that are over", |looked, out| {
        let open = looked.view.shard_sum(|shard| shard.leads.open);
        out.gauge(&[("state", "open")], open)?;
        out.gauge(&[("state", "over")], looked.view.shard_sum(|shard| shard.leads.leads) - open)
    }),
    family("credit_lead_slots_taken", None, Gauge, "", "Slots of leads that are taken", |looked, out| {
        out.gauge(&[], looked.view.shard_sum(|shard| shard.leads.claims))
    }),
    family("credit_claims_running", None, Gauge, "", "Claims between their hold and their end", |looked, out| {
        out.gauge(&[], looked.view.shard_sum(|shard| shard.leads.running))
    }),
    family("credit_memory", Some(Unit::Bytes), Gauge, "table", "Memory of accounts, transaction ids and leads", {
        |looked, out| {
            out.gauge(&[("table", "accounts")], looked.view.shard_sum(|shard| shard.account_bytes))?;
            out.gauge(&[("table", "transactions")], looked.view.shard_sum(|shard| shard.transaction_bytes))?;
            out.gauge(&[("table", "leads")], looked.view.shard_sum(|shard| shard.leads.bytes))
        }
    }),
    family(
        "credit_invariant_violations",
        None,
        Counter,
        "",
        "Accounts in memory whose figures and holds did not agree when the sweep checked them: a bug",
        |looked, out| out.counter(&[], looked.view.count(|core| core.invariant_violations)),
    ),
    family("credit_leads_checked", None, Counter, "", "Leads that the sweep has checked", |looked, out| {
        out.counter(&[], looked.view.count(|core| core.leads_checked))
    }),
    family("credit_accounts_checked", None, Counter, "", "Accounts that the sweep has checked", |looked, out| {
        out.counter(&[], looked.view.count(|core| core.accounts_checked))
    }),
];
