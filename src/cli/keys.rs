//! `transom keys`: API keys are made here, and nowhere else is one seen whole.
//!
//! ```text
//! create ─► the key, once, on standard output    its hash in the file, or on standard output,
//!                                                as it is or as a line for redis-cli
//! hash   ─► what the file keeps of a key that is given on standard input
//! ```

use std::{
    fs,
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};

use super::{DONE, MISUSED, write};
use crate::stage::auth::api_key::{
    book::{self, Entry, Written},
    key::{self, Key},
};

const EXAMPLES: &str = "\
Examples:
  transom keys create --owner acme --plan gold --scope books.read --file keys.json
  transom keys create --id 3f9c0d12ab45e678 --file keys.json     # a second secret, to rotate to
  transom keys create --owner acme --redis-command               # the key, and a line for redis-cli
  redis-cli GET transom:key:3f9c0d12ab45e678 |
    transom keys create --id 3f9c0d12ab45e678 --redis-command    # a second secret, to rotate to
  transom keys hash < key.txt";

/// Make API keys, and what a file keeps of them.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Keys {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key. It is printed once; the file gets its hash alone.
    Create(Create),
    /// Print the hash of a key that is given on standard input.
    Hash,
}

#[derive(Debug, Args)]
struct Create {
    /// Whose key it is; its id by default.
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// What its owner pays for.
    #[arg(long, value_name = "NAME")]
    plan: Option<String>,
    /// What it may be used for; may be repeated.
    #[arg(long, value_name = "NAME")]
    scope: Vec<String>,
    /// When it ends, such as 2027-01-01T00:00:00Z; never by default.
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// A second secret for the key of this id, so that both are good while it is rotated.
    /// With `--redis-command` what the store has of it is read from standard input.
    #[arg(long, conflicts_with_all = ["owner", "plan", "scope", "expires"])]
    id: Option<String>,
    /// The file that gets the key's hash; it is made if there is none.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print the command that puts the key's hash into a Redis or Valkey, for redis-cli's input.
    #[arg(long, conflicts_with = "file")]
    redis_command: bool,
    /// With `--redis-command`: what stands before the id there.
    #[arg(long, value_name = "TEXT", default_value = "transom:key:", requires = "redis_command")]
    prefix: String,
}

impl Keys {
    pub(super) fn run(&self, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
        let outcome = match &self.command {
            Command::Create(create) => create.make(&read_input),
            Command::Hash => read_input().and_then(|text| hash(text.trim())),
        };
        match outcome {
            Ok(text) => write(out, &text, DONE),
            Err(problem) => write(err, &format!("{problem}\n"), MISUSED),
        }
    }
}

fn read_input() -> Result<String, String> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

fn hash(text: &str) -> Result<String, String> {
    let key = Key::read(text).ok_or("that is no key: `transom keys create` makes one")?;
    Ok(format!("{}\n", key.hash()))
}

impl Create {
    /// Makes a key, and gives what is to be printed. `input` reads what was there before.
    fn make(&self, input: &dyn Fn() -> Result<String, String>) -> Result<String, String> {
        if self.id.is_some() && self.file.is_none() && !self.redis_command {
            return Err("`--id` needs to know the key: add `--file`, or `--redis-command`".into());
        }
        if let Some(text) = &self.expires {
            book::seconds(text)?;
        }
        let no_randomness = |_| "the system has no randomness to make a key of".to_owned();
        let text = match &self.id {
            Some(id) => key::make_for(id).map_err(no_randomness)?,
            None => key::make().map_err(no_randomness)?,
        };
        let key = Key::read(&text).ok_or("an id has letters and digits alone")?;
        let entry = Entry {
            id: key.id.to_owned(),
            hashes: vec![key.hash().to_string()],
            owner: self.owner.clone(),
            plan: self.plan.clone(),
            scopes: self.scope.clone(),
            expires: self.expires.clone(),
            ..Entry::default()
        };
        match &self.file {
            Some(file) => {
                self.add(file, entry)?;
                Ok(format!("{text}\n"))
            }
            None if self.redis_command => {
                let entry = match &self.id {
                    Some(id) => rotated(&input()?, id, entry)?,
                    None => entry,
                };
                Ok(format!("{text}\n{}\n", self.command(&entry)?))
            }
            None => {
                let entry = serde_json::to_string(&entry).map_err(|error| error.to_string())?;
                Ok(format!("{text}\n{entry}\n"))
            }
        }
    }

    /// The command that puts an entry into the store.
    fn command(&self, entry: &Entry) -> Result<String, String> {
        let text = serde_json::to_string(entry).map_err(|error| error.to_string())?;
        Ok(format!("SET {} {}", quoted(&format!("{}{}", self.prefix, entry.id)), quoted(&text)))
    }

    /// Adds a key to the file, which is replaced whole: whoever reads it never sees half of it.
    fn add(&self, file: &Path, entry: Entry) -> Result<(), String> {
        let shown = file.display();
        let mut written = match fs::read_to_string(file) {
            Ok(text) => serde_json::from_str(&text)
                .map_err(|error| format!("`{shown}` is no file of keys: {error}"))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Written::default(),
            Err(error) => return Err(format!("`{shown}` can't be read: {error}")),
        };
        match &self.id {
            Some(id) => rotate(&mut written, id, entry)?,
            None => written.keys.push(entry),
        }
        let text = serde_json::to_string_pretty(&written).map_err(|error| error.to_string())?;
        replace(file, &text).map_err(|error| format!("`{shown}` can't be written: {error}"))
    }
}

