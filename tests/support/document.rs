//! What is written is run: the code blocks of a Markdown file, and a shell for them.

use std::{fs, net::SocketAddr, path::Path};

use tokio::process::Command;

use super::within;

/// A fenced block.
#[derive(Debug)]
pub(crate) struct Block {
    /// The word behind the fence: `sh`, `json`.
    pub(crate) kind: String,
    /// The line on which its text begins, from 1.
    pub(crate) line: usize,
    /// The lines between the fences.
    pub(crate) text: String,
}

/// The fenced blocks of a file of the package.
pub(crate) fn blocks(path: &str) -> Vec<Block> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    blocks_of(&fs::read_to_string(path).unwrap())
}

fn blocks_of(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(kind), None) => {
                open = Some(Block { kind: kind.into(), line: number + 2, text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// Runs a command with the gateway's address in place of 127.0.0.1:8080; gives what it printed.
/// A command that may go on for ever is ended after `seconds`.
pub(crate) async fn run_shell(command: &str, gateway: SocketAddr, seconds: Option<u32>) -> String {
    run_shell_in(Path::new("."), command, gateway, seconds).await
}

/// The same, in a folder.
pub(crate) async fn run_shell_in(
    folder: &Path,
    command: &str,
    gateway: SocketAddr,
    seconds: Option<u32>,
) -> String {
    let command = command.replace("127.0.0.1:8080", &gateway.to_string());
    // Errors are part of what is shown, so curl must not be silent about its own.
    let quiet = command.replace("curl ", "curl --silent --show-error ");
    let limited = match seconds {
        Some(seconds) => quiet.replace("curl ", &format!("curl --max-time {seconds} ")),
        None => quiet,
    };
    let output = Command::new("bash").args(["-e", "-c", &limited]).current_dir(folder).output();
    let output = within("the command's end", output).await.unwrap();
    let ended = output.status.success() || (seconds.is_some() && output.status.code() == Some(28));
    assert!(ended, "{command}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn blocks_of_a_text_are_found_with_their_lines() {
    let blocks = blocks_of("a\n```sh\none\ntwo\n```\nb\n```\n```\n");
    assert_eq!(blocks.len(), 2);
    assert_eq!((blocks[0].kind.as_str(), blocks[0].line), ("sh", 3));
    assert_eq!((blocks[0].text.as_str(), blocks[1].text.as_str()), ("one\ntwo\n", ""));
}
