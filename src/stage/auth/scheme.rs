//! One way to tell who calls, and how several of them stand together.
//!
//! ```text
//! any_of: [a, b]           the first that knows the caller; a refusal counts if none does
//! all_of: [a, b]           each must know the caller; the first one's principal is the caller
//! any_of: [a, all_of: …]   both
//! ```

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;

use super::denial::{Denial, Kind};
use crate::exchange::{Exchange, Principal};

/// What a way finds out: who calls, nobody that it knows of, or somebody who isn't let in.
pub(super) type Verdict = Result<Option<Arc<Principal>>, Denial>;

/// A verdict, at once where it needs nobody else.
pub(super) enum Check<'a> {
    Now(Verdict),
    Later(BoxFuture<'a, Verdict>),
}

/// One way to tell who calls.
pub(super) trait Scheme: Send + Sync {
    /// Looks for its kind of credential, and at it.
    fn check<'a>(&'a self, exchange: &Exchange) -> Check<'a>;

    /// Takes its kind of credential out of what the backend gets.
    fn strip(&self, exchange: &mut Exchange);

    /// The scheme of `WWW-Authenticate` that asks for its kind of credential.
    fn challenge(&self) -> &'static str;
}

/// Ways that stand together.
pub(super) enum Group {
    Any(Vec<Group>),
    All(Vec<Group>),
    One(Box<dyn Scheme>),
}

impl Group {
    /// Asks all of them, as far as it takes.
    pub(super) fn check<'a>(&'a self, exchange: &Exchange) -> Check<'a> {
        match self {
            Self::One(scheme) => scheme.check(exchange),
            Self::Any(groups) => {
                let mut checks = Vec::new();
                for group in groups {
                    let check = group.check(exchange);
                    // Nothing before it is still open, so nothing after it has a say.
                    let waits = checks.iter().any(|check| matches!(check, Check::Later(_)));
                    if matches!(check, Check::Now(Ok(Some(_)))) && !waits {
                        return check;
                    }
                    checks.push(check);
                }
                settle(checks, any)
            }
            Self::All(groups) => {
                settle(groups.iter().map(|group| group.check(exchange)).collect(), all)
            }
        }
    }

    /// Shows every scheme in it.
    pub(super) fn each(&self, see: &mut dyn FnMut(&dyn Scheme)) {
        match self {
            Self::One(scheme) => see(&**scheme),
            Self::Any(groups) | Self::All(groups) => {
                groups.iter().for_each(|group| group.each(see));
            }
        }
    }
}

impl Future for Check<'_> {
    type Output = Verdict;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Verdict> {
        match &mut *self {
            Self::Now(verdict) => Poll::Ready(verdict.clone()),
            Self::Later(verdict) => verdict.as_mut().poll(cx),
        }
    }
}

/// One verdict of several.
fn settle<'a>(checks: Vec<Check<'a>>, fold: fn(Vec<Verdict>) -> Verdict) -> Check<'a> {
    if checks.iter().any(|check| matches!(check, Check::Later(_))) {
        return Check::Later(Box::pin(async move {
            let mut verdicts = Vec::with_capacity(checks.len());
            for check in checks {
                verdicts.push(check.await);
            }
            fold(verdicts)
        }));
    }
    let verdicts = checks.into_iter().filter_map(|check| match check {
        Check::Now(verdict) => Some(verdict),
        Check::Later(_) => None,
    });
    Check::Now(fold(verdicts.collect()))
}

/// The first principal; else the gravest denial; else nobody.
fn any(verdicts: Vec<Verdict>) -> Verdict {
    let mut denied: Option<Denial> = None;
    for verdict in verdicts {
        match verdict {
            Ok(Some(principal)) => return Ok(Some(principal)),
            Ok(None) => {}
            Err(denial) => {
                let graver = denied.is_none_or(|other| gravity(denial) > gravity(other));
                denied = if graver { Some(denial) } else { denied };
            }
        }
    }
    denied.map_or(Ok(None), Err)
}

/// What can't be judged might have been good, so it must not be called bad.
fn gravity(denial: Denial) -> u8 {
    match denial.kind {
        Kind::Missing => 0,
        Kind::Refused => 1,
        Kind::Ambiguous => 2,
        Kind::Unavailable => 3,
    }
}

/// The first's principal if all know the caller; nobody if none does.
fn all(verdicts: Vec<Verdict>) -> Verdict {
    let mut principals = Vec::with_capacity(verdicts.len());
    for verdict in verdicts {
        principals.push(verdict?);
    }
    if principals.iter().all(Option::is_none) {
        return Ok(None);
    }
    if principals.iter().any(Option::is_none) {
        return Err(Denial::INCOMPLETE);
    }
    Ok(principals.swap_remove(0))
}
