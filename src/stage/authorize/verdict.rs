//! The verdict of all conditions on a call and on its messages.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    condition::{Condition, Facts},
    denied,
    settings::When,
    unknown,
};
use crate::{
    error::Error,
    exchange::{Exchange, Reply},
    schema::Method,
    stage::{Finding, Next},
};

/// The conditions of one method.
pub(super) struct Verdicts {
    /// They know all they need from the start.
    calls: Vec<Named>,
    /// They read the message.
    messages: Vec<Named>,
}

/// A condition, and how the log speaks of it.
struct Named {
    name: String,
    message: Option<String>,
    condition: Condition,
}

impl Verdicts {
    pub(super) fn compile(all: &[When], method: &Method) -> Result<Self, Finding> {
        let (mut calls, mut messages) = (Vec::new(), Vec::new());
        for (index, When { name, expression, message }) in all.iter().enumerate() {
            let condition = Condition::compile(expression, method)
                .map_err(|error| (format!("when[{index}].expression"), error))?;
            let name = name.clone().unwrap_or_else(|| format!("when[{index}]"));
            let named = Named { name, message: message.clone(), condition };
            let list = if named.condition.reads_message() { &mut messages } else { &mut calls };
            list.push(named);
        }
        Ok(Self { calls, messages })
    }

    /// Whether one of them reads the caller's address.
    pub(super) fn read_address(&self) -> bool {
        self.calls.iter().chain(&self.messages).any(|one| one.condition.reads_address())
    }

    /// Judges a call by all that is at hand; false if its messages are still to be judged.
    pub(super) fn judge(&self, exchange: &Exchange) -> Result<bool, Error> {
        if !self.calls.is_empty() {
            judge(&self.calls, &Facts::new(exchange, &[]))?;
        }
        if self.messages.is_empty() {
            return Ok(true);
        }
        let Some(message) = exchange.messages.as_one() else { return Ok(false) };
        judge(&self.messages, &Facts::new(exchange, message)).map(|()| true)
    }

    /// Lets a call go on whose messages hold, each of them.
    pub(super) async fn judge_messages(
        self: Arc<Self>,
        mut exchange: Exchange,
        next: Next<'_>,
    ) -> Result<Reply, Error> {
        let kept = Facts::new(&exchange, &[]).keep();
        let (verdicts, facts) = (self.clone(), kept.clone());
        let each = move |message: Bytes| {
            judge(&verdicts.messages, &facts.with(&message)).map(|()| message)
        };
        let (messages, has_any) = exchange.messages.judged(Box::new(each)).await?;
        if !has_any {
            judge(&self.messages, &kept.with(&Bytes::new()))?;
        }
        exchange.messages = messages;
        next.call(exchange).await
    }
}

/// All of them have to hold.
fn judge(conditions: &[Named], facts: &Facts<'_>) -> Result<(), Error> {
    for Named { name, message, condition } in conditions {
        let why = match condition.holds(facts) {
            Ok(true) => continue,
            Ok(false) => message.clone().unwrap_or_else(|| "it doesn't hold".into()),
            Err(why) => format!("it could not be told: {why}"),
        };
        let error = match condition.reads_principal() && !facts.has_principal() {
            true => unknown(),
            false => denied("condition_failed"),
        };
        return Err(error.with_source(format!("condition `{name}`: {why}")));
    }
    Ok(())
}
