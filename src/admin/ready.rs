//! Whether the program runs, and whether it should be sent requests.

use std::time::SystemTime;

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    Office, clusters,
    port::{Answer, json, text},
};
use crate::reload::Outcome;

/// It runs, since it answers.
pub(super) fn live(_: &Office) -> Answer {
    text(StatusCode::OK, "live\n")
}

/// It serves unless it drains. What is wrong besides costs nobody who is served now: taking every
/// gateway out because a backend is away, or a new configuration is broken, would only make it
/// worse. So that is told, and changes nothing.
pub(super) fn ready(office: &Office) -> Answer {
    let standing = &office.standing;
    let draining = standing.is_draining();
    let unanswered = standing
        .unanswered()
        .into_iter()
        .map(|(upstream, reason)| json!({ "upstream": upstream, "reason": reason }));
    let details = json!({
        "ready": !draining,
        "draining": draining,
        "snapshot": { "age_seconds": standing.age().as_secs() },
        "last_reload": outcome(&standing.last()),
        "clusters_without_endpoint": clusters::without_endpoint(office),
        "schema_not_told_by": unanswered.collect::<Value>(),
    });
    let status = if draining { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    json(status, &details)
}

/// What came of an attempt to take a configuration.
pub(super) fn outcome(outcome: &Outcome) -> Value {
    let problems = outcome.problems.iter().map(|problem| {
        json!({
            "severity": if problem.is_error() { "error" } else { "warning" },
            "file": problem.place.file,
            "line": problem.place.line,
            "path": problem.place.path,
            "message": problem.message,
            "mend": problem.mend,
        })
    });
    let age = SystemTime::now().duration_since(outcome.at).unwrap_or_default();
    json!({
        "result": outcome.verdict.name(),
        "reason": outcome.reason.name(),
        "age_seconds": age.as_secs(),
        "problems": problems.collect::<Value>(),
    })
}
