//! The `creditd` binary: hands the command line to the library and ends as it says.

use std::process::ExitCode;

// Cores allocate and free for each other's connections: mimalloc gives memory back across threads without a lock.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    creditd::cli::run(std::env::args_os(), std::env::vars_os()).into()
}
