//! `transom check`: every problem at once.

use std::io::Write;

use clap::Args;

use super::{Arguments, DONE, prepare_or_report, report, summary, write};

const EXAMPLES: &str = "\
Examples:
  transom check --config transom.yaml
  transom check --upstream 127.0.0.1:50051 --proto proto/

Upstreams that the schema is asked from have to run; others need not.
Exit codes: 0 sound, 64 problems found, 1 anything else.";

/// Check a configuration and its descriptors, and report every problem at once.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Check {
    #[command(flatten)]
    arguments: Arguments,
}

impl Check {
    pub(super) fn run(&self, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
        let prepared = match prepare_or_report(self.arguments.load(), err) {
            Ok(prepared) => prepared,
            Err(code) => return code,
        };
        write(err, &report::problems(&prepared.warnings), DONE);
        let warnings = report::count(prepared.warnings.len(), "warning");
        write(out, &format!("sound: {}, {warnings}\n", summary::contents(&prepared)), DONE)
    }
}
