//! A finder at work: asked when its last answer has grown old, or has failed.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::watch::{self, Receiver, Sender},
    task::AbortHandle,
    time::sleep,
};

use super::{Discovery, Finder, Found, Located, finder};
use crate::upstream::endpoint::jitter;

/// The first pause after a failed look, and the longest. It doubles.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// What is known.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Finding {
    /// Who was found last; empty as long as nobody ever was.
    pub(in super::super) located: Arc<[Located]>,
    /// Whether there was a look.
    pub(in super::super) looked: bool,
    /// Why the last look found nobody, if it did not.
    pub(in super::super) failure: Option<Arc<str>>,
}

/// A watch; dropping it ends it.
pub(in super::super) struct Watch {
    findings: Receiver<Finding>,
    task: Option<AbortHandle>,
}

impl Watch {
    /// Begins to look.
    pub(in super::super) fn start(settings: &Discovery) -> Self {
        let (sender, findings) = watch::channel(Finding::default());
        let task = finder(settings).zip(background()).map(|((kind, finder), runtime)| {
            runtime.spawn(run(kind, finder, sender)).abort_handle()
        });
        Self { findings, task }
    }

    /// What is found, from now on.
    pub(in super::super) fn findings(&self) -> Receiver<Finding> {
        self.findings.clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn run(kind: &'static str, mut finder: Box<dyn Finder>, sender: Sender<Finding>) {
    let mut failures = 0;
    loop {
        let answer = match finder.find().await {
            Ok(Found { located, .. }) if located.is_empty() => Err("it names nobody".to_owned()),
            answer => answer,
        };
        let pause = match answer {
            Ok(Found { located, good_for }) => {
                failures = 0;
                let located = Arc::from(located);
                sender.send_replace(Finding { located, looked: true, failure: None });
                good_for
            }
            Err(failure) => {
                tracing::warn!(kind, failure, "discovery found no endpoints; the last ones stay");
                let pause = pause_after(failures);
                failures += 1;
                sender.send_modify(|finding| {
                    finding.looked = true;
                    finding.failure = Some(failure.into());
                });
                jitter(pause)
            }
        };
        sleep(pause).await;
    }
}

fn pause_after(failures: u32) -> Duration {
    PAUSES.0.saturating_mul(1 << failures.min(16)).min(PAUSES.1)
}

/// The runtime of all discovery: a thread of its own, so that no worker waits for a file or a name,
/// and no configuration's end takes it away.
pub(in super::super) fn background() -> Option<&'static Handle> {
    static RUNTIME: OnceLock<Option<Handle>> = OnceLock::new();
    let start = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        let handle = runtime.handle().clone();
        let thread = std::thread::Builder::new().name("discovery".into());
        thread.spawn(move || runtime.block_on(std::future::pending::<()>())).ok()?;
        Some(handle)
    };
    RUNTIME.get_or_init(start).as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses: Vec<_> = (0..8).map(|failures| pause_after(failures).as_millis()).collect();
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert_eq!(pause_after(u32::MAX), PAUSES.1);
    }
}
