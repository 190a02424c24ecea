//! How often one may call doesn't depend on the door: every way in × every kind of method.
//!
//! | call of a caller that may call once | is told                                               |
//! |-------------------------------------|-------------------------------------------------------|
//! | first                               | the answer, and that nothing is left                  |
//! | second                              | RESOURCE_EXHAUSTED, 429 or 4008, and when to come again |

use super::{
    Seen,
    calls::{self, Call, End, KINDS},
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

/// A field of an answer, wherever a door has its place for it.
fn field<'a>(seen: &'a Seen, name: &str) -> Option<&'a str> {
    let all = [seen.head.as_ref(), seen.trailers.as_ref()].into_iter().flatten();
    let value = all.flat_map(|headers| headers.get_all(name)).next();
    value.map(|value| value.to_str().unwrap())
}

/// What is told of the limit has to be told by every door that has a place for it.
fn judge_fields(door: Door, seen: &Seen) {
    if door.is_websocket() {
        return;
    }
    assert_eq!(field(seen, "ratelimit-policy"), Some("\"calls\";q=1;w=3600"), "{seen:?}");
    let state = field(seen, "ratelimit").unwrap_or_default();
    assert!(state.starts_with("\"calls\";r=0;t="), "{seen:?}");
    let wait = field(seen, "retry-after").map(|wait| wait.parse::<u32>().unwrap());
    assert_eq!(wait.is_some(), seen.code == 8, "{seen:?}");
    assert!(wait.is_none_or(|wait| (3000..=3600).contains(&wait)), "{seen:?}");
}

#[tokio::test]
async fn matrix_limits_are_alike_at_every_door() {
    let mut cells = 0;
    let places = ["false", "true"]
        .into_iter()
        .flat_map(|place| DOORS.iter().map(move |door| (place, *door)));
    for (admitted, door) in places {
        // Before callers are known, and behind all that may refuse them.
        let limit = format!("{{ rate: 1/h, key: {{ header: x-who }}, admitted: {admitted} }}");
        let rig =
            Rig::with_policy(&format!("rate_limit: {{ limits: {{ calls: {limit} }} }}")).await;
        let mut answered = 0;
        for kind in KINDS {
            let mut call = calls::call(kind, End::Ok).unwrap();
            call.brings = vec![("x-who", format!("{kind:?}"))];
            for code in [0, 8] {
                println!("{door:?} × {kind:?} × {code}");
                let seen = ask(&rig, door, &call).await;
                assert_eq!(seen.code, code, "{seen:?}");
                judge_fields(door, &seen);
                let names: Vec<_> = seen.details.iter().map(|(name, _)| &name[..]).collect();
                assert_eq!(names == ["google.rpc.RetryInfo"], code == 8, "{seen:?}");
                (cells, answered) = (cells + 1, answered + u64::from(code == 0));
                assert_eq!(rig.bookshelf.begun(), answered, "who is refused calls no backend");
            }
        }
    }
    assert_eq!(cells, 2 * 8 * 4 * 2);
}

#[tokio::test]
async fn matrix_what_one_door_has_taken_is_gone_at_all_others() {
    let policy = "rate_limit: { limits: { calls: { rate: 1/h, key: address } } }";
    for first in DOORS.iter().copied() {
        let rig = Rig::with_policy(policy).await;
        let call = calls::call(KINDS[0], End::Ok).unwrap();
        assert_eq!(ask(&rig, first, &call).await.code, 0, "{first:?}");
        for other in DOORS.iter().copied() {
            assert_eq!(ask(&rig, other, &call).await.code, 8, "{first:?} and then {other:?}");
        }
        assert_eq!(rig.bookshelf.begun(), 1);
    }
}
