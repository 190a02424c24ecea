//! `validate`: whether a request's messages keep the rules that their schema carries.
//!
//! ```yaml
//! services:
//!   "bookshelf.v1.*": { validate: {} }                    # buf.validate, standard rules and CEL
//!   "bookshelf.v1.Bookshelf.UpdateBook":
//!     validate: { required: true, output_only: reject }   # google.api.field_behavior too
//! ```
//!
//! Each message is checked before the backend gets it, and the first one before the backend hears of
//! the call. What breaks a rule is INVALID_ARGUMENT with a google.rpc.BadRequest that names the JSON
//! path, the rule's id and what would be right. Rules are compiled with the configuration, and wrong
//! ones are its problems. A method whose messages carry no rule has no such stage and pays nothing.
//!
//! It is off unless a policy names it: a schema may carry rules that a backend has never enforced.
//!
//! | threat | defence | test |
//! |--------|---------|------|
//! | a message that a door lets through unchecked | one stage for all doors, each message | `matrix_rules_of_the_schema_…` |
//! | deep nesting, huge text, costly patterns | bounded decoding, linear functions | `validate_hostile_messages_…`, `huge_text_is_judged_…` |
//! | an answer as long as what is wrong | the first 20 violations are told | `validate_hostile_messages_…` |
//! | a rule that can't be evaluated | the call is refused | by construction |

mod check;
mod compile;
mod functions;
mod plan;
mod program;
mod settings;
mod values;
mod violation;
mod written;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor};

pub use check::Outcome;
pub use settings::{OutputOnly, Settings};
pub use violation::{Name, Place, Step, Violation};

use self::plan::Plan;
use super::{Blueprint, Built, Entry, Next, Stage, read_settings};
use crate::{
    error::{Code, Error},
    exchange::{Exchange, Reply},
};

/// The stage's line in the table.
pub(super) const ENTRY: Entry = Entry {
    name: "validate",
    summary: "Refuses messages (400) that break the rules of their schema: buf.validate and \
              google.api.field_behavior.",
    json_schema: |generator| generator.subschema_for::<Settings>(),
    build,
};

fn build(blueprint: &Blueprint<'_>) -> Built {
    let Some(value) = blueprint.settings else { return Ok(None) };
    let settings = read_settings::<Settings>(value)?;
    let kept = rules_of(blueprint, &settings);
    let rules =
        Option::clone(kept.as_ref().as_ref().map_err(|error| (String::new(), error.clone()))?);
    Ok(rules.map(|rules| Box::new(Validate { rules, _kept: kept }) as Box<dyn Stage>))
}

/// What came of compiling a type's rules.
type Compiled = Result<Option<Arc<Rules>>, String>;

/// The rules of a method's input, which methods that take the same type share.
fn rules_of(blueprint: &Blueprint<'_>, settings: &Settings) -> Arc<Compiled> {
    let input = &blueprint.method.input;
    // Two schemas may have a type of one name, but not at one place: rules hold their schema.
    let name = format!("validate {:p} {settings:?}", input.descriptor_proto());
    let compile = || Ok(Rules::compile(input, settings)?.map(Arc::new));
    blueprint.lasting.keep(&name, compile)
}

/// The rules of a type's messages.
pub struct Rules {
    message: MessageDescriptor,
    plan: Plan,
    output_only: OutputOnly,
}

impl Rules {
    /// Compiles the rules that a type carries; none if there are none, or if they are not asked for.
    ///
    /// # Errors
    /// A rule is wrong: a sentence that names its place in the schema.
    pub fn compile(
        message: &MessageDescriptor,
        settings: &Settings,
    ) -> Result<Option<Self>, String> {
        if !settings.enabled {
            return Ok(None);
        }
        let plan = compile::compile(message, settings)?;
        let output_only = settings.output_only;
        Ok(plan.map(|plan| Self { message: message.clone(), plan, output_only }))
    }

    /// Checks a message; ends after `most` violations.
    ///
    /// # Errors
    /// The bytes are no message of the type.
    pub fn check(&self, wire: &[u8], most: usize) -> Result<Outcome, prost::DecodeError> {
        let message = DynamicMessage::decode(self.message.clone(), wire)?;
        Ok(self.plan.check(&message, self.output_only, most))
    }

    /// The message as the backend is to get it.
    fn judge(&self, wire: Bytes) -> Result<Bytes, Error> {
        let decoded = DynamicMessage::decode(self.message.clone(), wire.clone());
        let mut message = decoded.map_err(|error| {
            Error::invalid("broken_message", "the message's bytes are broken").with_source(error)
        })?;
        let is_cleared =
            self.output_only == OutputOnly::Clear && self.plan.clear_output_only(&mut message);
        let Outcome { violations, failure } =
            self.plan.check(&message, self.output_only, violation::MOST);
        if !violations.is_empty() {
            return Err(violation::refusal(&violations));
        }
        if let Some(failure) = failure {
            let told = "a rule of the schema could not be evaluated";
            return Err(Error::new(Code::Internal, "rule_failed", told).with_source(failure));
        }
        Ok(if is_cleared { message.encode_to_vec().into() } else { wire })
    }
}

/// The stage at work.
struct Validate {
    rules: Arc<Rules>,
    /// For others to share.
    _kept: Arc<Compiled>,
}

impl Stage for Validate {
    fn call<'a>(
        &'a self,
        mut exchange: Exchange,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Reply, Error>> {
        if self.rules.output_only != OutputOnly::Clear
            && let Some(message) = exchange.messages.as_one()
        {
            return match self.rules.judge(message.clone()) {
                Ok(_) => next.call(exchange),
                Err(error) => Box::pin(ready(Err(error))),
            };
        }
        let rules = self.rules.clone();
        Box::pin(async move {
            let judge = Box::new(move |message| rules.judge(message));
            (exchange.messages, _) = exchange.messages.judged(judge).await?;
            next.call(exchange).await
        })
    }
}

#[cfg(test)]
mod tests;
