//! `transom serve`: the gateway, until SIGTERM or SIGINT.

use std::{io::Write, net::SocketAddr};

use clap::Args;

use super::{Arguments, DONE, FAILED, prepare_or_report, summary::Summary, write};
use crate::config::Prepared;

const EXAMPLES: &str = "\
Examples:
  transom serve --config transom.yaml
  transom serve --listen 0.0.0.0:8080 --upstream 127.0.0.1:50051 --descriptor-set api.binpb
  transom serve --upstream 127.0.0.1:50051          # the schema by reflection
  transom serve --upstream books=127.0.0.1:50051 --upstream tides=127.0.0.1:50052

SIGTERM and SIGINT drain: no new connections, and requests in flight may finish.
Exit codes: 0 drained, 64 bad arguments or configuration, 1 anything else.";

/// Serve until SIGTERM or SIGINT.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Serve {
    #[command(flatten)]
    arguments: Arguments,
}

impl Serve {
    pub(super) fn run(&self, err: &mut dyn Write) -> u8 {
        let prepared = match prepare_or_report(self.arguments.load(), err) {
            Ok(prepared) => prepared,
            Err(code) => return code,
        };
        let summary = Summary::of(&prepared);
        let outcome = start(prepared, |addresses| {
            write(err, &summary.text(addresses), DONE);
        });
        match outcome {
            Ok(()) => DONE,
            Err(message) => write(err, &format!("{message}\n"), FAILED),
        }
    }
}

/// Serves until told to stop. `ready` is called once, when all listeners are bound, with their
/// addresses.
///
/// # Errors
/// What kept it from serving: a sentence for the operator.
pub(super) fn start(prepared: Prepared, _ready: impl FnOnce(&[SocketAddr])) -> Result<(), String> {
    let addresses: Vec<_> = prepared.file.addresses().iter().map(ToString::to_string).collect();
    Err(format!("this build has no listener and can't serve on {}", addresses.join(", ")))
}
