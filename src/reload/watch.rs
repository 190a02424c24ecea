//! When to look whether something has changed.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use tokio::time::Instant;

use crate::config::{File, Glance, Inputs, Source};

/// How often files are looked at.
pub(super) const INTERVAL: Duration = Duration::from_millis(500);

/// How long after a failure for want of an upstream the next attempt is made.
const RETRY: Duration = Duration::from_secs(5);

/// What the files were like when they were last looked at.
pub(super) struct Watch {
    inputs: Inputs,
    glance: Glance,
    /// The digest of what the last attempt was made with.
    tried: u64,
    /// The digest of the last look that read the files.
    seen: u64,
    refreshes: Vec<Refresh>,
    retry: Option<Instant>,
    /// Whether files that have changed are taken by themselves.
    by_itself: bool,
}

/// An upstream that is asked for its schema again and again.
struct Refresh {
    upstream: String,
    interval: Duration,
    due: Instant,
}

/// What has come due.
pub(super) enum Due {
    /// The files are to be looked at.
    Look,
    /// This upstream is to be asked.
    Ask(String),
    /// The last attempt is to be made again.
    Retry,
}

impl Watch {
    /// Begins to watch what a configuration was read from.
    pub(super) fn new(file: &File, inputs: Inputs, digest: u64) -> Self {
        let refreshes = Vec::new();
        let glance = Glance::default();
        let mut watch = Self {
            inputs,
            glance,
            tried: digest,
            seen: digest,
            refreshes,
            retry: None,
            by_itself: true,
        };
        watch.serve(file);
        watch
    }

    /// Another configuration is in force: other upstreams may be asked.
    pub(super) fn serve(&mut self, file: &File) {
        let sources = file.sources();
        let refreshes = sources.iter().filter_map(|source| match source {
            Source::Reflection { upstream, refresh: Some(interval) } => {
                let (upstream, interval) = (upstream.clone(), *interval);
                Some(Refresh { upstream, interval, due: Instant::now() + jitter(interval) })
            }
            _ => None,
        });
        self.refreshes = refreshes.collect();
        self.by_itself = file.reload.watch;
    }

    /// An attempt was made with these files.
    pub(super) fn tried(&mut self, inputs: Inputs, digest: u64) {
        self.inputs = inputs;
        (self.tried, self.seen) = (digest, digest);
        self.retry = None;
    }

    /// The last attempt failed for want of an upstream.
    pub(super) fn retry_later(&mut self) {
        self.retry = Some(Instant::now() + jitter(RETRY));
    }

    /// Waits until something is due.
    pub(super) async fn due(&mut self) -> Due {
        let look = Instant::now() + INTERVAL;
        let refresh = self.refreshes.iter_mut().min_by_key(|refresh| refresh.due);
        let ask = refresh.as_ref().map_or(look, |refresh| refresh.due);
        let next = ask.min(self.retry.unwrap_or(look)).min(look);
        tokio::time::sleep_until(next).await;
        let now = Instant::now();
        if let Some(refresh) = refresh.filter(|refresh| refresh.due <= now) {
            refresh.due = now + jitter(refresh.interval);
            return Due::Ask(refresh.upstream.clone());
        }
        match self.retry {
            Some(retry) if retry <= now => Due::Retry,
            _ => Due::Look,
        }
    }

    /// What a look needs, to be done where it holds nobody up.
    pub(super) fn look(&self) -> impl FnOnce() -> Option<(Glance, u64)> + Send + 'static {
        let (inputs, last, settled) = (self.inputs.clone(), self.glance, self.seen == self.tried);
        let by_itself = self.by_itself;
        move || {
            if !by_itself {
                return None;
            }
            let glance = inputs.glance();
            // What was seen to change is read until it has been taken.
            let read = !settled || glance.may_differ(&last);
            read.then(|| (glance, inputs.digest()))
        }
    }

    /// Takes in what a look has found; whether the files have changed, and rest.
    pub(super) fn saw(&mut self, (glance, digest): (Glance, u64)) -> bool {
        let rests = digest == self.seen;
        (self.glance, self.seen) = (glance, digest);
        rests && digest != self.tried
    }
}

/// A tenth more or less, so that gateways don't ask in step.
fn jitter(interval: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) as f64 / u64::MAX as f64;
    interval.mul_f64(0.9 + 0.2 * random)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> Watch {
        Watch::new(&File::default(), Inputs::default(), 1)
    }

    #[test]
    fn a_change_counts_once_it_rests_and_once_alone() {
        let mut watch = watch();
        let mut saw = |digest| watch.saw((Glance::default(), digest));
        assert!(!saw(1), "nothing has changed");
        assert!(!saw(2), "it may still be written");
        assert!(!saw(3));
        assert!(saw(3));
        watch.tried(Inputs::default(), 3);
        assert!(!watch.saw((Glance::default(), 3)), "it has been tried");
        assert!(!watch.saw((Glance::default(), 1)));
        assert!(watch.saw((Glance::default(), 1)), "and back again");
    }

    #[tokio::test(start_paused = true)]
    async fn upstreams_are_asked_at_their_pace_and_files_looked_at_in_between() {
        let refresh = |seconds| Some(Duration::from_secs(seconds));
        let source = |upstream: &str, seconds| Source::Reflection {
            upstream: upstream.into(),
            refresh: refresh(seconds),
        };
        let schema = vec![source("slow", 100), source("fast", 10)];
        let file = File { schema, ..File::default() };
        let mut watch = Watch::new(&file, Inputs::default(), 1);
        let (mut looks, mut asked) = (0, Vec::new());
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(200) {
            match watch.due().await {
                Due::Look => looks += 1,
                Due::Ask(upstream) => asked.push(upstream),
                Due::Retry => panic!("nothing has failed"),
            }
        }
        let count = |name: &str| asked.iter().filter(|asked| *asked == name).count();
        assert!((17..=22).contains(&count("fast")), "{asked:?}");
        assert!((1..=2).contains(&count("slow")), "{asked:?}");
        assert!(looks > 300, "{looks}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_for_want_of_an_upstream_is_tried_again() {
        let mut watch = watch();
        watch.retry_later();
        let begun = Instant::now();
        while !matches!(watch.due().await, Due::Retry) {}
        assert!(begun.elapsed() >= RETRY.mul_f64(0.9));
        watch.tried(Inputs::default(), 1);
        assert!(watch.retry.is_none());
    }
}
