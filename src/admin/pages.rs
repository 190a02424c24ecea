//! The pages that show what is served, and those that do something.

use http::StatusCode;

use super::{
    Office, clusters,
    port::{Answer, json, text, typed},
    ready,
};
use crate::{
    meter::{self, Page},
    reload::Reason,
    schema::route_table,
};

/// The configuration in force. JSON is YAML.
pub(super) fn config(office: &Office) -> Answer {
    json(StatusCode::OK, &office.standing.shown())
}

/// As `transom routes` shows them.
pub(super) fn routes(office: &Office) -> Answer {
    text(StatusCode::OK, route_table(office.gateway.runtime().schema()))
}

/// Everything that is counted.
pub(super) fn metrics(office: &Office) -> Answer {
    let mut page = Page::new();
    office.gateway.runtime().meter().tell(&mut page);
    clusters::tell(office, &mut page);
    typed(StatusCode::OK, meter::CONTENT_TYPE, page.text())
}

/// Reads the configuration anew: 200 if what it says is in force now, else 422 and the reasons.
pub(super) async fn reload(office: Office) -> Answer {
    let Some(outcome) = office.desk.reload(Reason::Operator).await else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "the gateway drains\n");
    };
    let status = match outcome.verdict.is_good() {
        true => StatusCode::OK,
        false => StatusCode::UNPROCESSABLE_ENTITY,
    };
    json(status, &ready::outcome(&outcome))
}

/// Begins the drain.
pub(super) fn drain(office: &Office) -> Answer {
    office.standing.begin_drain();
    // Kept for the control thread if it doesn't wait yet.
    office.leave.notify_one();
    text(StatusCode::ACCEPTED, "draining\n")
}
