//! The command line: `serve`, `demo`, `check`, `routes`, `config-schema`, `keys`, a file each.
//!
//! ```text
//! arguments ─► File ─► prepare ─► Prepared ─► serve · routes · check
//! ```
//!
//! Exit codes: 0 done, 64 bad arguments or configuration (`EX_USAGE` of sysexits.h), 1 anything
//! else.

mod arguments;
mod check;
mod config_schema;
pub mod demo;
mod keys;
mod launch;
mod report;
mod routes;
mod serve;
mod summary;
#[cfg(test)]
mod tests;

use std::{ffi::OsString, io::Write};

use clap::{Parser, Subcommand};

pub use self::arguments::Arguments;
use crate::{
    config::{Failure, Loaded, Prepared, prepare},
    lasting::Lasting,
};

/// Everything went well.
pub const DONE: u8 = 0;
/// Something that is neither the arguments' nor the configuration's fault went wrong.
pub const FAILED: u8 = 1;
/// The arguments or the configuration are wrong.
pub const MISUSED: u8 = 64;

const EXAMPLES: &str = "\
Examples:
  transom demo
  transom serve --config transom.yaml
  transom serve --upstream 127.0.0.1:50051 --descriptor-set api.binpb
  transom routes --upstream 127.0.0.1:50051

Exit codes: 0 done, 64 bad arguments or configuration, 1 anything else.";

/// An API gateway: REST in, gRPC services behind.
#[derive(Debug, Parser)]
#[command(name = "transom", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Demo(demo::Demo),
    Check(check::Check),
    Routes(routes::Routes),
    ConfigSchema(config_schema::ConfigSchema),
    Keys(keys::Keys),
}

/// Runs the program: what it has to say goes to `out`, problems and progress to `err`; gives the
/// exit code.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let command = match CommandLine::try_parse_from(arguments) {
        Ok(command_line) => command_line.command,
        Err(error) => return explain(&error, out, err),
    };
    match command {
        Command::Serve(serve) => serve.run(err),
        Command::Demo(demo) => demo.run(out, err),
        Command::Check(check) => check.run(out, err),
        Command::Routes(routes) => routes.run(out, err),
        Command::ConfigSchema(schema) => schema.run(out),
        Command::Keys(keys) => keys.run(out, err),
    }
}

/// Shows help or version as asked, or what is wrong with the arguments.
fn explain(error: &clap::Error, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let text = error.render().ansi().to_string();
    if error.use_stderr() {
        return write(err, &text, MISUSED);
    }
    write(out, &text, DONE)
}

/// Writes a text; a reader who left early changes nothing, anything else is a failure.
fn write(to: &mut dyn Write, text: &str, code: u8) -> u8 {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => FAILED,
        _ => code,
    }
}

/// Makes a configuration ready to serve, or reports all that is wrong and gives the exit code.
fn prepare_or_report(loaded: Loaded, err: &mut dyn Write) -> Result<Prepared, u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| write(err, &format!("the runtime can't be started: {error}\n"), FAILED))?;
    runtime.block_on(prepare(loaded, &Lasting::new())).map_err(
        |Failure { problems, only_unreachable }| {
            let code = if only_unreachable { FAILED } else { MISUSED };
            write(err, &report::failure(&problems), code)
        },
    )
}
