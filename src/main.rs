//! The `transom` program: arguments in, exit code out.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Both take colours out where no terminal shows them, or NO_COLOR asks for it.
    let (mut out, mut err) = (anstream::stdout(), anstream::stderr());
    transom::cli::run(std::env::args_os(), &mut out, &mut err).into()
}
