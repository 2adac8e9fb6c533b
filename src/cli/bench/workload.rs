//! What is asked of which account: the workloads, and the small generators behind them.
//!
//! Deterministic: the same thread of the same plan asks the same accounts in the same order. Absent on purpose: time;
//! when a command is due is the worker's business.

use serde::{Deserialize, Serialize};

/// A command of the test. Every amount is one credit, so money is counted by counting replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// Opens an account with [`FUNDS`](super::target::FUNDS), once.
    Fund,
    Debit,
    Reserve,
    Capture,
    Balance,
    Ping,
    /// A lead with three slots; when it is there its claim follows.
    Open,
    Claim,
    /// A claim of the run's first lead.
    Race,
}

impl Op {
    /// All, in the order of their discriminants.
    pub(super) const ALL: [Self; 9] = [
        Self::Fund,
        Self::Debit,
        Self::Reserve,
        Self::Capture,
        Self::Balance,
        Self::Ping,
        Self::Open,
        Self::Claim,
        Self::Race,
    ];

    /// Its name in reports.
    pub(super) fn name(self) -> &'static str {
        ["fund", "debit", "reserve", "capture", "balance", "ping", "open", "claim", "race"][self as usize]
    }
}

/// One command to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) op: Op,
    pub(super) account: u32,
    /// Makes the transaction id; a CAPTURE has that of its RESERVE, a claim that of its lead.
    pub(super) number: u64,
}

/// Which commands, and which accounts they fall on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Workload {
    /// Every account once, in order: preparation, not offered on the command line.
    Fund,
    Debit,
    ReserveCapture,
    Balance,
    Mixed,
    Hot,
    Peak,
    Ping,
    Claim,
    Race,
}

impl Workload {
    /// Those of the command line, with what they do.
    pub(super) const OFFERED: [(&'static str, Self, &'static str); 9] = [
        ("debit", Self::Debit, "DEBITs of random accounts"),
        ("reserve-capture", Self::ReserveCapture, "RESERVE, and when it is answered its CAPTURE, of random accounts"),
        ("balance", Self::Balance, "BALANCE of random accounts"),
        ("mixed", Self::Mixed, "50 % BALANCE, 30 % DEBIT, 10 % RESERVE, 10 % CAPTURE; accounts by Zipf, exponent 0.99"),
        ("hot", Self::Hot, "DEBITs of one account"),
        (
            "peak",
            Self::Peak,
            "DEBITs, 20 % on 10 hot accounts; needs --rate, half of it comes in the first tenth of each second",
        ),
        ("ping", Self::Ping, "PINGs: what it costs the server to answer at all"),
        ("claim", Self::Claim, "DEBITs, and as many LEAD.OPENs, each followed by the LEAD.CLAIM of its lead"),
        ("race", Self::Race, "LEAD.CLAIMs of one lead with three slots: all but three are refused"),
    ];
}

/// Draws a thread's commands.
pub(super) struct Picker {
    workload: Workload,
    accounts: u32,
    zipf: Option<Zipf>,
    chance: Chance,
    number: u64,
    threads: u64,
}

impl Picker {
    /// That of thread `thread` of `threads`, over accounts 0 to `accounts` - 1.
    pub(super) fn new(workload: Workload, accounts: u32, thread: usize, threads: usize) -> Self {
        assert!(accounts > 0 && thread < threads, "somebody asks something");
        let zipf = (workload == Workload::Mixed).then(|| Zipf::new(accounts, 0.99));
        let (number, threads) = (thread as u64, threads as u64);
        Self { workload, accounts, zipf, chance: Chance(number), number, threads }
    }

    /// The next command; `None`: all that there was to do is asked.
    pub(super) fn next(&mut self) -> Option<Order> {
        let number = self.number;
        self.number += self.threads;
        let anyone = |chance: &mut Chance| chance.below(self.accounts.into()) as u32;
        let (op, account) = match self.workload {
            Workload::Fund => (Op::Fund, u32::try_from(number).ok().filter(|account| *account < self.accounts)?),
            Workload::Debit => (Op::Debit, anyone(&mut self.chance)),
            Workload::ReserveCapture => (Op::Reserve, anyone(&mut self.chance)),
            Workload::Balance => (Op::Balance, anyone(&mut self.chance)),
            Workload::Hot => (Op::Debit, 0),
            Workload::Ping => (Op::Ping, 0),
            Workload::Claim if (number / self.threads).is_multiple_of(2) => (Op::Debit, anyone(&mut self.chance)),
            Workload::Claim => (Op::Open, anyone(&mut self.chance)),
            Workload::Race if number == 0 => (Op::Open, 0),
            Workload::Race => (Op::Race, anyone(&mut self.chance)),
            Workload::Peak if self.chance.below(100) < 20 => (Op::Debit, self.chance.below(10) as u32 % self.accounts),
            Workload::Peak => (Op::Debit, anyone(&mut self.chance)),
            Workload::Mixed => {
                // Of ten commands one is the CAPTURE that a RESERVE brings with it.
                let op = match self.chance.below(9) {
                    0..5 => Op::Balance,
                    5..8 => Op::Debit,
                    _ => Op::Reserve,
                };
                (op, self.zipf.as_ref().expect("mixed has it").rank(&mut self.chance))
            }
        };
        Some(Order { op, account, number })
    }
}

