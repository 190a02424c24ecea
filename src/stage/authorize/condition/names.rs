//! What names in an expression stand for.
//!
//! ```text
//! principal.{id, issuer, kind, scopes, claims.…}   method.{service, name, full}   metadata["name"]
//! address                                          request.<field>.<field>        pkg.Enum.VALUE
//! ```

use cel::common::ast::{Expr, IdedExpr, LiteralValue, SelectExpr, operators};
use http::HeaderName;

use super::{
    Variable,
    check::{Checked, Checker},
    types::Type,
};
use crate::{
    stage::wrong_field,
    transcode::field::{Field, Label, enum_number},
};

/// What a name may begin with.
pub(super) const ROOTS: &str = "`principal`, `method`, `metadata`, `address` and `request`";

impl Checker<'_> {
    /// The names that an expression joins by dots or by `["name"]`, and whether `has` asks for them;
    /// none if it begins with anything but a root.
    pub(super) fn names(&self, expression: &Expr) -> Option<(Vec<String>, bool)> {
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
    pub(super) fn name(&mut self, names: &[String], is_test: bool) -> Checked<(Expr, Type)> {
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
                let select = SelectExpr { operand, field: key, test: is_test };
                (Expr::Select(select), given)
            }
            (_, given) => (expression, given),
        })
    }
}
