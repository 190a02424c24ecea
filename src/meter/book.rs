//! Everything that is counted, found by name: once when a runtime is built, and again by a scrape.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use super::{Counter, Gauge, MethodMeter, Page, Series, UNKNOWN};
use crate::{first_use::FirstUse, lasting::Lasting};

/// All that is counted. It holds nothing alive: what nobody counts any more leaves the page.
pub struct Meter {
    /// The names of the protocols, as they stand in labels.
    protocols: Box<[&'static str]>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// By service and method.
    methods: BTreeMap<(Arc<str>, String), Weak<MethodMeter>>,
    /// By the name of the series and the values of its labels.
    counters: BTreeMap<Key, (&'static Series, Weak<Counter>)>,
    gauges: BTreeMap<Key, (&'static Series, Weak<Gauge>)>,
}

impl Kept {
    /// Forgets what nobody holds any more. Once for many: there may be thousands.
    fn sweep(&mut self) {
        self.methods.retain(|_, meter| meter.strong_count() > 0);
        self.counters.retain(|_, (_, counter)| counter.strong_count() > 0);
        self.gauges.retain(|_, (_, gauge)| gauge.strong_count() > 0);
    }
}

type Key = (&'static str, Vec<String>);

impl Meter {
    /// The one meter of a process: who asks again while somebody holds it gets the same.
    pub fn of(lasting: &Lasting, protocols: impl IntoIterator<Item = &'static str>) -> Arc<Self> {
        lasting.keep("meter", || Self {
            protocols: protocols.into_iter().collect(),
            kept: Mutex::default(),
        })
    }

    /// The place of a protocol among those of the meter.
    pub fn protocol(&self, name: &str) -> usize {
        let place = self.protocols.iter().position(|protocol| *protocol == name);
        // Counted nowhere.
        place.unwrap_or(self.protocols.len())
    }

    /// The meters of these methods, given as service and name: those that are held already, and
    /// the others when they are called.
    pub fn methods<'m>(
        self: &Arc<Self>,
        methods: impl ExactSizeIterator<Item = (&'m Arc<str>, &'m str)>,
        workers: usize,
    ) -> MethodMeters {
        let called = FirstUse::of(methods.len());
        let mut kept = self.lock();
        kept.sweep();
        if !kept.methods.is_empty() {
            for (place, (service, name)) in methods.enumerate() {
                let key = (service.clone(), name.to_owned());
                if let Some(meter) = kept.methods.get(&key).and_then(Weak::upgrade) {
                    called.ask(place, || meter);
                }
            }
        }
        MethodMeters { meter: self.clone(), workers, called }
    }

    /// The meter of a method: the one that is held already, or a new one with a shard for each of
    /// this many workers.
    pub fn method(&self, service: &Arc<str>, name: &str, workers: usize) -> Arc<MethodMeter> {
        let key = (service.clone(), name.to_owned());
        let mut kept = self.lock();
        if let Some(meter) = kept.methods.get(&key).and_then(Weak::upgrade) {
            return meter;
        }
        let meter = Arc::new(MethodMeter::new(service, name, self.protocols.len(), workers));
        kept.methods.insert(key, Arc::downgrade(&meter));
        meter
    }

    /// Where requests are counted that reach no method.
    pub fn nowhere(&self, workers: usize) -> Arc<MethodMeter> {
        self.method(&Arc::from(UNKNOWN), UNKNOWN, workers)
    }

    /// The counter of this series with these values of its labels.
    pub fn counter(&self, series: &'static Series, labels: &[&str]) -> Arc<Counter> {
        find(&mut self.lock().counters, series, labels)
    }

    /// The gauge of this series with these values of its labels.
    pub fn gauge(&self, series: &'static Series, labels: &[&str]) -> Arc<Gauge> {
        find(&mut self.lock().gauges, series, labels)
    }

    /// Tells everything that is counted now.
    pub fn tell(&self, page: &mut Page) {
        let mut kept = self.lock();
        kept.sweep();
        for meter in kept.methods.values().filter_map(Weak::upgrade) {
            meter.tell(&self.protocols, page);
        }
        for ((_, labels), (series, counter)) in &kept.counters {
            let Some(counter) = counter.upgrade() else { continue };
            page.counter(series, &as_texts(labels), counter.value());
        }
        for ((_, labels), (series, gauge)) in &kept.gauges {
            let Some(gauge) = gauge.upgrade() else { continue };
            page.gauge(series, &as_texts(labels), gauge.value() as f64);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The meters of a runtime's methods, each found when its method is called first: there may be
/// thousands that never are.
#[derive(Debug)]
pub struct MethodMeters {
    meter: Arc<Meter>,
    workers: usize,
    called: FirstUse<Arc<MethodMeter>>,
}

impl MethodMeters {
    /// The meter of the method at this place, of this service and name.
    pub fn of(&self, place: usize, service: &Arc<str>, name: &str) -> &Arc<MethodMeter> {
        self.called.ask(place, || self.meter.method(service, name, self.workers))
    }
}

fn as_texts(labels: &[String]) -> Vec<&str> {
    labels.iter().map(String::as_str).collect()
}

/// What is held under these labels, or a new one.
fn find<T: Default>(
    kept: &mut BTreeMap<Key, (&'static Series, Weak<T>)>,
    series: &'static Series,
    labels: &[&str],
) -> Arc<T> {
    let key = (series.name, labels.iter().map(|&label| label.to_owned()).collect());
    if let Some(handle) = kept.get(&key).and_then(|(_, handle)| handle.upgrade()) {
        return handle;
    }
    let handle = Arc::new(T::default());
    kept.insert(key, (series, Arc::downgrade(&handle)));
    handle
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("methods", &self.lock().methods.len()).finish_non_exhaustive()
    }
}
