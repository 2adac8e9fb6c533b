//! Micro-benchmarks, one file per room of the house. README.md says what each row stands for and adds them up.
//!
//! Everything is measured through the rooms' public doors, on deterministic data, with the server's allocator; what a
//! row does is timed, what it needs is made before. One program, so that the crate is linked once.

mod commands;
mod crowd;
mod feed;
mod journal;
mod leads;
mod ledger;
mod net;
mod restore;
mod server;
mod shard;
mod void;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}
