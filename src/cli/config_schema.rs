//! `transom config-schema`: the JSON Schema of the configuration file.

use std::io::Write;

use clap::Args;

use super::{DONE, write};
use crate::config::json_schema;

const EXAMPLES: &str = "\
Example:
  transom config-schema > transom.schema.json

With `# yaml-language-server: $schema=transom.schema.json` as the first line of
transom.yaml many editors complete and check it.";

/// Print the JSON Schema of the configuration file.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ConfigSchema {}

impl ConfigSchema {
    pub(super) fn run(&self, out: &mut dyn Write) -> u8 {
        write(out, &format!("{:#}\n", json_schema()), DONE)
    }
}
