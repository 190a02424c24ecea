//! Looks up every name of an expression and compares the types that are known, so that a condition
//! which can't work never gets to serve.
//!
//! ```text
//! principal.{id, issuer, kind, scopes, claims.…}   method.{service, name, full}   metadata["name"]
//! address                                          request.<field>.<field>        pkg.Enum.VALUE
//! ```

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, operators};
use http::HeaderName;

use super::{Variable, types::Type};
use crate::{
    schema::Method,
    stage::{expression, wrong_field},
    transcode::field::{Field, Label, enum_number},
};

type Checked<T> = Result<T, String>;

const ROOTS: &str = "`principal`, `method`, `metadata`, `address` and `request`";

/// The functions, with their least and greatest number of operands (what they are called on counts)
/// and what they give.
const FUNCTIONS: &[(&str, usize, usize, Type)] = &[
    ("size", 1, 1, Type::Int),
    ("contains", 2, 2, Type::Bool),
    ("startsWith", 2, 2, Type::Bool),
    ("endsWith", 2, 2, Type::Bool),
    ("matches", 2, 2, Type::Bool),
    ("lowerAscii", 1, 1, Type::Text),
    ("upperAscii", 1, 1, Type::Text),
    ("trim", 1, 1, Type::Text),
    ("substring", 2, 3, Type::Text),
    ("split", 2, 3, Type::Any),
    ("int", 1, 1, Type::Int),
    ("uint", 1, 1, Type::Uint),
    ("double", 1, 1, Type::Double),
    ("string", 1, 1, Type::Text),
    ("bytes", 1, 1, Type::Bytes),
    ("bool", 1, 1, Type::Bool),
    ("dyn", 1, 1, Type::Any),
    ("timestamp", 1, 1, Type::Timestamp),
    ("duration", 1, 1, Type::Duration),
    ("getFullYear", 1, 2, Type::Int),
    ("getMonth", 1, 2, Type::Int),
    ("getDate", 1, 2, Type::Int),
    ("getDayOfMonth", 1, 2, Type::Int),
    ("getDayOfWeek", 1, 2, Type::Int),
    ("getDayOfYear", 1, 2, Type::Int),
    ("getHours", 1, 2, Type::Int),
    ("getMinutes", 1, 2, Type::Int),
    ("getSeconds", 1, 2, Type::Int),
    ("getMilliseconds", 1, 2, Type::Int),
];

/// Checks an expression and puts variables in the places of names; they are `$0`, `$1` and so on.
pub(super) fn check(expression: &mut IdedExpr, method: &Method) -> Checked<Vec<Variable>> {
    let mut checker = Checker { method, variables: Vec::new(), locals: Vec::new(), frozen: false };
    let given = checker.walk(expression)?;
    if !given.may_be(&Type::Bool) {
        return Err(format!("it gives a {given}; write what is true or false"));
    }
    Ok(checker.variables)
}

