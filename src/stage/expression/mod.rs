//! Expressions in the Common Expression Language (<https://cel.dev>), as policies and schemas write
//! them: read once under bounds, run many times in time that the message's size bounds.
//!
//! The library evaluates; what stands here keeps that harmless. An expression is short and shallow, so
//! that neither reading nor running it overflows a stack. Patterns are matched in linear time and
//! compiled once.

mod patterns;

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    thread,
};

use cel::{
    Context, Env,
    common::ast::{EntryExpr, Expr, IdedExpr},
    extensions,
};

pub(in crate::stage) use patterns::check_pattern;

/// The longest expression, in bytes.
const LONGEST: usize = 8 << 10;

/// The deepest one, in operators and calls inside of each other.
const DEEPEST: usize = 64;

/// The stack of the thread that reads expressions: the parser goes some twenty calls a level.
const STACK: usize = 32 << 20;

/// As many expressions are remembered while methods that share a policy are compiled.
const REMEMBERED: usize = 256;

static READ: LazyLock<Mutex<HashMap<String, Arc<IdedExpr>>>> = LazyLock::new(Mutex::default);

/// The functions that every expression may call: CEL's own, its extension for strings, and `matches`.
pub(in crate::stage) fn environment() -> Env {
    let mut environment = Env::stdlib();
    // None of the names can be taken twice.
    let _ = environment.add_extension(extensions::strings);
    environment
}

/// The outermost scope over an environment.
pub(in crate::stage) fn scope(environment: Env) -> Context<'static, 'static> {
    let mut scope = Context::with_env(Arc::new(environment));
    let _ = scope.add_function("matches", patterns::matches);
    scope
}

/// Reads an expression.
///
/// # Errors
/// It is no CEL, or too long or too deep: a sentence with its mend.
pub(in crate::stage) fn read(source: &str) -> Result<IdedExpr, String> {
    if source.len() > LONGEST {
        let length = source.len();
        return Err(format!("the expression has {length} bytes; write at most {LONGEST}"));
    }
    let remembered = || READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(expression) = remembered().get(source) {
        return Ok((**expression).clone());
    }
    let expression = thread::scope(|scope| {
        let reader = thread::Builder::new().name("expression".into()).stack_size(STACK);
        let handle = reader.spawn_scoped(scope, || parse(source));
        let handle = handle.map_err(|error| format!("no thread can be started: {error}"))?;
        handle.join().unwrap_or_else(|_| Err("it can't be read; is it CEL?".into()))
    })?;
    let mut all = remembered();
    if all.len() == REMEMBERED {
        all.clear();
    }
    all.insert(source.to_owned(), Arc::new(expression.clone()));
    Ok(expression)
}

/// On a thread of its own: a tree that is too deep must be dropped there as well.
fn parse(source: &str) -> Result<IdedExpr, String> {
    let parser = environment().parser().max_recursion_depth(DEEPEST as u16);
    let expression = parser.parse(source).map_err(|errors| {
        let first = errors.errors.first();
        let (column, message) = first.map_or((0, String::new()), |e| (e.pos.1, e.msg.clone()));
        let message = message.lines().next().unwrap_or_default().to_owned();
        format!("it is no CEL, at column {column}: {message}")
    })?;
    if depth(&expression) > DEEPEST + 36 {
        return Err(format!("the expression is too deep; nest at most {DEEPEST} levels"));
    }
    Ok(expression)
}

/// How deep the tree is.
fn depth(expression: &IdedExpr) -> usize {
    let mut deepest = 0;
    each_child(&expression.expr, &mut |child| deepest = deepest.max(depth(child)));
    deepest + 1
}

/// Shows the parts of an expression.
pub(in crate::stage) fn each_child<'e>(expression: &'e Expr, see: &mut dyn FnMut(&'e IdedExpr)) {
    match expression {
        Expr::Call(call) => {
            call.target.iter().for_each(|target| see(target));
            call.args.iter().for_each(see);
        }
        Expr::Comprehension(all) => {
            [&all.iter_range, &all.accu_init, &all.loop_cond, &all.loop_step, &all.result]
                .into_iter()
                .for_each(see);
        }
        Expr::List(list) => list.elements.iter().for_each(see),
        Expr::Map(map) => map.entries.iter().for_each(|one| each_entry(&one.expr, see)),
        Expr::Struct(made) => made.entries.iter().for_each(|one| each_entry(&one.expr, see)),
        Expr::Select(select) => see(&select.operand),
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
    }
}

fn each_entry<'e>(entry: &'e EntryExpr, see: &mut dyn FnMut(&'e IdedExpr)) {
    match entry {
        EntryExpr::MapEntry(entry) => {
            see(&entry.key);
            see(&entry.value);
        }
        EntryExpr::StructField(field) => see(&field.value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(source: &str) -> bool {
        let expression = read(source).unwrap();
        let scope = scope(environment());
        cel::Value::resolve(&expression, &scope).unwrap() == cel::Value::Bool(true)
    }

    #[test]
    fn expression_calls_the_functions_of_the_language() {
        for source in [
            "1 + 2 == 3",
            "'abc'.matches('^a.c$') && !'abc'.matches('d')",
            "'%s and %d'.format(['a', 1]) == 'a and 1'",
            "[1, 2].all(x, x > 0) && 'Ab'.lowerAscii() == 'ab'",
            "timestamp('2024-01-01T00:00:00Z') + duration('1h') > timestamp('2024-01-01T00:00:00Z')",
        ] {
            assert!(runs(source), "{source}");
        }
    }

    #[test]
    fn hostile_expressions_are_problems_and_never_overflow() {
        let deep = |open: &str, close: &str, count| {
            format!("{}true{}", open.repeat(count), close.repeat(count))
        };
        for source in [
            String::new(),
            "1 +".into(),
            "request.".into(),
            "\u{0}".into(),
            "a ? b".into(),
            deep("(", ")", 4_000),
            deep("[", "]", 4_000),
            deep("true ? false : ", "", 500),
            deep("f(", ")", 2_000),
            "x".repeat(LONGEST + 1),
        ] {
            let shown = &source[..source.len().min(20)];
            assert!(read(&source).is_err(), "{shown}");
        }
        // Whatever becomes of them, it ends.
        let _ = read(&"!".repeat(8_000));
        let _ = read(&format!("{}1", "-".repeat(8_000)));
        let _ = read(&format!("a{}", ".a".repeat(4_000)));
        let _ = read(&format!("true{}", " && true".repeat(1_000)));
    }
}
