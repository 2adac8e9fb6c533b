//! The simplest outside model: grants of one credit each, and how many were acknowledged.

use std::collections::VecDeque;

use crate::server::Server;
use crate::wire::{Wire, info, request};

/// Grants in a pipeline.
const DEPTH: usize = 50;

/// Grants of one credit, each with an id of its own.
pub struct Tally {
    /// They are given to so many accounts in turn.
    accounts: u64,
    /// Bytes in each record that only take room.
    padding: usize,
    made: u64,
    acknowledged: u64,
    /// Not executed, executed and not answered, or refused.
    open: VecDeque<u64>,
}

impl Tally {
    /// Nothing is granted yet.
    pub fn new(accounts: u64, padding: usize) -> Self {
        Self { accounts, padding, made: 0, acknowledged: 0, open: VecDeque::new() }
    }

    /// How many grants were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Grants so often. `false`: the connection ended, or the server refused.
    pub fn grant(&mut self, wire: &mut Wire, count: usize) -> bool {
        for _ in 0..count / DEPTH {
            let first = self.open.len();
            self.open.extend(self.made..self.made + DEPTH as u64);
            self.made += DEPTH as u64;
            if !self.ask(wire, first) {
                return false;
            }
        }
        true
    }

    /// What was acknowledged is there, and what is open is there once or not at all, and once when it is asked again.
    pub fn check(&mut self, server: &Server) {
        let mut wire = server.connect();
        let there = balance(&mut wire);
        let (least, most) = (self.acknowledged, self.acknowledged + self.open.len() as u64);
        assert!(least <= there && there <= most, "{there} credits, {least} acknowledged of {most}\n{}", server.log());
        while !self.open.is_empty() {
            assert!(self.ask(&mut wire, 0), "{}", server.log());
        }
        assert_eq!(balance(&mut wire), self.acknowledged, "once each");
    }

    /// Sends a pipeline of open grants, from the one that stands at `first`.
    fn ask(&mut self, wire: &mut Wire, first: usize) -> bool {
        let asked: Vec<_> = self.open.iter().skip(first).take(DEPTH).copied().collect();
        let padding = "m".repeat(self.padding);
        let line = |n: &u64| request(&format!("CREDIT.GRANT acct:{} g{n} 1 META m{padding}", n % self.accounts));
        if wire.try_send(&asked.iter().flat_map(line).collect::<Vec<_>>()).is_err() {
            return false;
        }
        let mut refused = false;
        for n in asked {
            let Some(reply) = wire.next() else { return false };
            if reply.is_refusal() {
                refused = true;
                continue;
            }
            assert!(reply.line().contains("granted"), "{}", reply.line());
            self.open.retain(|open| *open != n);
            self.acknowledged += 1;
        }
        !refused
    }
}

/// The credits of all accounts.
fn balance(wire: &mut Wire) -> u64 {
    info(wire, "credits", "balance").parse().expect("a number")
}
