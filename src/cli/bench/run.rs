//! One run of a load: threads out, slices in, a word every second.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde::{Deserialize, Serialize};

use super::dialogue::Trouble;
use super::tally::Slice;
use super::worker::{Left, Load, Worker};
use crate::clock::{Clock, SystemClock};

/// A last second shorter than this, in seconds, is not told of by itself: a rate over a moment misleads.
const CRUMB_S: f64 = 0.1;

/// What a second brought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Second {
    /// Seconds from the start to its beginning.
    pub(super) at_s: usize,
    pub(super) ops_per_s: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) errors: u64,
}

/// What a run brought.
pub(super) struct Measured {
    pub(super) answers: Slice,
    pub(super) seconds: Vec<Second>,
    /// Until the last answer.
    pub(super) elapsed_s: f64,
    pub(super) left: Left,
}

/// Runs `load` until its time is over or `stop` says so; `on_second` hears of every second when it is complete.
///
/// # Errors
/// If the server cannot be reached at the start, or does not speak the protocol.
pub(super) fn run(load: &Load, stop: &AtomicBool, on_second: impl FnMut(&Second)) -> Result<Measured, Trouble> {
    let (sender, receiver) = channel();
    let open = |index| Worker::open(load, index, stop, sender.clone());
    let workers = (0..load.threads).map(open).collect::<Result<Vec<_>, _>>()?;
    drop(sender);
    let start_ns = SystemClock.boot_ns();
    thread::scope(|scope| {
        let work = |worker: Worker<'_>| worker.run(start_ns).inspect_err(|_| stop.store(true, Ordering::Relaxed));
        let threads: Vec<_> = workers.into_iter().map(|worker| scope.spawn(move || work(worker))).collect();
        let mut seconds = Seconds { threads: load.threads, open: Vec::new(), told: Vec::new(), on_second };
        seconds.hear(&receiver);
        let mut left = Left::default();
        for thread in threads {
            let of_one = thread.join().expect("a worker does not panic")?;
            left.unanswered += of_one.unanswered;
            left.unsent += of_one.unsent;
        }
        let elapsed_s = (SystemClock.boot_ns() - start_ns) as f64 / 1e9;
        let answers = seconds.finish(elapsed_s);
        Ok(Measured { answers, seconds: seconds.told, elapsed_s, left })
    })
}

/// Slices of all threads, second by second.
struct Seconds<F> {
    threads: usize,
    /// By second: how many threads have told of it, and what.
    open: Vec<(usize, Slice)>,
    told: Vec<Second>,
    on_second: F,
}

impl<F: FnMut(&Second)> Seconds<F> {
    /// Hears all threads out.
    fn hear(&mut self, slices: &Receiver<(usize, Slice)>) {
        for (second, slice) in slices {
            while self.open.len() <= second {
                self.open.push((0, Slice::default()));
            }
            let (count, sum) = &mut self.open[second];
            sum.add(&slice);
            *count += 1;
            // A thread's last slice is of a second that is not complete.
            while self.open.get(self.told.len() + 1).is_some() && self.open[self.told.len()].0 == self.threads {
                self.tell(1.0);
            }
        }
    }

    /// Tells of the next second, which was `len_s` long.
    fn tell(&mut self, len_s: f64) {
        let at_s = self.told.len();
        let all = self.open[at_s].1.all();
        let us = |quantile| all.latency.value_at_quantile(quantile) as f64 / 1e3;
        let ops_per_s = all.answers() as f64 / len_s;
        let second = Second { at_s, ops_per_s, p50_us: us(0.5), p99_us: us(0.99), errors: all.errors() };
        (self.on_second)(&second);
        self.told.push(second);
    }

    /// Tells of what is not told yet, and returns the sum of all.
    fn finish(&mut self, elapsed_s: f64) -> Slice {
        while self.told.len() < self.open.len() {
            let is_last = self.told.len() + 1 == self.open.len();
            let rest_s = elapsed_s - self.told.len() as f64;
            if is_last && rest_s <= CRUMB_S && !self.told.is_empty() {
                break;
            }
            self.tell(if is_last { rest_s } else { 1.0 });
        }
        let mut all = Slice::default();
        self.open.iter().for_each(|(_, slice)| all.add(slice));
        all
    }
}
