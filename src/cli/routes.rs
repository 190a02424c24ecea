//! `transom routes`: the HTTP routes and the methods behind them.
//!
//! ```text
//! GET   /v1/{name=shelves/*/books/*}  -> bookshelf.v1.Bookshelf.GetBook
//! POST  /v1/{parent=shelves/*}/books  -> bookshelf.v1.Bookshelf.CreateBook (body: book)
//! ```

use std::io::Write;

use clap::Args;

use super::{Arguments, DONE, prepare_or_report, report, write};
use crate::schema::route_table;

const EXAMPLES: &str = "\
Examples:
  transom routes --config transom.yaml
  transom routes --descriptor-set api.binpb
  transom routes --upstream 127.0.0.1:50051";

/// An address that is never called.
const NOBODY: &str = "127.0.0.1:9";

/// List the HTTP routes and the methods behind them.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Routes {
    #[command(flatten)]
    arguments: Arguments,
}

impl Routes {
    pub(super) fn run(&self, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
        let mut arguments = self.arguments.clone();
        let has_schema = !arguments.descriptor_set.is_empty() || !arguments.proto.is_empty();
        if arguments.have_no_upstream() && has_schema {
            // The routes are the same whoever answers.
            arguments.upstream.push(NOBODY.into());
        }
        let prepared = match prepare_or_report(arguments.load(), err) {
            Ok(prepared) => prepared,
            Err(code) => return code,
        };
        write(err, &report::problems(&prepared.warnings), DONE);
        write(out, &route_table(&prepared.schema), DONE)
    }
}
