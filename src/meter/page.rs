//! A page of metrics: what a scrape has found, in Prometheus' text format.
//!
//! The library knows how names, labels and numbers are written and escaped
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>).

use prometheus::{
    TextEncoder,
    proto::{self, LabelPair, Metric, MetricFamily, MetricType},
};

use super::{Kind, SERIES, Series};

/// The media type of a page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Values by series, in the order of the table of series.
pub struct Page {
    found: Vec<Vec<Metric>>,
}

impl Default for Page {
    fn default() -> Self {
        Self { found: SERIES.iter().map(|_| Vec::new()).collect() }
    }
}

impl Page {
    /// A page without a value.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a counter.
    pub fn counter(&mut self, series: &'static Series, labels: &[&str], value: u64) {
        let mut counter = proto::Counter::default();
        counter.set_value(value as f64);
        self.add(series, labels, |metric| metric.set_counter(counter));
    }

    /// The value of a gauge.
    pub fn gauge(&mut self, series: &'static Series, labels: &[&str], value: f64) {
        let mut gauge = proto::Gauge::default();
        gauge.set_value(value);
        self.add(series, labels, |metric| metric.set_gauge(gauge));
    }

    /// A histogram: the buckets' upper bounds, and how many fell into each and above all of them.
    pub fn histogram(
        &mut self,
        series: &'static Series,
        labels: &[&str],
        bounds: &[f64],
        buckets: &[u64],
        sum: f64,
    ) {
        let mut below = 0;
        let bucket = |(bound, count): (&f64, &u64)| {
            below += count;
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(below);
            bucket
        };
        let mut histogram = proto::Histogram::default();
        histogram.set_bucket(bounds.iter().zip(buckets).map(bucket).collect());
        histogram.set_sample_count(buckets.iter().sum());
        histogram.set_sample_sum(sum);
        self.add(series, labels, |metric| metric.set_histogram(histogram));
    }

    fn add(&mut self, series: &'static Series, labels: &[&str], set: impl FnOnce(&mut Metric)) {
        debug_assert_eq!(series.labels.len(), labels.len(), "{}", series.name);
        let Some(place) = SERIES.iter().position(|one| one.name == series.name) else {
            debug_assert!(false, "{} stands not in the table of series", series.name);
            return;
        };
        let label = |(name, value): (&&str, &&str)| {
            let mut label = LabelPair::default();
            label.set_name((*name).to_owned());
            label.set_value((*value).to_owned());
            label
        };
        let labels = series.labels.iter().zip(labels).map(label).collect();
        let mut metric = Metric::from_label(labels);
        set(&mut metric);
        self.found[place].push(metric);
    }

    /// The page's text. A series without a value is left out.
    pub fn text(self) -> String {
        let found = SERIES.iter().zip(self.found).filter(|(_, metrics)| !metrics.is_empty());
        let families: Vec<_> = found.map(|(series, metrics)| family(series, metrics)).collect();
        let text = TextEncoder::new().encode_to_string(&families);
        // It refuses families without a name or a value, of which there are none.
        text.unwrap_or_else(|error| format!("# {error}\n"))
    }
}

fn family(series: &Series, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(series.name.to_owned());
    family.set_help(series.help.to_owned());
    family.set_field_type(match series.kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge => MetricType::GAUGE,
        Kind::Histogram => MetricType::HISTOGRAM,
    });
    family.set_metric(metrics);
    family
}
