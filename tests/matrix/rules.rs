//! What a message may say doesn't depend on the door: every way in × every kind of method, judged by
//! conditions of the policy and by rules of the schema.
//!
//! | a message that                  | is told                | the backend                      |
//! |---------------------------------|------------------------|----------------------------------|
//! | keeps condition and rule        | the answer             | is called                        |
//! | comes first and breaks a condition | PERMISSION_DENIED, 403, 4007 | isn't called           |
//! | can't be judged                 | PERMISSION_DENIED      | isn't called                     |
//! | comes from nobody, who is asked for | UNAUTHENTICATED, 401 | isn't called                   |
//! | comes later and breaks a condition | PERMISSION_DENIED   | has been called, gets no more    |
//! | breaks a rule                   | INVALID_ARGUMENT, 400 and google.rpc.BadRequest | isn't called |

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{
    Seen,
    calls::{self, Call, End, KINDS, Kind},
    doors::{DOORS, Door},
    http2, websocket,
};
use crate::support::Rig;

async fn ask(rig: &Rig, door: Door, call: &Call) -> Seen {
    match door.is_websocket() {
        true => websocket::ask(rig, door, call).await,
        false => http2::ask(rig, door, call).await,
    }
}

/// The field that is judged, what the first message has there, and what a later one has.
fn judged(kind: Kind) -> (&'static str, &'static str, Option<&'static str>) {
    match kind {
        Kind::Unary => ("name", "shelves/science/books/tides", None),
        Kind::ServerStream => ("parent", "shelves/fiction", None),
        Kind::ClientStream => ("book.title", "One", Some("Two")),
        Kind::Bidi => ("text", "one", Some("two")),
    }
}

const METHODS: [(&str, Kind); 4] = [
    ("GetBook", Kind::Unary),
    ("WatchBooks", Kind::ServerStream),
    ("ImportBooks", Kind::ClientStream),
    ("Chat", Kind::Bidi),
];

/// A configuration with a policy for each method; `schema` is the source's line.
fn configuration(schema: &str, upstream: SocketAddr, policy: impl Fn(Kind) -> String) -> String {
    let mut text = format!(
        "listen: [{{ address: 127.0.0.1:0 }}]\nschema: [{{ {schema} }}]\nupstreams:\n  bookshelf: \
         {{ endpoints: [http://{upstream}] }}\nservices:\n"
    );
    for (name, kind) in METHODS {
        text += &format!("  bookshelf.v1.Bookshelf.{name}: {{ {} }}\n", policy(kind));
    }
    text
}

fn conditions(folder: &Path, upstream: SocketAddr, more: &str) -> String {
    let set = folder.join("bookshelf.binpb");
    fs::write(&set, transom::cli::demo::bookshelf::DESCRIPTOR_SET).unwrap();
    configuration(&format!("descriptor_set: {}", set.display()), upstream, |kind| {
        let (field, ..) = judged(kind);
        let expression = format!("request.{field} != metadata[\"x-never\"]{more}");
        format!("authorize: {{ when: [{{ name: never, expression: '{expression}' }}] }}")
    })
}

#[tokio::test]
async fn matrix_conditions_judge_every_message_at_every_door() {
    let mut cells = 0;
    for door in DOORS.iter().copied() {
        for kind in KINDS {
            let (_, first, later) = judged(kind);
            let mut decisions = vec![(Some("nothing"), 0, 1), (Some(first), 7, 0), (None, 7, 0)];
            decisions.extend(later.map(|text| (Some(text), 7, 1)));
            for (never, code, calls) in decisions {
                let mut call = calls::call(kind, End::Ok).unwrap();
                call.brings = never.iter().map(|text| ("x-never", (*text).to_owned())).collect();
                println!("{door:?} × {kind:?} × {never:?}");
                let write = |folder: &Path, upstream| conditions(folder, upstream, "");
                let rig = Rig::configured(write).await;
                let seen = ask(&rig, door, &call).await;
                assert_eq!(seen.code, code, "{seen:?}");
                assert!(!seen.message.contains("never"), "{seen:?}");
                // A call that is refused in its middle may be over before the backend has seen it.
                let least = if code == 0 { calls } else { 0 };
                assert!((least..=calls).contains(&rig.bookshelf.begun()), "{seen:?}");
                cells += 1;
            }
        }
    }
    assert_eq!(cells, 8 * (3 + 3 + 4 + 4));
}

