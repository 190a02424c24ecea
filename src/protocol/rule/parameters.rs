//! Path and query to wire bytes.
//!
//! A request is woven on the wire: the body's bytes, then the query's, then the path's. Protobuf
//! lets the last value of a field win and merges messages, so the path has the last word. Lists grow
//! instead, and a FieldMask is one: what the body says there is taken out before.

use std::borrow::Cow;

use super::{
    OnCollision, Rule, UnknownParameters,
    collision::{self, Leaf},
    erase, fault,
};
use crate::{
    error::Error,
    route::{self, Captures},
    transcode::{Fault, Given, ParameterError, Parameters, Plan, Slot},
};

impl Rule {
    /// The wire bytes of query and path, which follow the body's own.
    ///
    /// # Errors
    /// A capture or parameter that is badly encoded, names no field, does not fit its field, or
    /// differs from the path's where the settings forbid that.
    pub fn tail(&self, captures: &Captures<'_>, query: Option<&str>) -> Result<Vec<u8>, Error> {
        let mut tail = Vec::new();
        if let Some(query) = query.filter(|query| !query.is_empty()) {
            let captured = |place: usize| captures.as_slice().get(place)?.decode().ok();
            let kind = "query parameter";
            self.read(&self.input, &self.bound, query, kind, captured, &mut tail)?;
        }
        for (slot, capture) in self.bound.iter().zip(captures.as_slice()) {
            let value = capture.decode().map_err(|error| fault::path_encoding(&error))?;
            let written = slot.write(&value, &mut tail);
            written.map_err(|error| fault::parameter(&error, "path parameter"))?;
        }
        Ok(tail)
    }

    /// The wire bytes of a form, which fills the message of a plan. Of what the path binds, the
    /// path's value comes behind the form's.
    ///
    /// # Errors
    /// As of [`Self::tail`].
    pub fn form(&self, plan: &Plan, form: &str, out: &mut Vec<u8>) -> Result<(), Error> {
        self.read(plan, &[], form, "form field", |_| None, out)
    }

    /// Puts the wire bytes of query and path behind those of a body, so that the path has the last
    /// word.
    ///
    /// # Errors
    /// INVALID_ARGUMENT that names the field, if the body gives one of the path another value and
    /// the settings forbid that.
    pub fn weave(&self, body: &mut Vec<u8>, tail: &[u8]) -> Result<(), Error> {
        for (variable, slot) in self.variables.iter().zip(&self.bound) {
            let reject = self.settings.on_collision == OnCollision::Reject;
            if reject && collision::differs(body, tail, &variable.numbers, variable.leaf) {
                return Err(fault::collision(slot.name()));
            }
            if variable.leaf == Leaf::List
                && let Some(rest) = erase::without(body, &variable.numbers)
            {
                *body = rest;
            }
        }
        body.extend_from_slice(tail);
        Ok(())
    }

    /// Sets the fields that a query or form names. `captured` gives the path's own value of a
    /// variable.
    fn read<'c>(
        &self,
        plan: &Plan,
        bound: &[Slot],
        text: &str,
        kind: &str,
        captured: impl Fn(usize) -> Option<Cow<'c, str>>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let mut parameters = Parameters::new(plan, bound);
        for pair in route::pairs(text) {
            let (name, value) = pair.map_err(|error| fault::parameter_encoding(&error))?;
            match parameters.set(&name, &value, out) {
                Ok(Given::Written) => {}
                Ok(Given::Bound(place)) if place < self.variables.len() => {
                    let differs = || {
                        let path = captured(place);
                        path.is_some_and(|path| !bound[place].is_same(&path, &value))
                    };
                    if self.settings.on_collision == OnCollision::Reject && differs() {
                        return Err(fault::collision(bound[place].name()));
                    }
                }
                Ok(Given::Bound(_)) if self.ignores(&name) => {}
                Ok(Given::Bound(_)) => return Err(fault::in_body(&name)),
                Err(ParameterError { fault: Fault::Unknown, .. }) if self.ignores(&name) => {}
                Err(error) => return Err(fault::parameter(&error, kind)),
            }
        }
        Ok(())
    }

    fn ignores(&self, name: &str) -> bool {
        self.settings.unknown_parameters == UnknownParameters::Ignore
            || self.settings.ignored_parameters.iter().any(|ignored| ignored == name)
    }
}
