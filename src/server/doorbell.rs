//! Wakes a core that sleeps, and only one that sleeps.
//!
//! A wake from another thread costs a system call, so a sender rings only if the core has said that it is about to sleep:
//!
//! ```text
//!  core, about to sleep               sender
//!  ------------------------           ------------------------
//!  parked = true                      push the message
//!  fence                              fence
//!  look at the inbox once more        parked.swap(false)? ring : nothing
//! ```
//!
//! The two fences make it impossible that the core misses the message *and* the sender misses the flag: in the single
//! order of the fences one comes first, and the other side sees what was written before it. The tests below go through
//! every interleaving with loom, whose atomics stand in for the real ones there.

use std::sync::atomic::{AtomicBool, Ordering};

/// One per core; shared with all who send to it.
#[derive(Debug)]
pub struct Doorbell<F = AtomicBool> {
    parked: F,
}

/// What a doorbell is made of. All accesses are relaxed: the fences make the order.
pub trait Flag {
    /// A flag that is not set.
    fn new() -> Self;
    /// Whether it is set.
    fn load(&self) -> bool;
    /// Sets or clears it.
    fn store(&self, set: bool);
    /// The same; whether it was set.
    fn swap(&self, set: bool) -> bool;
    /// The sequentially consistent fence.
    fn fence();
}

/// Makes a [`Flag`] of the atomics in a module: the real ones, or loom's.
macro_rules! flag_of {
    ($($atomics:ident)::+) => {
        impl Flag for $($atomics)::+::AtomicBool {
            fn new() -> Self {
                Self::new(false)
            }

            fn load(&self) -> bool {
                self.load(Ordering::Relaxed)
            }

            fn store(&self, set: bool) {
                self.store(set, Ordering::Relaxed);
            }

            fn swap(&self, set: bool) -> bool {
                self.swap(set, Ordering::Relaxed)
            }

            fn fence() {
                $($atomics)::+::fence(Ordering::SeqCst);
            }
        }
    };
}

flag_of!(std::sync::atomic);

impl<F: Flag> Doorbell<F> {
    /// A doorbell of a core that is awake.
    pub fn new() -> Self {
        Self { parked: F::new() }
    }

    /// Sender, after its message is in the inbox: whether the core must be woken. True for one sender per sleep.
    pub fn must_ring(&self) -> bool {
        if !planted!("bell without a fence") {
            F::fence();
        }
        self.parked.load() && self.parked.swap(false)
    }

    /// Core, before it sleeps: whether it may. `is_empty` looks at the inbox.
    pub fn may_sleep(&self, is_empty: impl Fn() -> bool) -> bool {
        let looked_before = planted!("inbox looked at before the flag is set").then(&is_empty);
        self.parked.store(true);
        F::fence();
        let empty = looked_before.unwrap_or_else(is_empty);
        if !empty {
            self.parked.store(false);
        }
        empty
    }

    /// Core, awake again, whoever woke it.
    pub fn awake(&self) {
        self.parked.store(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use loom::model::Builder;
    use loom::sync::Arc;
    use loom::sync::atomic::{self, AtomicUsize};
    use loom::thread;

    flag_of!(loom::sync::atomic);

    /// `senders` threads send `messages` each while the core goes to sleep: if it sleeps, a message that it did not see
    /// has rung.
    fn check(builder: Builder, senders: usize, messages: usize) {
        builder.check(move || {
            let bell = Arc::new(Doorbell::<atomic::AtomicBool>::new());
            let inbox = Arc::new(AtomicUsize::new(0));
            let rings = Arc::new(AtomicUsize::new(0));
            let send = |_| {
                let (bell, inbox, rings) = (bell.clone(), inbox.clone(), rings.clone());
                thread::spawn(move || {
                    for _ in 0..messages {
                        inbox.fetch_add(1, Ordering::Relaxed);
                        rings.fetch_add(usize::from(bell.must_ring()), Ordering::Relaxed);
                    }
                })
            };
            let senders: Vec<_> = (0..senders).map(send).collect();
            let sleeps = bell.may_sleep(|| inbox.load(Ordering::Relaxed) == 0);
            for sender in senders {
                sender.join().expect("a sender does not panic");
            }
            let rings = rings.load(Ordering::Relaxed);
            assert!(!sleeps || rings == 1, "asleep with messages: one sender rings, and only one; {rings} did");
        });
    }

    #[test]
    fn no_message_is_slept_over() {
        check(Builder::new(), 1, 2);
    }

    #[test]
    fn one_of_two_senders_wakes_the_sleeper() {
        // All interleavings with at most three preemptions: all of them take minutes.
        let mut builder = Builder::new();
        builder.preemption_bound = Some(3);
        check(builder, 2, 1);
    }
}
