//! One rule's expression, and what comes of it.

use std::sync::Arc;

use cel::{
    Context,
    common::{
        ast::{Expr, IdedExpr, LiteralValue, SelectExpr},
        types::CelTimestamp,
        value::Val,
    },
};
use prost_reflect::{DynamicMessage, Value};

use super::{
    functions::SCOPE,
    values::{message_of, value_of},
    violation::Step,
};
use crate::stage::expression;

/// A rule in CEL, ready to run.
pub(super) struct Program {
    pub(super) id: String,
    /// What a caller is told, if the expression doesn't say it.
    message: String,
    /// Where the rule stands.
    pub(super) path: Vec<Step>,
    expression: IdedExpr,
    /// What the rule's own field holds, and the message of rules around it.
    rule: Option<(Arc<Value>, Arc<DynamicMessage>)>,
    asks_for_now: bool,
}

impl Program {
    /// Compiles an expression.
    ///
    /// # Errors
    /// It is no CEL: a sentence.
    pub(super) fn compile(
        id: &str,
        message: &str,
        source: &str,
        path: Vec<Step>,
        rule: Option<(Arc<Value>, Arc<DynamicMessage>)>,
    ) -> Result<Self, String> {
        let name = if id.is_empty() { source } else { id };
        let wrong = |error: String| format!("the rule `{name}`: {error}");
        let mut expression = expression::read(source).map_err(wrong)?;
        let mut found = Found::default();
        rewrite(&mut expression, &mut found);
        if let Some(unknown) = found.unknown(rule.is_some()) {
            return Err(wrong(format!("the variable `{unknown}` is unknown")));
        }
        Ok(Self {
            id: name.to_owned(),
            message: message.to_owned(),
            path,
            expression,
            rule,
            asks_for_now: found.names.iter().any(|name| name == "now"),
        })
    }

    /// What `this` is asked for, field by field, for who knows its type.
    pub(super) fn fields_of_this(&self) -> Vec<Vec<String>> {
        let mut all = Vec::new();
        paths(&self.expression.expr, &mut all);
        all
    }

    /// Runs it on a value. What is broken is told in words, perhaps empty ones.
    ///
    /// # Errors
    /// The expression could not be evaluated: why, for the log.
    pub(super) fn run(&self, this: Box<dyn Val + '_>) -> Result<Option<String>, String> {
        let mut scope: Context<'_, '_> = SCOPE.new_inner_scope();
        scope.add_variable_as_val("this", this);
        if self.asks_for_now {
            let now =
                chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now()).fixed_offset();
            scope.add_variable_as_val("now", Box::new(CelTimestamp::from(now)));
        }
        if let Some((rule, rules)) = &self.rule {
            scope.add_variable_as_val("rule", value_of(rule));
            scope.add_variable_as_val("rules", message_of(rules));
        }
        match cel::Value::resolve(&self.expression, &scope) {
            Ok(cel::Value::Bool(true)) => Ok(None),
            Ok(cel::Value::Bool(false)) if self.message.is_empty() => {
                Ok(Some(format!("\"{}\" returned false", self.id)))
            }
            Ok(cel::Value::Bool(false)) => Ok(Some(self.message.clone())),
            Ok(cel::Value::String(told)) if told.is_empty() => Ok(None),
            Ok(cel::Value::String(told)) if self.message.is_empty() => Ok(Some(told.to_string())),
            Ok(cel::Value::String(_)) => Ok(Some(self.message.clone())),
            Ok(other) => Err(format!("the rule `{}` gave a {}", self.id, other.type_of())),
            Err(error) => Err(format!("the rule `{}`: {error}", self.id)),
        }
    }
}

/// The names that an expression uses.
#[derive(Default)]
struct Found {
    names: Vec<String>,
    bound: Vec<String>,
}

impl Found {
    fn unknown(&self, has_rule: bool) -> Option<&str> {
        let types = [
            "int",
            "uint",
            "double",
            "string",
            "bytes",
            "bool",
            "list",
            "map",
            "type",
            "null_type",
            "google",
        ];
        let is_known = |name: &str| {
            matches!(name, "this" | "now")
                || has_rule && matches!(name, "rule" | "rules")
                || types.contains(&name)
                || self.bound.iter().any(|bound| bound == name)
        };
        self.names.iter().map(String::as_str).find(|name| !is_known(name))
    }
}

/// `has(x.f)` looks up `?f`, and `getField(x, 'f')` is `x.f` where `f` is a word of the language.
fn rewrite(expression: &mut IdedExpr, found: &mut Found) {
    if let Expr::Call(call) = &mut expression.expr
        && call.func_name == "getField"
        && let [of, name] = &mut call.args[..]
        && let Expr::Literal(LiteralValue::String(name)) = &name.expr
    {
        let operand = Box::new(std::mem::take(of));
        let field = name.inner().to_owned();
        expression.expr = Expr::Select(SelectExpr { operand, field, test: false });
    }
    match &mut expression.expr {
        Expr::Ident(name) => found.names.push(name.clone()),
        Expr::Select(select) => {
            if select.test {
                select.field.insert(0, '?');
            }
            rewrite(&mut select.operand, found);
        }
        Expr::Call(call) => {
            call.target.iter_mut().for_each(|target| rewrite(target, found));
            call.args.iter_mut().for_each(|operand| rewrite(operand, found));
        }
        Expr::List(list) => list.elements.iter_mut().for_each(|one| rewrite(one, found)),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let cel::common::ast::EntryExpr::MapEntry(entry) = &mut entry.expr {
                    rewrite(&mut entry.key, found);
                    rewrite(&mut entry.value, found);
                }
            }
        }
        Expr::Comprehension(all) => {
            found.bound.extend([all.iter_var.clone(), all.accu_var.clone()]);
            found.bound.extend(all.iter_var2.clone());
            let parts = [
                &mut all.iter_range,
                &mut all.accu_init,
                &mut all.loop_cond,
                &mut all.loop_step,
                &mut all.result,
            ];
            parts.into_iter().for_each(|part| rewrite(part, found));
        }
        Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => {}
    }
}

/// The chains of fields that begin at `this`.
fn paths(expression: &Expr, all: &mut Vec<Vec<String>>) {
    let (mut names, mut at) = (Vec::new(), expression);
    while let Expr::Select(select) = at {
        names.push(select.field.trim_start_matches('?').to_owned());
        at = &select.operand.expr;
    }
    match at {
        Expr::Ident(name) if name == "this" && !names.is_empty() => {
            names.reverse();
            all.push(names);
        }
        _ => expression::each_child(at, &mut |child| paths(&child.expr, all)),
    }
}
