//! Walks through an expression and compares the types that are known, so that a condition which
//! can't work never gets to serve.

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, operators};

use super::{Variable, names::ROOTS, operators::gives, types::Type};
use crate::schema::Method;

/// What is wrong is a sentence with its mend.
pub(super) type Checked<T> = Result<T, String>;

/// Checks an expression and puts variables in the places of names; they are `$0`, `$1` and so on.
pub(super) fn check(expression: &mut IdedExpr, method: &Method) -> Checked<Vec<Variable>> {
    let mut checker = Checker { method, variables: Vec::new(), locals: Vec::new(), frozen: false };
    let given = checker.walk(expression)?;
    if !given.may_be(&Type::Bool) {
        return Err(format!("it gives a {given}; write what is true or false"));
    }
    Ok(checker.variables)
}

pub(super) struct Checker<'m> {
    pub(super) method: &'m Method,
    pub(super) variables: Vec<Variable>,
    /// What macros bind, innermost last.
    pub(super) locals: Vec<(String, Type)>,
    /// In a loop over a part of the message, whose length the caller chooses.
    pub(super) frozen: bool,
}

impl Checker<'_> {
    fn walk(&mut self, expression: &mut IdedExpr) -> Checked<Type> {
        if let Some((names, is_test)) = self.names(&expression.expr) {
            let (replaced, given) = self.name(&names, is_test)?;
            expression.expr = replaced;
            return Ok(given);
        }
        match &mut expression.expr {
            Expr::Literal(literal) => Ok(match literal {
                LiteralValue::Boolean(_) => Type::Bool,
                LiteralValue::Bytes(_) => Type::Bytes,
                LiteralValue::Double(_) => Type::Double,
                LiteralValue::Int(_) => Type::Int,
                LiteralValue::UInt(_) => Type::Uint,
                LiteralValue::String(_) => Type::Text,
                LiteralValue::Null => Type::Null,
            }),
            Expr::Ident(name) => {
                let local = self.locals.iter().rev().find(|(local, _)| local == name);
                let unknown = || format!("the variable `{name}` is unknown; there are {ROOTS}");
                local.map(|(_, given)| given.clone()).ok_or_else(unknown)
            }
            Expr::Select(select) => {
                let given = self.walk(&mut select.operand)?;
                match (given, select.test) {
                    (Type::Any | Type::Map(_), true) => Ok(Type::Bool),
                    (Type::Map(value), false) => Ok(*value),
                    (Type::Any, false) => Ok(Type::Any),
                    (given, _) => Err(format!("a {given} has no field `{}`", select.field)),
                }
            }
            Expr::List(list) => self.elements(list.elements.iter_mut()),
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(all) => self.comprehension(all),
            Expr::Map(_) | Expr::Struct(_) => {
                Err("maps and messages can't be made in a condition; compare their fields".into())
            }
            Expr::Unspecified => Err("it says nothing".into()),
        }
    }

    fn elements<'e>(&mut self, elements: impl Iterator<Item = &'e mut IdedExpr>) -> Checked<Type> {
        let mut common = None;
        for element in elements {
            let given = self.walk(element)?;
            common = Some(match common {
                None => given,
                Some(before) if before == given => before,
                Some(_) => Type::Any,
            });
        }
        Ok(Type::List(Box::new(common.unwrap_or(Type::Any))))
    }

    fn call(&mut self, call: &mut CallExpr) -> Checked<Type> {
        if let Some(replaced) = self.presence(call)? {
            *call = replaced;
            return Ok(Type::Bool);
        }
        let name = call.func_name.clone();
        let mut given = Vec::new();
        for operand in call.target.iter_mut().map(|target| &mut **target).chain(&mut call.args) {
            given.push(self.walk(operand)?);
        }
        gives(&name, call, &given)
    }

    /// `"x-tenant" in metadata` asks as `has(metadata["x-tenant"])` does.
    fn presence(&mut self, call: &CallExpr) -> Checked<Option<CallExpr>> {
        let (operators::IN, [key, of]) = (call.func_name.as_str(), &call.args[..]) else {
            return Ok(None);
        };
        let (Expr::Literal(LiteralValue::String(key)), Some((mut names, false))) =
            (&key.expr, self.names(&of.expr))
        else {
            return Ok(None);
        };
        let is_map =
            names == ["metadata"] || names.starts_with(&["principal".into(), "claims".into()]);
        if !is_map || names.len() > 2 {
            return Ok(None);
        }
        names.push(key.inner().to_owned());
        let (expr, _) = self.name(&names, true)?;
        // A call that gives what its one operand gives.
        let func_name = operators::NOT_STRICTLY_FALSE.to_owned();
        Ok(Some(CallExpr { func_name, target: None, args: vec![IdedExpr { id: 0, expr }] }))
    }

    /// `all`, `exists`, `map` and their like.
    fn comprehension(&mut self, all: &mut ComprehensionExpr) -> Checked<Type> {
        if !self.locals.is_empty() {
            return Err("a macro inside of a macro isn't allowed: its cost has no bound".into());
        }
        let before = self.variables.len();
        let element = match self.walk(&mut all.iter_range)? {
            Type::List(element) => *element,
            Type::Map(_) => Type::Text,
            Type::Any => Type::Any,
            given => return Err(format!("macros go over lists and maps, and not over a {given}")),
        };
        let is_request = |one: &Variable| matches!(one, Variable::Request(_));
        self.frozen = self.variables[before..].iter().any(is_request);
        self.locals.push((all.iter_var.clone(), element));
        self.locals.extend(all.iter_var2.clone().map(|name| (name, Type::Any)));
        let mut walk = || {
            let start = self.walk(&mut all.accu_init)?;
            // A list grows from the empty one, whose elements nobody knows.
            let start = start.widened();
            self.locals.push((all.accu_var.clone(), start));
            self.walk(&mut all.loop_cond)?;
            self.walk(&mut all.loop_step)?;
            self.walk(&mut all.result)
        };
        let given = walk();
        self.locals.clear();
        self.frozen = false;
        given
    }
}
