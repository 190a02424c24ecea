//! `transom serve`: the gateway, until SIGTERM or SIGINT.

use std::io::Write;

use clap::Args;

use super::{Arguments, DONE, FAILED, launch::Launch, summary::Summary, write};

const EXAMPLES: &str = "\
Examples:
  transom serve --config transom.yaml
  transom serve --listen 0.0.0.0:8080 --upstream 127.0.0.1:50051 --descriptor-set api.binpb
  transom serve --upstream 127.0.0.1:50051          # the schema by reflection
  transom serve --listen unix:/run/transom.sock --upstream 127.0.0.1:50051
  transom serve --upstream books=127.0.0.1:50051 --upstream tides=127.0.0.1:50052

SIGTERM and SIGINT drain: no new connections, and requests in flight may finish.
SIGHUP reads the configuration anew, which also happens when its files change.
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
        let arguments = self.arguments.clone();
        let launch = match Launch::prepare(move || arguments.load(), err) {
            Ok(launch) => launch,
            Err(code) => return code,
        };
        let summary = Summary::of(&launch.prepared);
        let outcome = launch.start(|bound| {
            write(err, &summary.text(bound), DONE);
        });
        match outcome {
            Ok(()) => DONE,
            Err(message) => write(err, &format!("{message}\n"), FAILED),
        }
    }
}
