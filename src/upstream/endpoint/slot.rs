//! A place for one stream on a connection, and what is told of the call that took it.

use std::sync::{Arc, atomic::Ordering::SeqCst};

use tokio::time::Instant;

use super::{Lane, Target};
use crate::{
    error::{Code, Error},
    upstream::{breaker::Permit, connection::Connection, standing::Course},
};

/// A place for one stream. Giving it back lets the next call in.
pub(in crate::upstream) struct Slot {
    connection: Arc<Connection>,
    lane: Arc<Lane>,
    taken: bool,
    /// The call that was sent on it, if it is one that counts.
    course: Option<Course>,
    /// Its count among the cluster's calls.
    permit: Option<Permit>,
}

impl Lane {
    /// A place that has been counted in on the connection.
    pub(super) fn slot(self: &Arc<Self>, connection: Arc<Connection>) -> Slot {
        self.standing.enter();
        Slot { connection, lane: self.clone(), taken: true, course: None, permit: None }
    }
}

impl Slot {
    /// The connection of the place.
    pub(in crate::upstream) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The endpoint of the place.
    pub(in crate::upstream) fn target(&self) -> &Arc<Target> {
        &self.lane.target
    }

    /// It counts among the cluster's calls as long as it is taken.
    pub(in crate::upstream) fn hold(&mut self, permit: Permit) {
        self.permit = Some(permit);
    }

    /// A call that counts is sent; how it ends is reported to the endpoint's standing.
    pub(in crate::upstream) fn begin(&mut self, deadline: Option<Instant>) {
        self.course = Some(Course::begin(deadline));
    }

    /// The backend has told how the call ended.
    pub(in crate::upstream) fn told(&mut self, code: Code) {
        if let Some(course) = &mut self.course {
            course.told(code);
        }
    }

    /// The call failed, unless the backend has told its end before.
    pub(in crate::upstream) fn failed(&mut self, error: &Error) {
        if let Some(course) = &mut self.course {
            course.failed(error);
        }
    }

    /// Takes the connection out of its lane: it takes no more calls.
    pub(in crate::upstream) fn retire(self) {
        self.lane.remove(&self.connection.load);
    }

    /// Gives the place back without serving who waits, which the caller is about to do itself.
    pub(super) fn give_back_quietly(mut self) {
        self.connection.load.active.fetch_sub(1, SeqCst);
        self.lane.standing.leave();
        self.taken = false;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.taken {
            return;
        }
        // First the place, then the look at who waits; who waits does it the other way round.
        self.connection.load.active.fetch_sub(1, SeqCst);
        self.lane.standing.leave();
        if let Some(course) = &self.course {
            self.lane.standing.report(course.outcome());
        }
        if self.lane.has_waiters() {
            self.lane.settle();
        }
    }
}
