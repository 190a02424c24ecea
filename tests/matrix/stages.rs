//! No stage knows by which door a call came in: those that decide nothing about a caller are asked
//! here, and a table says where each of the others is.
//!
//! | stage       | what is done                      | what every door has to show              |
//! |-------------|-----------------------------------|------------------------------------------|
//! | `timeout`   | the backend takes for ever        | DEADLINE_EXCEEDED, the call is cancelled |
//! | `admission` | a call takes the only place       | UNAVAILABLE, the backend isn't called    |
//! | `retry`     | the backend fails at once         | as many attempts by every door           |
//! | `headers`   | the gateway sets and removes some | the backend hears the gateway's          |

use std::{fs, path::Path};

use futures_util::future::join_all;
use transom::stage::STAGES;

use super::{
    Seen,
    calls::{self, Call, End, KINDS, Kind},
    doors::{DOORS, Door},
    http2, websocket,
};
use crate::support::{Rig, within};

/// The tests that ask a stage at every door, in the order of the stages.
const ASKED: [(&str, &str); 10] = [
    ("timeout", "matrix_policy_s_deadline_ends_the_call_at_every_door"),
    ("rate_limit", "matrix_limits_are_alike_at_every_door"),
    ("auth", "matrix_callers_are_judged_alike_by_every_door"),
    ("authorize", "matrix_conditions_judge_every_message_at_every_door"),
    ("ext_authz", "matrix_services_decide_alike_for_every_door"),
    ("rate_limit", "matrix_limits_are_alike_at_every_door"),
    ("validate", "matrix_rules_of_the_schema_judge_messages_at_every_door"),
    ("admission", "matrix_busy_backend_is_spared_the_calls_of_every_door"),
    ("retry", "matrix_failures_are_tried_again_whatever_the_door"),
    ("headers", "matrix_headers_of_the_gateway_reach_the_backend_from_every_door"),
];

#[test]
fn matrix_asks_every_stage_at_every_door() {
    let stages: Vec<_> = STAGES.iter().map(|stage| stage.name).collect();
    assert_eq!(ASKED.map(|(stage, _)| stage)[..], stages, "a stage without a row here");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/matrix");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let all: String = files.map(|file| fs::read_to_string(file).unwrap()).collect();
    for (stage, test) in ASKED {
        assert!(all.contains(&format!("async fn {test}() {{")), "{stage}: no `{test}`");
    }
}

async fn ask(rig: &Rig, door: Door, call: &Call) -> Seen {
    match door.is_websocket() {
        true => websocket::ask(rig, door, call).await,
        false => http2::ask(rig, door, call).await,
    }
}

#[tokio::test]
async fn matrix_policy_s_deadline_ends_the_call_at_every_door() {
    let each = DOORS.iter().map(async |door| {
        let rig = Rig::with_policy("timeout: 500ms").await;
        for kind in KINDS {
            println!("{door:?} × {kind:?}");
            // The caller would wait for ever, and says nothing of a deadline.
            let call = calls::call(kind, End::CallerLeaves).unwrap();
            let seen = ask(&rig, *door, &call).await;
            assert_eq!(seen.code, 4, "{seen:?}");
        }
        let begun = rig.bookshelf.begun();
        within("the calls to be cancelled", rig.bookshelf.wait_for_cancelled(begun)).await;
    });
    assert_eq!(join_all(each).await.len(), 8);
}

#[tokio::test]
async fn matrix_busy_backend_is_spared_the_calls_of_every_door() {
    let policy = "timeout: none, admission: { min_limit: 1, initial_limit: 1, max_limit: 1 }";
    let rig = Rig::with_policy(policy).await;
    let mut connection = rig.http2().await;
    let _held = connection.open_stream("GET", "/v1/wait/3600s", &[], true).await;
    within("the call", rig.bookshelf.wait_for_begun(1)).await;
    for door in DOORS.iter().copied() {
        for kind in KINDS {
            println!("{door:?} × {kind:?}");
            let seen = ask(&rig, door, &calls::call(kind, End::Ok).unwrap()).await;
            assert_eq!(seen.code, 14, "{seen:?}");
            let names: Vec<_> = seen.details.iter().map(|(name, _)| &name[..]).collect();
            assert_eq!(names, ["google.rpc.RetryInfo"], "{seen:?}");
        }
    }
    assert_eq!(rig.bookshelf.begun(), 1);
}

#[tokio::test]
async fn matrix_failures_are_tried_again_whatever_the_door() {
    let policy = "retry: { attempts: 2, methods: all, backoff: { initial: 1ms, max: 1ms }, \
                  codes: [INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION] }";
    for door in DOORS.iter().copied() {
        for kind in KINDS {
            println!("{door:?} × {kind:?}");
            let rig = Rig::with_policy(policy).await;
            let call = calls::call(kind, End::EarlyError).unwrap();
            assert_eq!(ask(&rig, door, &call).await.code, call.code);
            // What a caller streams can't be said twice.
            let attempts = match kind {
                Kind::Unary | Kind::ServerStream => 2,
                Kind::ClientStream | Kind::Bidi => 1,
            };
            assert_eq!(rig.bookshelf.begun(), attempts);
        }
    }
}

#[tokio::test]
async fn matrix_headers_of_the_gateway_reach_the_backend_from_every_door() {
    // The backend gives back what begins with `x-echo-`; the calls bring `x-echo-one`.
    let policy = "headers: { request: { remove: [x-echo-one], set: { x-echo-by: gateway } }, \
                  response: { set: { x-told: by-the-gateway } } }";
    let policy = format!("{policy}, authorize: {{ when: [{{ expression: '{}' }}] }}", NOT_YET);
    for door in DOORS.iter().copied() {
        let rig = Rig::with_policy(&policy).await;
        for kind in KINDS {
            println!("{door:?} × {kind:?}");
            let mut call = calls::call(kind, End::Ok).unwrap();
            call.brings = vec![("x-echo-by", "caller".to_owned())];
            let seen = ask(&rig, door, &call).await;
            assert_eq!(seen.code, 0, "{seen:?}");
            // Frames of a WebSocket have no place for metadata.
            let Some(head) = &seen.head else { continue };
            let by: Vec<_> = head.get_all("x-echo-by").iter().collect();
            assert_eq!(by, ["gateway"], "{seen:?}");
            assert!(!head.contains_key("x-echo-one"), "{seen:?}");
            assert_eq!(head["x-told"], "by-the-gateway", "{seen:?}");
        }
    }
}

/// What stages before `headers` see: the caller's own, for the gateway's aren't there yet.
const NOT_YET: &str = "metadata[\"x-echo-by\"] == \"caller\" && \"x-echo-one\" in metadata";
