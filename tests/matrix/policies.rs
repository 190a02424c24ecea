//! Who may call doesn't depend on the door: every way in × every kind of method × every decision.
//!
//! | brings                | is told               | the backend |
//! |-----------------------|-----------------------|-------------|
//! | nothing               | UNAUTHENTICATED, 401  | isn't called |
//! | a key of somebody else's making | UNAUTHENTICATED, 401 | isn't called |
//! | two keys              | INVALID_ARGUMENT, 400 | isn't called |
//! | a key without the scope | PERMISSION_DENIED, 403 | isn't called |
//! | a key that is good    | the answer            | is called   |

use serde_json::json;
use transom::stage::auth::api_key::key::{self, Key};

use super::{
    Seen,
    calls::{self, Call, End, KINDS},
    doors::{DOORS, Door},
    http2, websocket,
};
use crate::support::Rig;

/// What a caller brings, and the code that it gets.
fn decisions(reader: &str, nobody: &str) -> Vec<(Vec<String>, u16)> {
    let other = key::make().unwrap();
    vec![
        (vec![], 16),
        (vec![other], 16),
        (vec!["nonsense".to_owned()], 16),
        (vec![reader.to_owned(), reader.to_owned()], 3),
        (vec![nobody.to_owned()], 7),
        (vec![reader.to_owned()], 0),
    ]
}

async fn ask(rig: &Rig, door: Door, call: &Call) -> Seen {
    match door.is_websocket() {
        true => websocket::ask(rig, door, call).await,
        false => http2::ask(rig, door, call).await,
    }
}

/// The header that says what would be taken, where a door has a place for it.
fn judge_challenge(door: Door, seen: &Seen) {
    let all = [seen.head.as_ref(), seen.trailers.as_ref()].into_iter().flatten();
    let challenge = all.flat_map(|headers| headers.get_all("www-authenticate")).next();
    let has_place = !door.is_websocket();
    assert_eq!(challenge.is_some(), has_place && seen.code == 16, "{seen:?}");
}

#[tokio::test]
async fn matrix_made_up_principals_reach_the_backend_by_no_door() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let reader = key::make().unwrap();
    let key = Key::read(&reader).unwrap();
    let keys = json!({ "keys": [{ "id": key.id, "hashes": [key.hash().to_string()] }] });
    std::fs::write(&file, keys.to_string()).unwrap();
    // The backend gives back what begins with `x-echo-`.
    let policy = format!(
        "auth: {{ any_of: [{{ api_key: {{ file: {} }} }}], optional: true, \
         forward: {{ x-echo-user: id }} }}",
        file.display()
    );
    let mut seen_by_backend = 0;
    let doors = DOORS.iter().flat_map(|door| [(*door, None), (*door, Some(&reader))]);
    for (door, brings) in doors {
        let rig = Rig::with_policy(&policy).await;
        for kind in KINDS {
            println!("{door:?} × {kind:?} × {}", brings.is_some());
            let mut call = calls::call(kind, End::Ok).unwrap();
            let made_up = ["x-echo-user", "x-echo-user", "x-echo_user"];
            call.brings = made_up.map(|name| (name, "root".to_owned())).to_vec();
            call.brings.extend(brings.map(|key| ("x-api-key", key.clone())));
            let seen = ask(&rig, door, &call).await;
            assert_eq!(seen.code, 0, "{seen:?}");
            // Frames of a WebSocket have no place for what the backend gives back.
            let Some(head) = seen.head else { continue };
            let heard: Vec<_> = head.get_all("x-echo-user").iter().collect();
            let want: Vec<_> = brings.iter().map(|_| key.id).collect();
            assert_eq!(heard, want);
            assert!(!head.contains_key("x-echo_user"), "{head:?}");
            seen_by_backend += 1;
        }
    }
    assert_eq!(seen_by_backend, 6 * 4 * 2);
}

#[tokio::test]
async fn matrix_callers_are_judged_alike_by_every_door() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let (reader, nobody) = (key::make().unwrap(), key::make().unwrap());
    let entry = |text: &str, scopes: &[&str]| {
        let key = Key::read(text).unwrap();
        json!({ "id": key.id, "hashes": [key.hash().to_string()], "scopes": scopes })
    };
    let keys =
        json!({ "keys": [entry(&reader, &["books.read"]), entry(&nobody, &["films.read"])] });
    std::fs::write(&file, keys.to_string()).unwrap();
    let file = file.display();
    let policy = format!(
        "auth: {{ any_of: [{{ api_key: {{ file: {file} }} }}] }}, \
         authorize: {{ scopes: [books.read] }}"
    );
    let mut cells = 0;
    for door in DOORS.iter().copied() {
        let rig = Rig::with_policy(&policy).await;
        let mut answered = 0_u64;
        for kind in KINDS {
            for (brings, code) in decisions(&reader, &nobody) {
                let mut call = calls::call(kind, End::Ok).unwrap();
                call.brings = brings.into_iter().map(|key| ("x-api-key", key)).collect();
                println!("{door:?} × {kind:?} × {code}");
                let seen = ask(&rig, door, &call).await;
                assert_eq!(seen.code, code, "{seen:?}");
                if code != 3 {
                    judge_challenge(door, &seen);
                }
                (cells, answered) = (cells + 1, answered + u64::from(code == 0));
                assert_eq!(rig.bookshelf.begun(), answered, "who is refused calls no backend");
            }
        }
    }
    assert_eq!(cells, 8 * 4 * 6);
}
