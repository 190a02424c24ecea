//! Every series there is: names, kinds, labels and what they mean, in one table.
//!
//! The page of metrics, its tests and the README's table come from it. Names follow
//! <https://prometheus.io/docs/practices/naming/>: base units, `_total` behind what only grows.

/// How a series behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, and begins anew with the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How many values fell below each of some bounds, with their sum and number.
    Histogram,
}

impl Kind {
    /// The word of the text format.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A family of series: one name, the same labels.
#[derive(Debug, PartialEq, Eq)]
pub struct Series {
    /// The name on the page.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// The names of its labels, in the order in which their values are given.
    pub labels: &'static [&'static str],
    /// What it tells, a sentence without a full stop.
    pub help: &'static str,
}

impl Series {
    const fn new(
        name: &'static str,
        kind: Kind,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, kind, labels, help }
    }
}

/// Requests by what they called and how they ended.
pub static REQUESTS: Series = Series::new(
    "transom_requests_total",
    Kind::Counter,
    &["service", "method", "protocol", "code"],
    "Requests that have ended, by gRPC code whatever the protocol; streams count at their end, and \
     what reached no method is `unknown`",
);

/// How long requests took.
pub static DURATION: Series = Series::new(
    "transom_request_duration_seconds",
    Kind::Histogram,
    &["service", "method"],
    "From a request's head to its answer's end",
);

/// Requests that are being served.
pub static IN_FLIGHT: Series = Series::new(
    "transom_requests_in_flight",
    Kind::Gauge,
    &["service", "method"],
    "Requests that are being served, streams and sessions among them",
);

/// Connections from downstream that are open.
pub static CONNECTIONS: Series = Series::new(
    "transom_downstream_connections",
    Kind::Gauge,
    &["listener"],
    "Connections from downstream that are open",
);

/// Connections from downstream that were taken.
pub static CONNECTIONS_OPENED: Series = Series::new(
    "transom_downstream_connections_total",
    Kind::Counter,
    &["listener"],
    "Connections from downstream that have been taken",
);

/// Attempts beside the first ones.
pub static RETRIES: Series = Series::new(
    "transom_retries_total",
    Kind::Counter,
    &["policy", "kind"],
    "Attempts of calls beside their first ones, after a failure (`retry`) or beside another attempt \
     (`hedge`)",
);

/// Attempts that were not made for want of tokens.
pub static RETRIES_DENIED: Series = Series::new(
    "transom_retries_denied_total",
    Kind::Counter,
    &["policy"],
    "Attempts that were not made because the retry budget was used up",
);

/// Calls that admission refused.
pub static ADMISSION_REFUSED: Series = Series::new(
    "transom_admission_refused_total",
    Kind::Counter,
    &["policy"],
    "Calls that were refused because too many were under way",
);

/// The limit of admission.
pub static ADMISSION_LIMIT: Series = Series::new(
    "transom_admission_limit",
    Kind::Gauge,
    &["policy"],
    "How many calls may be under way, as far as their latency tells",
);

/// Every series, in the order of the page.
pub static SERIES: &[&Series] = &[
    &REQUESTS,
    &DURATION,
    &IN_FLIGHT,
    &CONNECTIONS,
    &CONNECTIONS_OPENED,
    &RETRIES,
    &RETRIES_DENIED,
    &ADMISSION_REFUSED,
    &ADMISSION_LIMIT,
];