/// Pseudo-random numbers (SplitMix64), fast and even enough to choose accounts.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of 0 to `n` - 1.
    fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// From 0 to below 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Ranks with probability proportional to 1 / (rank + 1)^exponent, by rejection-inversion (Hörmann and Derflinger,
/// 1996): no table, hardly more than one draw a rank.
struct Zipf {
    n: f64,
    exponent: f64,
    area_first: f64,
    area_all: f64,
    near: f64,
}

impl Zipf {
    /// Of `n` ranks; `exponent` is not 1.
    fn new(n: u32, exponent: f64) -> Self {
        let mut zipf = Self { n: n.into(), exponent, area_first: 0.0, area_all: 0.0, near: 0.0 };
        zipf.area_first = zipf.area(1.5) - 1.0;
        zipf.area_all = zipf.area(zipf.n + 0.5);
        zipf.near = 2.0 - zipf.area_inverse(zipf.area(2.5) - zipf.weight(2.0));
        zipf
    }

    fn rank(&self, chance: &mut Chance) -> u32 {
        loop {
            let u = self.area_all + chance.unit() * (self.area_first - self.area_all);
            let x = self.area_inverse(u);
            let k = x.round().clamp(1.0, self.n);
            if k - x <= self.near || u >= self.area(k + 0.5) - self.weight(k) {
                return k as u32 - 1;
            }
        }
    }

    fn weight(&self, x: f64) -> f64 {
        x.powf(-self.exponent)
    }

    /// The integral of the weight.
    fn area(&self, x: f64) -> f64 {
        x.powf(1.0 - self.exponent) / (1.0 - self.exponent)
    }

    fn area_inverse(&self, area: f64) -> f64 {
        (area * (1.0 - self.exponent)).powf(1.0 / (1.0 - self.exponent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(workload: Workload, accounts: u32, count: usize) -> Vec<Order> {
        let mut picker = Picker::new(workload, accounts, 0, 1);
        std::iter::from_fn(|| picker.next()).take(count).collect()
    }

    #[test]
    fn zipf_s_first_ranks_have_their_share() {
        let orders = draw(Workload::Mixed, 1_000, 200_000);
        let weights: Vec<f64> = (1..=1_000).map(|rank| f64::from(rank).powf(-0.99)).collect();
        let all: f64 = weights.iter().sum();
        for rank in [0, 1, 2, 9, 99] {
            let seen = orders.iter().filter(|order| order.account == rank).count() as f64 / orders.len() as f64;
            let expected = weights[rank as usize] / all;
            assert!((seen / expected - 1.0).abs() < 0.15, "rank {rank}: {seen} for {expected}");
        }
        assert!(orders.iter().all(|order| order.account < 1_000));
    }

    #[test]
    fn each_workload_falls_on_its_accounts() {
        let debits = draw(Workload::Debit, 50, 10_000);
        assert!((0..50).all(|account| debits.iter().filter(|order| order.account == account).count() > 100));
        assert!(draw(Workload::Hot, 50, 100).iter().all(|order| order.account == 0));
        let hot = draw(Workload::Peak, 1_000_000, 10_000).iter().filter(|order| order.account < 10).count();
        assert!((1_900..2_100).contains(&hot), "{hot} of 10000");
        let funded: Vec<u32> = draw(Workload::Fund, 5, 100).iter().map(|order| order.account).collect();
        assert_eq!(funded, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn no_two_threads_share_a_number() {
        let mut numbers: Vec<u64> = (0..3)
            .flat_map(|thread| {
                let mut picker = Picker::new(Workload::Debit, 9, thread, 3);
                (0..100).map(move |_| picker.next().expect("without end").number)
            })
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..300).collect::<Vec<_>>());
    }
}