/// Gives a key a second hash.
fn rotate(written: &mut Written, id: &str, entry: Entry) -> Result<(), String> {
    let known = written.keys.iter_mut().find(|key| key.id == id);
    let known = known.ok_or_else(|| format!("there is no key `{id}` there; leave `--id` out"))?;
    if known.hashes.len() > 1 {
        return Err(format!("key `{id}` has two secrets already; take the older hash out first"));
    }
    known.hashes.extend(entry.hashes);
    Ok(())
}

/// The entry that a store has under this id, with a second hash.
fn rotated(text: &str, id: &str, entry: Entry) -> Result<Entry, String> {
    let known = serde_json::from_str(text.trim()).map_err(|error| {
        format!("standard input is not what the store has under that id: {error}")
    })?;
    let mut written = Written { keys: vec![known] };
    rotate(&mut written, id, entry)?;
    written.keys.pop().ok_or_else(|| "there is no key".to_owned())
}

/// A text as redis-cli reads one from its input; JSON has no other signs that are special there.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = file.with_file_name(name);
    let mut options = fs::OpenOptions::new();
    let mut opened = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    if let Ok(metadata) = fs::metadata(file) {
        // Who could read it before still can.
        opened.set_permissions(metadata.permissions())?;
    }
    opened.write_all(text.as_bytes())?;
    opened.write_all(b"\n")?;
    opened.sync_all()?;
    fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str]) -> (u8, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let arguments = ["transom", "keys", "create"].iter().chain(arguments).map(Into::into);
        let code = crate::cli::run(arguments, &mut out, &mut err);
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn keys_are_printed_once_and_their_hashes_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        let path = file.to_str().unwrap();
        let (code, printed, _) = run(&["--owner", "acme", "--scope", "a", "--file", path]);
        assert_eq!(code, DONE);
        let key = Key::read(printed.trim()).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(&key.hash().to_string()) && !text.contains(printed.trim()));
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        let (code, second, _) = run(&["--id", key.id, "--file", path]);
        assert_eq!(code, DONE);
        let second = Key::read(second.trim()).unwrap();
        assert_eq!(second.id, key.id);
        let written: Written = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let want = [key.hash().to_string(), second.hash().to_string()];
        assert_eq!((written.keys.len(), &written.keys[0].hashes[..]), (1, &want[..]));
        let (code, _, told) = run(&["--id", key.id, "--file", path]);
        assert!(code == MISUSED && told.contains("two secrets already"), "{told}");
    }

    #[test]
    fn keys_for_a_store_are_told_as_a_command() {
        let (code, printed, _) = run(&["--owner", "O'N\\e\"il", "--redis-command"]);
        let (key, command) = printed.trim().split_once('\n').unwrap();
        let key = Key::read(key).unwrap();
        assert_eq!(code, DONE);
        let begin =
            format!(r#"SET "transom:key:{0}" "{{\"id\":\"{0}\",\"hashes\":[\"sha256:"#, key.id);
        assert!(command.starts_with(&begin), "{command}");
        assert!(command.ends_with(r#"\"owner\":\"O'N\\\\e\\\"il\"}""#), "{command}");
        let (_, printed, _) = run(&["--redis-command", "--prefix", "other:"]);
        assert!(printed.contains("SET \"other:"), "{printed}");
        // A second secret, beside the first.
        let create = Create {
            owner: None,
            plan: None,
            scope: Vec::new(),
            expires: None,
            id: Some("a1".into()),
            file: None,
            redis_command: true,
            prefix: "p:".into(),
        };
        let first = Key::read(&key::make_for("a1").unwrap()).unwrap().hash().to_string();
        let stored = format!(r#"{{"id":"a1","hashes":["{first}"],"plan":"gold"}}"#);
        let printed = create.make(&|| Ok(stored.clone())).unwrap();
        let (second, command) = printed.trim().split_once('\n').unwrap();
        let second = Key::read(second).unwrap().hash().to_string();
        for part in [&first, &second, &"gold".to_owned()] {
            assert!(command.contains(part.as_str()), "{command}");
        }
        assert!(create.make(&|| Ok("(nil)".into())).unwrap_err().contains("standard input"));
        let (code, _, told) = run(&["--id", "a1"]);
        assert!(code == MISUSED && told.contains("--redis-command"), "{told}");
    }

    #[test]
    fn keys_without_a_file_bring_their_entry_along() {
        let (code, printed, _) = run(&["--plan", "gold", "--expires", "2027-01-01T00:00:00Z"]);
        let (key, entry) = printed.trim().split_once('\n').unwrap();
        let entry: Entry = serde_json::from_str(entry).unwrap();
        assert_eq!((code, entry.id.as_str()), (DONE, Key::read(key).unwrap().id));
        assert_eq!(entry.plan.as_deref(), Some("gold"));
        let (code, _, told) = run(&["--expires", "soon"]);
        assert!(code == MISUSED && told.contains("no time"), "{told}");
        assert_eq!(hash("tk_a_b").unwrap_err(), "that is no key: `transom keys create` makes one");
        assert!(hash(key).unwrap().starts_with("sha256:"));
    }
}