struct Checker<'m> {
    method: &'m Method,
    variables: Vec<Variable>,
    /// What macros bind, innermost last.
    locals: Vec<(String, Type)>,
    /// In a loop over a part of the message, whose length the caller chooses.
    frozen: bool,
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

    /// The names that an expression joins by dots or by `["name"]`, and whether `has` asks for them;
    /// none if it begins with anything but a root.
    fn names(&self, expression: &Expr) -> Option<(Vec<String>, bool)> {
        let mut names = Vec::new();
        let mut is_test = false;
        let mut at = expression;
        loop {
            match at {
                Expr::Ident(name) if self.locals.iter().all(|(local, _)| local != name) => {
                    names.push(name.trim_start_matches('.').to_owned());
                    names.reverse();
                    return (!name.starts_with(['$', '@'])).then_some((names, is_test));
                }
                Expr::Select(select) => {
                    if select.test && !names.is_empty() {
                        return None;
                    }
                    is_test |= select.test;
                    names.push(select.field.clone());
                    at = &select.operand.expr;
                }
                Expr::Call(call) if call.func_name == operators::INDEX => {
                    let [of, key] = &call.args[..] else { return None };
                    let Expr::Literal(LiteralValue::String(key)) = &key.expr else { return None };
                    names.push(key.inner().to_owned());
                    at = &of.expr;
                }
                _ => return None,
            }
        }
    }

    /// What stands for a name, and its type.
    fn name(&mut self, names: &[String], is_test: bool) -> Checked<(Expr, Type)> {
        let parts: Vec<&str> = names.iter().map(String::as_str).collect();
        let (variable, given) = match parts[..] {
            ["request", ref path @ ..] if !path.is_empty() => return self.field(path, is_test),
            ["method", part] => return self.method_part(part, is_test),
            ["principal", "claims", ref path @ ..] if !path.is_empty() => {
                let path = path.iter().map(|&name| name.to_owned()).collect();
                match is_test {
                    true => (Variable::HasClaim(path), Type::Bool),
                    false => (Variable::Claim(path), Type::Any),
                }
            }
            ["principal", "id" | "issuer" | "kind" | "scopes"] if is_test => {
                (Variable::IsKnown, Type::Bool)
            }
            ["principal", "id"] => (Variable::Id, Type::Text),
            ["principal", "issuer"] => (Variable::Issuer, Type::Text),
            ["principal", "kind"] => (Variable::Kind, Type::Text),
            ["principal", "scopes"] => (Variable::Scopes, Type::List(Box::new(Type::Text))),
            ["principal", ..] => {
                return Err("`principal` has `id`, `issuer`, `kind`, `scopes` and `claims`, of \
                            which a claim is named: `principal.claims.tenant`"
                    .into());
            }
            ["metadata", name] => {
                let header = HeaderName::try_from(name);
                let header = header.map_err(|_| format!("`{name}` is no name of metadata"))?;
                match is_test {
                    true => (Variable::HasMetadata(header), Type::Bool),
                    false => (Variable::Metadata(header), Type::Text),
                }
            }
            ["address"] => (Variable::Address, Type::Text),
            ["metadata", ..] => return Err("write one name: `metadata[\"x-tenant\"]`".into()),
            ["request"] => return Err("name a field: `request.name`".into()),
            ["method"] => return Err("name a part of it: `method.name`".into()),
            _ => return self.constant(&parts, is_test),
        };
        Ok((self.variable(variable), given))
    }

    fn variable(&mut self, variable: Variable) -> Expr {
        self.variables.push(variable);
        Expr::Ident(format!("${}", self.variables.len() - 1))
    }

    /// A method is known while its conditions are compiled.
    fn method_part(&self, part: &str, is_test: bool) -> Checked<(Expr, Type)> {
        let text = match part {
            _ if is_test => {
                return Ok((Expr::Literal(LiteralValue::Boolean(true.into())), Type::Bool));
            }
            "service" => &*self.method.service,
            "name" => self.method.name(),
            "full" => &self.method.full_name,
            _ => return Err("`method` has `service`, `name` and `full`".into()),
        };
        Ok((Expr::Literal(LiteralValue::String(text.to_owned().into())), Type::Text))
    }

    /// A value of an enum by its full name.
    fn constant(&self, parts: &[&str], is_test: bool) -> Checked<(Expr, Type)> {
        let name = parts.join(".");
        match enum_number(&self.method.input, &name).filter(|_| !is_test) {
            Some(number) => {
                let literal = LiteralValue::Int(i64::from(number).into());
                Ok((Expr::Literal(literal), Type::Int))
            }
            None => Err(format!(
                "`{name}` is unknown; there are {ROOTS}, and an enum's values by their full names"
            )),
        }
    }

    /// A field of the message, or the value of a map in it.
    fn field(&mut self, path: &[&str], is_test: bool) -> Checked<(Expr, Type)> {
        if self.frozen {
            return Err(
                "inside of a macro over a list of the message no other part of the message \
                        can be read: the caller chooses both lengths"
                    .into(),
            );
        }
        let input = &self.method.input;
        let map = || {
            let (key, path) = path.split_last()?;
            let map = Field::compile_names(input, path).ok()?;
            (map.label() == Label::Map).then_some((map, (*key).to_owned()))
        };
        let (field, key) = match map() {
            Some((map, key)) => (map, Some(key)),
            None => {
                let field = Field::compile_names(input, path);
                (field.map_err(|error| wrong_field(self.method, path[0], &error.0))?, None)
            }
        };
        if is_test && key.is_none() {
            return Ok((self.variable(Variable::HasRequest(field)), Type::Bool));
        }
        let Some(given) = Type::of(&field) else {
            let name = path.join(".");
            let mend = "name a field of it, or ask whether it is there with `has(…)`";
            return Err(format!("`request.{name}` is made of messages; {mend}"));
        };
        let expression = self.variable(Variable::Request(field));
        Ok(match (key, given) {
            (Some(key), Type::Map(value)) => {
                let operand = Box::new(IdedExpr { id: 0, expr: expression });
                let given = if is_test { Type::Bool } else { *value };
                let select = cel::common::ast::SelectExpr { operand, field: key, test: is_test };
                (Expr::Select(select), given)
            }
            (_, given) => (expression, given),
        })
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
        match (operator(&name), &given[..]) {
            (Some(sign), [one, other]) => binary(sign, one, other),
            (Some("!"), [one]) if one.may_be(&Type::Bool) => Ok(Type::Bool),
            (Some("!"), [one]) => Err(format!("`!` takes a bool and not a {one}")),
            (Some("-"), [one]) => Ok(one.clone()),
            (Some("?:"), [test, yes, no]) => match test.may_be(&Type::Bool) {
                true if yes == no => Ok(yes.clone()),
                true => Ok(Type::Any),
                false => Err(format!("before `?` stands a bool and not a {test}")),
            },
            (Some(sign), _) => Err(format!("`{sign}` has the wrong number of operands")),
            (None, _) => function(&name, call, &given),
        }
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
            let start = if start == Type::Int { Type::Int } else { widen(start) };
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

fn widen(start: Type) -> Type {
    if matches!(start, Type::List(_)) { Type::List(Box::new(Type::Any)) } else { start }
}

/// An operator as it is written.
fn operator(name: &str) -> Option<&'static str> {
    Some(match name {
        operators::CONDITIONAL => "?:",
        operators::LOGICAL_AND => "&&",
        operators::LOGICAL_OR => "||",
        operators::LOGICAL_NOT => "!",
        operators::SUBSTRACT | operators::NEGATE => "-",
        operators::ADD => "+",
        operators::MULTIPLY => "*",
        operators::DIVIDE => "/",
        operators::MODULO => "%",
        operators::EQUALS => "==",
        operators::NOT_EQUALS => "!=",
        operators::GREATER_EQUALS => ">=",
        operators::LESS_EQUALS => "<=",
        operators::GREATER => ">",
        operators::LESS => "<",
        operators::IN => "in",
        operators::INDEX => "[]",
        _ => return None,
    })
}

