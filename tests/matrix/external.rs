//! What a service decides doesn't depend on the door: every way in × every kind of method × every
//! decision, and nothing is decided after the first message.
//!
//! | the service      | the caller is told         | the backend  |
//! |------------------|----------------------------|--------------|
//! | passes           | the answer                 | is called    |
//! | denies with 401  | UNAUTHENTICATED            | isn't called |
//! | denies with 403  | PERMISSION_DENIED          | isn't called |
//! | denies with 429  | RESOURCE_EXHAUSTED         | isn't called |
//! | fails            | UNAVAILABLE                | isn't called |
//! | says nothing     | UNAVAILABLE                | isn't called |

use super::{
    calls::{self, End, KINDS},
    doors::DOORS,
    http2, websocket,
};
use crate::{external::service::Service, support::Rig};

const DECISIONS: [(&str, u16); 6] =
    [("pass", 0), ("401", 16), ("403", 7), ("429", 8), ("fail", 14), ("hang", 14)];

#[tokio::test]
async fn matrix_services_decide_alike_for_every_door() {
    let service = Service::start().await;
    let policy = "ext_authz: { grpc: { upstream: authz }, timeout: 1s }";
    let mut cells = 0;
    for door in DOORS.iter().copied() {
        let rig = Rig::with_upstreams(&[service.upstream()], policy).await;
        let mut answered = 0_u64;
        for kind in KINDS {
            for (please, code) in DECISIONS {
                let mut call = calls::call(kind, End::Ok).unwrap();
                call.brings = vec![("x-please", please.to_owned())];
                println!("{door:?} × {kind:?} × {please}");
                let seen = match door.is_websocket() {
                    true => websocket::ask(&rig, door, &call).await,
                    false => http2::ask(&rig, door, &call).await,
                };
                assert_eq!(seen.code, code, "{seen:?}");
                (cells, answered) = (cells + 1, answered + u64::from(code == 0));
                assert_eq!(rig.bookshelf.begun(), answered, "who is refused calls no backend");
                assert_eq!(service.count(), cells, "one call is decided about once");
            }
        }
    }
    assert_eq!(cells, 8 * 4 * 6);
}
