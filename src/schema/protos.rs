//! Compiles folders of `.proto` sources in process.
//!
//! A folder is an import root, as `protoc -I` has it. An import is looked for in every folder, then
//! among the files of the other sources, then among the bundled files.

use std::{
    collections::{BTreeSet, HashMap},
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use prost::Message;
use protox::{
    Compiler,
    file::{ChainFileResolver, File as Opened, FileResolver, GoogleFileResolver},
};

use super::{
    descriptor::{File, FileSet},
    edition,
    features::Features,
    source::{Loaded, Origin},
};
use crate::problem::Problem;

/// Compiles every `.proto` file of the folders; `others` may be imported.
pub(super) fn compile(
    folders: &[PathBuf],
    others: &[Loaded],
    problems: &mut Vec<Problem>,
) -> Vec<Loaded> {
    let sources: Vec<_> = folders.iter().map(|folder| find(folder, problems)).collect();
    if sources.iter().all(Vec::is_empty) {
        return Vec::new();
    }
    let mut resolver = ChainFileResolver::new();
    for folder in folders {
        resolver.add(Folder(folder.clone()));
    }
    resolver.add(Others::new(others));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(true);

    let mut told = BTreeSet::new();
    for (folder, names) in folders.iter().zip(&sources) {
        for name in names {
            // A file that another folder has under the same name comes from there.
            let open = AssertUnwindSafe(|| compiler.open_file(name).map(drop));
            let fault = match catch_unwind(open) {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => Fault::of(folder, folders, name, &error),
                Err(_) => Fault::broken(folder, name),
            };
            // Whoever imports a bad file fails as well, with the same words.
            if told.insert((fault.path.clone(), fault.line, fault.message.clone())) {
                problems.push(fault.into_problem());
            }
        }
    }
    take_compiled(&compiler, folders)
}

/// The files that come from the folders, without those that were imported from elsewhere.
fn take_compiled(compiler: &Compiler, folders: &[PathBuf]) -> Vec<Loaded> {
    let paths: HashMap<&str, &Path> =
        compiler.files().filter_map(|file| Some((file.name(), file.path()?))).collect();
    let encoded = compiler.encode_file_descriptor_set();
    let set = FileSet::decode(encoded.as_slice()).unwrap_or_default();
    let decoded = set.file.iter().filter_map(|bytes| File::decode(bytes.clone()).ok());
    let own = decoded.filter_map(|file| {
        let path = paths.get(file.name.as_str())?;
        let folder = folders.iter().find(|folder| path.starts_with(folder))?;
        Some(Loaded { file, origin: Origin::Protos(folder.display().to_string()) })
    });
    own.collect()
}

/// The `.proto` files below a folder, as names relative to it, in order; none of a folder that can't
/// be read.
pub fn proto_files(folder: &Path) -> Vec<String> {
    find(folder, &mut Vec::new())
}

/// The same, with what is wrong.
fn find(folder: &Path, problems: &mut Vec<Problem>) -> Vec<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        if let Err(error) = list(&next, folder, &mut folders, &mut found) {
            let message = format!("the folder can't be read: {error}");
            let mend = "name a folder that holds .proto files";
            problems.push(Problem::error("", message).mend(mend).in_file(&next));
            return Vec::new();
        }
    }
    if found.is_empty() {
        let message = "no .proto file is in the folder";
        let mend = "name the folder that imports start from";
        problems.push(Problem::error("", message).mend(mend).in_file(folder));
    }
    found.into_iter().collect()
}

fn list(
    folder: &Path,
    root: &Path,
    folders: &mut Vec<PathBuf>,
    found: &mut BTreeSet<String>,
) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let is_link = entry.file_type()?.is_symlink();
        let is_folder = path.is_dir();
        // A link to a folder may lead back up and round for ever. A hidden folder holds no sources:
        // in a mounted volume it is where the links beside it lead.
        if is_folder && is_hidden(&path) {
            continue;
        }
        if is_folder && !is_link {
            folders.push(path);
        } else if !is_folder && path.extension().is_some_and(|extension| extension == "proto") {
            let name = path.strip_prefix(root).ok().and_then(Path::to_str);
            found.extend(name.map(|name| name.replace('\\', "/")));
        }
    }
    Ok(())
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Opens files of one folder by name, never above it.
struct Folder(PathBuf);