fn binary(sign: &str, one: &Type, other: &Type) -> Checked<Type> {
    let refuse = || Err(format!("`{sign}` can't be between a {one} and a {other}"));
    let is_known = *one != Type::Any && *other != Type::Any;
    match sign {
        "==" | "!=" if one.can_equal(other) => Ok(Type::Bool),
        "<" | "<=" | ">" | ">=" if one.can_order(other) => Ok(Type::Bool),
        "&&" | "||" if one.may_be(&Type::Bool) && other.may_be(&Type::Bool) => Ok(Type::Bool),
        "in" => match other {
            Type::List(element) if element.can_equal(one) => Ok(Type::Bool),
            Type::Map(_) | Type::Any => Ok(Type::Bool),
            _ => refuse(),
        },
        "[]" => match one {
            Type::List(element) if other.may_be(&Type::Int) => Ok((**element).clone()),
            Type::Map(value) => Ok((**value).clone()),
            Type::Any => Ok(Type::Any),
            _ => refuse(),
        },
        "+" | "-" | "*" | "/" | "%" if !is_known => Ok(Type::Any),
        "+" | "-" | "*" | "/" | "%" if one == other => match one {
            Type::Int | Type::Uint => Ok(one.clone()),
            Type::Double if sign != "%" => Ok(Type::Double),
            Type::Text | Type::Bytes | Type::List(_) | Type::Duration if sign == "+" => {
                Ok(one.clone())
            }
            Type::Duration | Type::Timestamp if sign == "-" => Ok(Type::Duration),
            _ => refuse(),
        },
        "+" | "-" => match (one, other) {
            (Type::Timestamp, Type::Duration) => Ok(Type::Timestamp),
            (Type::Duration, Type::Timestamp) if sign == "+" => Ok(Type::Timestamp),
            (Type::List(_), Type::List(_)) if sign == "+" => Ok(widen(one.clone())),
            _ => refuse(),
        },
        _ => refuse(),
    }
}

fn function(name: &str, call: &CallExpr, given: &[Type]) -> Checked<Type> {
    if name == operators::NOT_STRICTLY_FALSE {
        return Ok(Type::Bool);
    }
    let Some((_, least, most, gives)) = FUNCTIONS.iter().find(|(known, ..)| *known == name) else {
        let names: Vec<_> = FUNCTIONS.iter().map(|(known, ..)| format!("`{known}`")).collect();
        return Err(format!("the function `{name}` is unknown; there are {}", names.join(", ")));
    };
    if !(*least..=*most).contains(&given.len()) {
        return Err(format!("`{name}` has the wrong number of operands"));
    }
    let wants_text = matches!(
        name,
        "contains"
            | "startsWith"
            | "endsWith"
            | "matches"
            | "lowerAscii"
            | "upperAscii"
            | "trim"
            | "substring"
            | "split"
    );
    let wrong = given.iter().take(*least).zip(0..).find(|(one, at)| {
        wants_text && !one.may_be(&Type::Text) && !(name == "substring" && *at == 1)
    });
    if let Some((wrong, _)) = wrong {
        return Err(format!("`{name}` takes a string and not a {wrong}"));
    }
    if name == "size" && matches!(given[0], Type::Bool | Type::Int | Type::Uint | Type::Double) {
        return Err(format!("a {} has no size", given[0]));
    }
    if name == "matches" {
        let pattern = call.args.last().map(|last| &last.expr);
        let Some(Expr::Literal(LiteralValue::String(pattern))) = pattern else {
            return Err("the pattern of `matches` has to be written out".into());
        };
        expression::check_pattern(pattern.inner())?;
    }
    Ok(gives.clone())
}
