//! Every way in, with every kind of method, to every outcome: one table of calls, one of doors, and
//! every cell of the product is asked and judged alike.
//!
//! ```text
//! 8 doors   gRPC · gRPC-Web binary, text · Connect JSON, protobuf · REST · WebSocket JSON, protobuf
//! 4 kinds   unary · server stream · client stream · bidi
//! 5 ends    ok · early error · late error · deadline · caller leaves
//! ```
//!
//! What holds of a call must not depend on the door that it comes in by: [`calls`] says once what is
//! asked and what has to come back, and a door only knows how that looks on its wire. A test is a
//! door and an end, and prints each cell before it, so that a failure's output names the cell.

mod answers;
mod calls;
mod doors;
mod external;
mod http2;
mod limits;
mod messages;
mod policies;
pub(crate) mod rules;
mod stages;
mod websocket;

use serde_json::Value;

use self::{
    calls::{Call, End, KINDS, Kind},
    doors::{DOORS, Door},
};
use crate::support::{Rig, within};

/// What a caller sees of a call.
#[derive(Debug)]
struct Seen {
    /// The messages, as JSON.
    messages: Vec<Value>,
    /// The metadata of the answer's head; none if the protocol has no place for it.
    head: Option<http::HeaderMap>,
    /// The metadata of the answer's end; none if the protocol has no place for it.
    trailers: Option<http::HeaderMap>,
    /// gRPC's code.
    code: u16,
    /// What is said of a failure.
    message: String,
    /// The details of a failure: the type's full name, and what it says, however it is written.
    details: Vec<(String, String)>,
}

/// Metadata that every call brings along, and that the backend gives back.
const ECHO: [(&str, &str); 3] =
    [("x-echo-one", "1"), ("x-echo-one", "2"), ("x-echo-raw-bin", "AAH/")];

/// All cells of a door and an end.
async fn row(door: Door, end: End) {
    for kind in KINDS {
        println!("{door:?} × {kind:?} × {end:?}");
        match calls::call(kind, end) {
            Ok(call) => cell(door, &call).await,
            Err(reason) => println!("    there is no such call: {reason}"),
        }
    }
}

async fn cell(door: Door, call: &Call) {
    let rig = Rig::with_policy("response_trailers: [x-bookshelf-sent]").await;
    if call.end == End::CallerLeaves {
        match door.is_websocket() {
            true => websocket::leave(&rig, door, call).await,
            false => http2::leave(&rig, door, call).await,
        }
    } else {
        let seen = match door.is_websocket() {
            true => websocket::ask(&rig, door, call).await,
            false => http2::ask(&rig, door, call).await,
        };
        judge(&seen, call);
    }
    if matches!(call.end, End::CallerLeaves | End::Deadline) {
        within("the backend's call to be cancelled", rig.bookshelf.wait_for_cancelled(1)).await;
    }
    assert_eq!(rig.bookshelf.begun(), 1, "one call is one call");
}

/// Compares what came with what had to come.
fn judge(seen: &Seen, call: &Call) {
    assert_eq!(seen.code, call.code, "{seen:?}");
    let said: Vec<&Value> = seen.messages.iter().map(|message| &message[call.field]).collect();
    let want: Vec<&Value> = call.answers.iter().collect();
    assert_eq!(said, want, "{seen:?}");
    let details: Vec<&str> = seen.details.iter().map(|(name, _)| name.as_str()).collect();
    let want: Vec<&str> = call.details.iter().map(|(name, _)| *name).collect();
    assert_eq!(details, want, "{seen:?}");
    for ((_, text), (name, part)) in seen.details.iter().zip(call.details) {
        assert!(text.contains(part), "{name} says nothing of {part}: {text:?}");
    }
    assert_eq!(seen.message.is_empty(), call.code == 0, "{seen:?}");
    // A deadline ends a call without the backend, which then has had no chance to say anything.
    if let Some(head) = seen.head.as_ref().filter(|_| call.end != End::Deadline) {
        judge_echo(head, seen.trailers.as_ref());
    }
    if let (Some(trailers), Some(sent)) = (&seen.trailers, call.sent) {
        assert_eq!(trailers.get("x-bookshelf-sent").unwrap(), sent, "{seen:?}");
    }
}

/// The echoed metadata are all there and in order. A backend that fails puts them at the end.
fn judge_echo(head: &http::HeaderMap, trailers: Option<&http::HeaderMap>) {
    for name in ["x-echo-one", "x-echo-raw-bin"] {
        let all = [Some(head), trailers].into_iter().flatten();
        let found: Vec<&str> = all
            .flat_map(|headers| headers.get_all(name))
            .map(|value| value.to_str().unwrap())
            .collect();
        let want = ECHO.iter().filter(|(echo, _)| *echo == name);
        let want: Vec<&str> = want.map(|(_, value)| *value).collect();
        assert_eq!(found, want, "`{name}` in {head:?} and {trailers:?}");
    }
}

/// A module for a door, with a test for each end.
macro_rules! rows {
    ($($name:ident = $door:ident),* $(,)?) => {
        $(mod $name {
            use super::{doors::Door, calls::End, row};

            #[tokio::test]
            async fn matrix_call_that_ends_well_is_answered() {
                row(Door::$door, End::Ok).await;
            }

            #[tokio::test]
            async fn matrix_call_that_fails_at_once_says_why() {
                row(Door::$door, End::EarlyError).await;
            }

            #[tokio::test]
            async fn matrix_call_that_fails_later_keeps_what_came_and_says_why() {
                row(Door::$door, End::LateError).await;
            }

            #[tokio::test]
            async fn matrix_deadline_ends_the_call_on_both_sides() {
                row(Door::$door, End::Deadline).await;
            }

            #[tokio::test]
            async fn matrix_caller_that_leaves_cancels_the_call() {
                row(Door::$door, End::CallerLeaves).await;
            }
        })*

        /// The doors that have tests.
        const TESTED: &[Door] = &[$(Door::$door),*];
    };
}

rows! {
    grpc = Grpc,
    grpc_web = GrpcWeb,
    grpc_web_text = GrpcWebText,
    connect_json = ConnectJson,
    connect_proto = ConnectProto,
    rest = Rest,
    websocket_json = WebSocketJson,
    websocket_proto = WebSocketProto,
}

#[test]
fn matrix_has_every_cell_but_those_that_no_call_can_be() {
    assert_eq!(TESTED, DOORS);
    let ends = [End::Ok, End::EarlyError, End::LateError, End::Deadline, End::CallerLeaves];
    let cells = KINDS.iter().flat_map(|kind| ends.map(|end| (*kind, end)));
    let missing: Vec<_> = cells.filter(|(kind, end)| calls::call(*kind, *end).is_err()).collect();
    assert_eq!(missing, [(Kind::Unary, End::LateError)]);
}
