//! What operators and functions take and give.

use cel::common::ast::{CallExpr, Expr, LiteralValue, operators};

use super::{check::Checked, types::Type};
use crate::stage::expression;

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

/// What a call gives: of an operator or of a function, by the types of its operands.
pub(super) fn gives(name: &str, call: &CallExpr, given: &[Type]) -> Checked<Type> {
    let Some(sign) = operator(name) else { return function(name, call, given) };
    match (sign, given) {
        (_, [one, other]) => binary(sign, one, other),
        ("!", [one]) if one.may_be(&Type::Bool) => Ok(Type::Bool),
        ("!", [one]) => Err(format!("`!` takes a bool and not a {one}")),
        ("-", [one]) if one.may_be(&Type::Int) || *one == Type::Double => Ok(one.clone()),
        ("-", [one]) => Err(format!("`-` takes a number with a sign and not a {one}")),
        ("?:", [test, yes, no]) => match test.may_be(&Type::Bool) {
            true if yes == no => Ok(yes.clone()),
            true => Ok(Type::Any),
            false => Err(format!("before `?` stands a bool and not a {test}")),
        },
        _ => Err(format!("`{sign}` has the wrong number of operands")),
    }
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
            (Type::List(_), Type::List(_)) if sign == "+" => Ok(one.clone().widened()),
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
