//! What upstreams told of their schema when they were last asked.
//!
//! It outlives the snapshots, so that an upstream that is away when the configuration is read anew
//! costs nobody its services: what it told last stands until it tells something else.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::future::join_all;

use super::{File, Source};
use crate::{
    lasting::Lasting,
    upstream::reflection::{self, Bounds, Reflected, ReflectionError},
};

/// The answers of all upstreams, by name.
#[derive(Debug, Default)]
pub struct Reflections {
    told: Mutex<HashMap<String, Told>>,
}

/// What is known of one upstream's schema.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// The last answer, if there ever was one.
    pub(super) answer: Option<Arc<Reflected>>,
    /// Why the last question was not answered, if it was not.
    pub(super) failure: Option<String>,
}

impl Reflections {
    /// Those of the process.
    pub fn of(lasting: &Lasting) -> Arc<Self> {
        lasting.keep("reflections", Self::default)
    }

    /// Asks every upstream whose schema the configuration wants, all at once; forgets the others.
    pub async fn ask(&self, file: &File) {
        let wanted: BTreeSet<_> = file.sources().iter().filter_map(reflected).collect();
        self.lock().retain(|upstream, _| wanted.contains(upstream));
        join_all(wanted.iter().map(|upstream| self.ask_one(file, upstream))).await;
    }

    /// Asks one upstream.
    pub async fn ask_one(&self, file: &File, upstream: &str) {
        // A name without settings is a problem that is told elsewhere.
        let Some(settings) = file.upstreams.get(upstream) else { return };
        let answer = reflection::ask(settings, Bounds::default()).await;
        self.note(upstream, answer);
    }

    fn note(&self, upstream: &str, answer: Result<Reflected, ReflectionError>) {
        let mut told = self.lock();
        let told = told.entry(upstream.to_owned()).or_default();
        match answer {
            Ok(answer) => *told = Told { answer: Some(Arc::new(answer)), failure: None },
            Err(error) => told.failure = Some(error.to_string()),
        }
    }

    /// What is known of one upstream's schema.
    pub(super) fn told(&self, upstream: &str) -> Told {
        self.lock().get(upstream).cloned().unwrap_or_default()
    }

    /// Why upstreams did not answer when they were last asked: pairs of name and reason, in order.
    pub fn failures(&self) -> Vec<(String, String)> {
        let told = self.lock();
        let failed =
            told.iter().filter_map(|(name, told)| Some((name.clone(), told.failure.clone()?)));
        let mut failed: Vec<_> = failed.collect();
        failed.sort();
        failed
    }

    /// All answers in one number, which is another if any of them is.
    pub fn digest(&self) -> u64 {
        let told = self.lock();
        let mut answers: Vec<_> = told.iter().map(|(name, told)| (name, &told.answer)).collect();
        answers.sort_by_key(|(name, _)| *name);
        let mut hasher = DefaultHasher::new();
        for (name, answer) in answers {
            name.hash(&mut hasher);
            let answer = answer.as_deref();
            // Servers list files in no order of their own.
            let mut files: Vec<_> =
                answer.map(|answer| answer.files.iter().collect()).unwrap_or_default();
            files.sort();
            files.hash(&mut hasher);
            answer.map(|answer| &answer.undescribed).hash(&mut hasher);
        }
        hasher.finish()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Told>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The upstream that a source asks.
fn reflected(source: &Source) -> Option<String> {
    match source {
        Source::Reflection { upstream, .. } => Some(upstream.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::upstream;

    fn reflected(files: &[&'static str]) -> Reflected {
        let files = files.iter().map(|file| Bytes::from_static(file.as_bytes())).collect();
        Reflected { files, undescribed: Vec::new() }
    }

    #[tokio::test]
    async fn the_last_answer_stands_while_an_upstream_is_away() {
        let reflections = Reflections::default();
        reflections.note("a", Ok(reflected(&["one", "two"])));
        let before = reflections.digest();
        let nobody = reflection::ask(&upstream::Settings::default(), Bounds::default()).await;
        reflections.note("a", Err(nobody.expect_err("nobody to ask")));
        assert_eq!(reflections.digest(), before);
        let told = reflections.told("a");
        assert_eq!(told.answer.unwrap().files.len(), 2);
        assert!(told.failure.is_some());
        assert_eq!(reflections.failures()[0].0, "a");
        reflections.note("a", Ok(reflected(&["two", "one"])));
        assert_eq!(reflections.digest(), before, "the order of files means nothing");
        assert!(reflections.failures().is_empty());
        reflections.note("a", Ok(reflected(&["two"])));
        assert_ne!(reflections.digest(), before);
    }

    #[tokio::test]
    async fn an_upstream_that_is_no_source_any_more_is_forgotten() {
        let reflections = Reflections::default();
        reflections.note("a", Ok(reflected(&["one"])));
        reflections.ask(&File::default()).await;
        assert!(reflections.told("a").answer.is_none());
    }
}
