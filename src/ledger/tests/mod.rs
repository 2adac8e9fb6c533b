//! The rules, shown three ways: scripts of what a caller sees, random walks beside a naive model, and figures.

use crate::ledger;

mod desk;
mod lead_desk;
mod limits;
#[path = "../../../tests/model/mod.rs"]
mod model;
mod random;
mod refunds;
mod script;
mod snapshots;
mod tables;
