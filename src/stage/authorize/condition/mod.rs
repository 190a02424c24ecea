//! `when:` conditions on a call, in CEL, checked against the method's input message when they are
//! compiled and run against the fields that they name, and no others.
//!
//! ```text
//! request.shelf == principal.claims.shelf      as written
//! $0            == $1                          as run: 0 is a field's reader, 1 a path of claims
//! ```
//!
//! A name is looked up once, when the condition is compiled: what is unknown, or can't be compared, is
//! a problem of the configuration. What remains are variables that are read when the expression gets
//! to them. An evaluation that fails refuses the call.
//!
//! | threat | defence | test |
//! |--------|---------|------|
//! | a harmless first message of a stream | each message is judged | `authorize_condition_holds_for_each_message`, `matrix_conditions_judge_…` |
//! | no message at all | it is judged as the empty one | `authorize_condition_holds_for_each_message` |
//! | making a condition fail | what can't be told is refused | `what_can_not_be_told_does_not_hold` |
//! | a header twice | its lines are joined | `condition_reads_what_it_names` |
//! | lists and patterns that cost more than linear time | `MOST`, no macro in a macro, patterns written out | `huge_messages_cost_linear_time_…`, `wrong_conditions_are_problems_…` |
//! | an expression that overflows the stack | bounds, a thread of its own to read it | `hostile_expressions_…` |

mod check;
mod facts;
mod names;
mod operators;
mod types;

use std::sync::LazyLock;

use cel::{Context, common::ast::IdedExpr};

pub(super) use facts::Facts;

use crate::{schema::Method, stage::expression, transcode::field::Field};

/// A list or map in a message may have so many elements; a condition that reads a longer one refuses.
const MOST: usize = 1_000;

/// The functions, and no variables.
static SCOPE: LazyLock<Context<'static, 'static>> =
    LazyLock::new(|| expression::scope(expression::environment()));

/// A condition, compiled for one method.
pub(super) struct Condition {
    expression: IdedExpr,
    variables: Vec<Variable>,
}

/// What a condition reads.
enum Variable {
    Id,
    Issuer,
    Kind,
    Scopes,
    /// Whether the caller is known.
    IsKnown,
    Claim(Vec<String>),
    HasClaim(Vec<String>),
    Metadata(http::HeaderName),
    HasMetadata(http::HeaderName),
    Address,
    Request(Field),
    HasRequest(Field),
}

impl Condition {
    /// Compiles an expression for a method.
    ///
    /// # Errors
    /// What is wrong with it: a sentence with its mend, which names the method where another one
    /// might take the expression.
    pub(super) fn compile(source: &str, method: &Method) -> Result<Self, String> {
        let mut expression = expression::read(source)?;
        let variables = check::check(&mut expression, method)
            .map_err(|error| format!("for `{}`: {error}", method.full_name))?;
        Ok(Self { expression, variables })
    }

    /// Whether it reads the message.
    pub(super) fn reads_message(&self) -> bool {
        let is = |one: &Variable| matches!(one, Variable::Request(_) | Variable::HasRequest(_));
        self.variables.iter().any(is)
    }

    /// Whether it reads the caller's address.
    pub(super) fn reads_address(&self) -> bool {
        self.variables.iter().any(|one| matches!(one, Variable::Address))
    }

    /// Whether it asks who calls.
    pub(super) fn reads_principal(&self) -> bool {
        use Variable::{Claim, HasClaim, Id, IsKnown, Issuer, Kind, Scopes};
        let is = |one: &Variable| {
            matches!(one, Id | Issuer | Kind | Scopes | IsKnown | Claim(_) | HasClaim(_))
        };
        self.variables.iter().any(is)
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// It can't be told: why, for the log.
    pub(super) fn holds(&self, facts: &Facts<'_>) -> Result<bool, String> {
        let read = facts.of(&self.variables);
        let mut scope = SCOPE.new_inner_scope();
        scope.set_variable_resolver(&read);
        match cel::Value::resolve(&self.expression, &scope) {
            Ok(cel::Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(format!("it gave a {} instead of a bool", other.type_of())),
            Err(error) => Err(read.fault().unwrap_or_else(|| error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests;
