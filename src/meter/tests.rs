//! The meter: what is counted once, what is told, and what leaves.

use std::sync::Arc;

use super::*;
use crate::{error::Code, lasting::Lasting};

fn meter(lasting: &Lasting) -> Arc<Meter> {
    Meter::of(lasting, ["rest", "grpc"])
}

fn text(meter: &Meter) -> String {
    let mut page = Page::new();
    meter.tell(&mut page);
    page.text()
}

/// The value of the sample that begins so.
#[track_caller]
fn value(text: &str, sample: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no `{sample}` in\n{text}")).parse().unwrap()
}

const GET_BOOK: &str = r#"service="b.Shelf",method="GetBook""#;

#[test]
fn requests_count_at_their_end_on_every_worker() {
    let meter = meter(&Lasting::new());
    let method = meter.method(&"b.Shelf".into(), "GetBook", 2);
    for (worker, protocol, code) in
        [(0, "rest", Code::Ok), (1, "rest", Code::Ok), (1, "grpc", Code::NotFound)]
    {
        let mut tally = Tally::begin();
        tally.speaks(meter.protocol(protocol));
        tally.calls(method.shard(worker));
        tally.end(code);
    }
    let mut open = Tally::begin();
    open.calls(method.shard(0));
    let before = text(&meter);
    let of = |protocol: &str, code: &str| {
        format!(r#"transom_requests_total{{{GET_BOOK},protocol="{protocol}",code="{code}"}}"#)
    };
    assert_eq!(value(&before, &of("rest", "OK")), 2.0);
    assert_eq!(value(&before, &of("grpc", "NOT_FOUND")), 1.0);
    assert_eq!(value(&before, &format!("transom_requests_in_flight{{{GET_BOOK}}}")), 1.0);
    let count = format!("transom_request_duration_seconds_count{{{GET_BOOK}}}");
    assert_eq!(value(&before, &count), 3.0);
    drop(open);
    let after = text(&meter);
    // Whoever says nothing of its end was left.
    assert_eq!(value(&after, &of("rest", "CANCELLED")), 1.0);
    assert_eq!(value(&after, &format!("transom_requests_in_flight{{{GET_BOOK}}}")), 0.0);
    let all = format!(r#"transom_request_duration_seconds_bucket{{{GET_BOOK},le="+Inf"}}"#);
    assert_eq!(value(&after, &all), 4.0);
}

#[test]
fn a_request_is_counted_for_the_method_that_it_reached_first() {
    let meter = meter(&Lasting::new());
    let method = meter.method(&"b.Shelf".into(), "GetBook", 1);
    let nowhere = meter.nowhere(1);
    let mut tally = Tally::begin();
    tally.calls(method.shard(0));
    tally.calls(nowhere.shard(0));
    drop(tally);
    let text = text(&meter);
    assert!(text.contains(r#"service="b.Shelf""#), "{text}");
    assert_eq!(text.matches("transom_requests_total{").count(), 1, "{text}");
}

#[test]
fn counts_are_kept_while_somebody_holds_them_and_leave_with_the_last() {
    let lasting = Lasting::new();
    let meter = meter(&lasting);
    let service = Arc::from("b.Shelf");
    let of = |meters: &MethodMeters, place| meters.of(place, &service, "GetBook").clone();
    let first = meter.methods([(&service, "GetBook")].into_iter(), 1);
    drop({
        let mut tally = Tally::begin();
        tally.calls(of(&first, 0).shard(0));
        tally
    });
    let again = meter.methods([(&service, "Other"), (&service, "GetBook")].into_iter(), 1);
    assert!(Arc::ptr_eq(&of(&first, 0), &of(&again, 1)));
    drop(first);
    assert_ne!(text(&meter), "", "who is built while another serves keeps what that counted");
    assert!(Arc::ptr_eq(&meter, &super::Meter::of(&lasting, ["rest"])));
    drop(again);
    assert_eq!(text(&meter), "");
    let counter = meter.counter(&CONNECTIONS_OPENED, &["0.0.0.0:80"]);
    counter.count();
    assert!(Arc::ptr_eq(&counter, &meter.counter(&CONNECTIONS_OPENED, &["0.0.0.0:80"])));
    let sample = r#"transom_downstream_connections_total{listener="0.0.0.0:80"}"#;
    assert_eq!(value(&text(&meter), sample), 1.0);
    drop(counter);
    assert_eq!(text(&meter), "");
}

#[test]
fn a_gauge_counts_those_who_hold_it() {
    let meter = meter(&Lasting::new());
    let gauge = meter.gauge(&CONNECTIONS, &["unix:/a \"b\"\\"]);
    let (one, other) = (gauge.hold(), gauge.hold());
    drop(one);
    let sample = r#"transom_downstream_connections{listener="unix:/a \"b\"\\"}"#;
    assert_eq!(value(&text(&meter), sample), 1.0);
    drop(other);
    assert_eq!(gauge.value(), 0);
}

#[test]
fn names_of_series_are_unique_and_as_they_should_be() {
    for (at, series) in SERIES.iter().enumerate() {
        let Series { name, kind, labels, help } = series;
        assert!(SERIES[..at].iter().all(|other| other.name != *name), "{name}");
        assert!(name.starts_with("transom_"), "{name}");
        assert_eq!(*kind == Kind::Counter, name.ends_with("_total"), "{name}");
        assert!(!help.is_empty() && !help.ends_with('.'), "{name}");
        assert!(labels.iter().all(|label| label.bytes().all(|b| b.is_ascii_lowercase())), "{name}");
    }
}