#[tokio::test]
async fn matrix_conditions_on_the_caller_ask_nobody_who_they_are() {
    for door in DOORS.iter().copied() {
        let more = " && principal.id != \"\"";
        let rig = Rig::configured(|folder, upstream| conditions(folder, upstream, more)).await;
        for kind in KINDS {
            let mut call = calls::call(kind, End::Ok).unwrap();
            call.brings = vec![("x-never", "nothing".to_owned())];
            println!("{door:?} × {kind:?}");
            let seen = ask(&rig, door, &call).await;
            assert_eq!((seen.code, rig.bookshelf.begun()), (16, 0), "{seen:?}");
        }
    }
}

/// The bookshelf's proto, written into a folder, with this rule on each field that is judged:
/// `string.max_len = 1`. Gives the folder that imports begin at.
pub(crate) fn write_ruled(folder: &Path, rule: &str) -> PathBuf {
    let source = fs::read_to_string("proto/bookshelf/v1/bookshelf.proto").unwrap();
    let rule = format!("[(buf.validate.field).{rule}]");
    let mut source = source.replace(
        "import \"google/api/annotations.proto\";",
        "import \"buf/validate/validate.proto\";\nimport \"google/api/annotations.proto\";",
    );
    for (message, field) in [
        ("GetBookRequest", "string name = 1"),
        ("WatchBooksRequest", "string parent = 1"),
        ("Book", "string title = 2"),
        ("ChatMessage", "string text = 2"),
    ] {
        let start = source.find(&format!("\nmessage {message} {{")).unwrap();
        let at = start + source[start..].find(&format!("{field};")).unwrap() + field.len();
        source.insert_str(at, &format!(" {rule}"));
    }
    let protos = folder.join("proto/bookshelf/v1");
    fs::create_dir_all(&protos).unwrap();
    fs::write(protos.join("bookshelf.proto"), source).unwrap();
    folder.join("proto")
}

/// That proto as the schema: at most `longest` characters.
fn ruled(folder: &Path, upstream: SocketAddr, longest: usize) -> String {
    let protos = write_ruled(folder, &format!("string.max_len = {longest}"));
    configuration(&format!("protos: {}", protos.display()), upstream, |_| "validate: {}".to_owned())
}

#[tokio::test]
async fn matrix_rules_of_the_schema_judge_messages_at_every_door() {
    let mut cells = 0;
    for door in DOORS.iter().copied() {
        for (longest, code) in [(100, 0), (1, 3)] {
            let rig = Rig::configured(|folder, upstream| ruled(folder, upstream, longest)).await;
            let mut begun = 0;
            for kind in KINDS {
                println!("{door:?} × {kind:?} × {code}");
                let call = calls::call(kind, End::Ok).unwrap();
                let seen = ask(&rig, door, &call).await;
                assert_eq!(seen.code, code, "{seen:?}");
                begun += u64::from(code == 0);
                assert_eq!(rig.bookshelf.begun(), begun, "{seen:?}");
                cells += 1;
                let (field, ..) = judged(kind);
                let told: Vec<_> = seen.details.iter().map(|(name, _)| &name[..]).collect();
                assert_eq!(told == ["google.rpc.BadRequest"], code == 3, "{seen:?}");
                for (_, text) in seen.details.iter().filter(|_| code == 3) {
                    assert!(text.contains(field) && text.contains("string.max_len"), "{text}");
                }
            }
        }
    }
    assert_eq!(cells, 8 * 2 * 4);
}
