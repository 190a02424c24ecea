//! The certificates in force, and the watch that swaps them when their files change.
//!
//! The files are looked at again and again, not watched through the kernel: a mounted Kubernetes
//! secret changes by a symbolic link far from the file, and network file systems tell nobody. They
//! are a few kilobytes, so their text itself is compared; no clock and no inode can deceive it.
//!
//! What has changed is taken once it has stayed the same for one look, so that a certificate whose
//! key is still being written is not taken for a mistake. Connections keep what they began with.

use std::{
    hash::{DefaultHasher, Hasher},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use rustls::ServerConfig;

use super::{Settings, config::server_config};
use crate::problem::Problem;

/// The handshakes of one listener, by the files as they were last found sound.
pub struct Live {
    settings: Settings,
    current: ArcSwap<ServerConfig>,
    /// What the files said before they were first read.
    first: u64,
}

impl Live {
    /// Reads every file.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn load(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let first = digest(settings);
        let mut problems = Vec::new();
        match server_config(settings, &mut problems) {
            Some(config) => {
                let current = ArcSwap::from_pointee(config);
                Ok(Self { settings: settings.clone(), current, first })
            }
            None => Err(problems),
        }
    }

    /// What a new connection is to be opened with.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// How long a handshake may take.
    pub fn handshake_timeout(&self) -> Duration {
        self.settings.handshake_timeout
    }
}

/// What the files say now, in one number; one that can't be read says nothing.
fn digest(settings: &Settings) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in settings.files() {
        let text = std::fs::read(file).unwrap_or_default();
        hasher.write_usize(text.len());
        hasher.write(&text);
    }
    hasher.finish()
}

/// Watches the files of one listener.
pub struct Watch {
    live: Arc<Live>,
    /// Where the listener listens, for the log.
    listener: String,
    taken: u64,
    seen: u64,
}

impl Watch {
    /// How long to wait between two looks.
    pub const INTERVAL: Duration = Duration::from_secs(1);

    /// Begins a watch.
    pub fn new(live: Arc<Live>, listener: String) -> Self {
        let first = live.first;
        Self { live, listener, taken: first, seen: first }
    }

    /// Looks at the files, and takes what has changed and is sound. To be called once every
    /// [`Watch::INTERVAL`].
    pub fn look(&mut self) {
        let digest = digest(&self.live.settings);
        let quiet = digest == self.seen;
        self.seen = digest;
        if !quiet || digest == self.taken {
            return;
        }
        self.taken = digest;
        if self.take() {
            tracing::info!(listener = self.listener, "new certificates are in force");
        }
    }

    fn take(&mut self) -> bool {
        let mut problems = Vec::new();
        let config = server_config(&self.live.settings, &mut problems);
        let sound = config.is_some();
        if let Some(config) = config {
            self.live.current.store(Arc::new(config));
        }
        for problem in problems {
            let told = if sound {
                "the new certificates are in force, but there is a problem"
            } else {
                "the certificates have changed, but can't be used: the old ones stay in force"
            };
            tracing::warn!(listener = self.listener, %problem, "{told}");
        }
        sound
    }
}