impl FileResolver for Folder {
    fn open_file(&self, name: &str) -> Result<Opened, protox::Error> {
        let inside = name.split('/').all(|part| !matches!(part, "" | "." | ".."));
        let path = self.0.join(name);
        if inside && path.is_file() {
            Opened::open(name, &path)
        } else {
            Err(protox::Error::file_not_found(name))
        }
    }
}

/// Files of other sources, in the form that the compiler's pool takes.
struct Others(HashMap<String, Vec<u8>>);

impl Others {
    fn new(others: &[Loaded]) -> Self {
        let normal = others.iter().filter_map(|loaded| {
            let mut file = loaded.file.clone();
            edition::normalise(&mut file, &mut Features::default()).ok()?;
            Some((file.name.clone(), file.encode_to_vec()))
        });
        Self(normal.collect())
    }
}

impl FileResolver for Others {
    fn open_file(&self, name: &str) -> Result<Opened, protox::Error> {
        let bytes = self.0.get(name).ok_or_else(|| protox::Error::file_not_found(name))?;
        Opened::decode_file_descriptor_proto(bytes.as_slice()).map_err(protox::Error::new)
    }
}

/// What is wrong with a source file.
struct Fault {
    path: PathBuf,
    line: Option<usize>,
    message: String,
    mend: &'static str,
}

impl Fault {
    fn of(folder: &Path, folders: &[PathBuf], name: &str, error: &protox::Error) -> Self {
        let file = error.file().unwrap_or(name);
        let all = std::iter::once(folder).chain(folders.iter().map(PathBuf::as_path));
        let path = all.map(|folder| folder.join(file)).find(|path| path.is_file());
        let path = path.unwrap_or_else(|| folder.join(name));
        if error.is_parse() && uses_editions(&path) {
            return Self {
                path,
                line: None,
                message: "the file is written in an edition, which can't be compiled here".into(),
                mend: "compile it with protoc or buf and give the descriptor set instead",
            };
        }
        let (line, message) = split_place(&format!("{error:?}"), file, &error.to_string());
        let mend = match error.is_file_not_found() {
            true => "add the folder or the descriptor set that holds it as a source",
            false => "",
        };
        Self { path, line, message, mend }
    }

    fn broken(folder: &Path, name: &str) -> Self {
        let message = "the compiler can't take this file".to_owned();
        let mend = "compile it with protoc or buf and give the descriptor set instead";
        Self { path: folder.join(name), line: None, message, mend }
    }

    fn into_problem(self) -> Problem {
        let problem = Problem::error("", self.message).mend(self.mend).in_file(self.path);
        match self.line {
            Some(line) => problem.at_line(line),
            None => problem,
        }
    }
}

/// Takes the line out of `a.proto:3:7: message`, the form in which the compiler tells it.
fn split_place(told: &str, file: &str, message: &str) -> (Option<usize>, String) {
    let place = told.strip_prefix(file).and_then(|rest| rest.strip_prefix(':'));
    let line = place.and_then(|rest| rest.split(':').next()?.trim().parse().ok());
    (line, message.to_owned())
}

/// Whether the file begins with an `edition` statement.
fn uses_editions(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut rest = text.trim_start();
    loop {
        rest = if rest.starts_with("//") {
            rest.split_once('\n').map_or("", |(_, rest)| rest)
        } else if rest.starts_with("/*") {
            rest.split_once("*/").map_or("", |(_, rest)| rest)
        } else {
            return rest.starts_with("edition");
        }
        .trim_start();
    }
}
