//! Path templates and the router: a template is parsed back from what it prints, and a router of
//! many templates finds what a router of the one template finds.
//!
//! ```text
//!     input = { template line-break } [ line-break { path line-break } ]
//! ```
//!
//! A template may have `GET ` before it; else it is bound to any method.

use http::Method;
use transom::{
    route::{Captures, Found, Router, RouterBuilder, Segment, Template, check_path},
    schema::HttpMethod,
};

/// More of each take time and show nothing new.
const MOST: usize = 12;

/// Checks one input.
pub fn check(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let (templates, paths) = text.split_once("\n\n").unwrap_or((text, ""));
    let routes: Vec<(HttpMethod, Template)> =
        templates.split('\n').take(MOST).filter_map(check_template).collect();
    let routes = without_conflicts(routes);
    let router = build(&routes, |template| template.clone()).expect("conflicts are gone");
    let printed = |template: &Template| Template::parse(&template.to_string()).expect("was parsed");
    let twin = build(&routes, printed).expect("what prints the same conflicts the same");
    assert_eq!(router.len(), routes.len());
    let expanded: Vec<String> = routes.iter().map(|(_, template)| expand(template)).collect();
    let paths = paths.split('\n').take(MOST).chain(expanded.iter().map(String::as_str));
    for path in paths {
        for method in [Method::GET, Method::HEAD, Method::POST] {
            let found = check_find(&router, &routes, &method, path);
            assert_eq!(twin.find(&method, path, &mut Captures::new()), found);
            check_alone(&routes, &method, path, &found);
        }
    }
}

/// Parses a line; a template comes back from what it prints, an error stands in the text.
fn check_template(line: &str) -> Option<(HttpMethod, Template)> {
    let (method, text) = match line.strip_prefix("GET ") {
        Some(text) => (HttpMethod::One(Method::GET), text),
        None => (HttpMethod::Any, line),
    };
    match Template::parse(text) {
        Ok(template) => {
            assert_eq!(Template::parse(&template.to_string()), Ok(template.clone()));
            let mut end = 0;
            for variable in template.variables() {
                assert!(!variable.field_path().is_empty());
                assert!(end <= variable.segments().start && !variable.segments().is_empty());
                end = variable.segments().end;
            }
            assert!(end <= template.segments().len());
            Some((method, template))
        }
        Err(error) => {
            assert!(text.is_char_boundary(error.offset()), "{error}");
            assert!(!error.expected().is_empty() && !error.mend().is_empty());
            None
        }
    }
}

fn build(
    routes: &[(HttpMethod, Template)],
    form: impl Fn(&Template) -> Template,
) -> Result<Router, Vec<transom::route::Conflict>> {
    let mut builder = RouterBuilder::new();
    for (id, (method, template)) in routes.iter().enumerate() {
        builder.insert(method, &form(template), id);
    }
    builder.build()
}

/// Leaves out the later route of each conflict, after which none is left.
fn without_conflicts(mut routes: Vec<(HttpMethod, Template)>) -> Vec<(HttpMethod, Template)> {
    let Err(conflicts) = build(&routes, |template| template.clone()) else { return routes };
    for conflict in conflicts.iter().rev() {
        assert!(conflict.first < conflict.second);
        assert_eq!(conflict.method, routes[conflict.second].0);
        assert_eq!(conflict.template, routes[conflict.second].1.to_string());
        let pair = [conflict.first, conflict.second].map(|id| routes[id].clone());
        assert!(build(&pair, |template| template.clone()).is_err(), "two alone conflict too");
        routes.remove(conflict.second);
    }
    routes
}

/// A path that the template matches.
fn expand(template: &Template) -> String {
    let segments: Vec<&str> = template
        .segments()
        .iter()
        .map(|segment| match segment {
            Segment::Literal(text) => text,
            Segment::Any => "any",
            Segment::Rest => "the/rest",
        })
        .collect();
    let verb = template.verb().map_or(String::new(), |verb| format!(":{verb}"));
    let path = format!("/{}{verb}", segments.join("/"));
    let alone = build(&[(HttpMethod::Any, template.clone())], |template| template.clone());
    let found = alone.expect("one template").find(&Method::GET, &path, &mut Captures::new());
    assert_eq!(found, Found::Route(0), "{template} matches {path}");
    path
}

/// Finds, and looks at what was captured.
fn check_find(
    router: &Router,
    routes: &[(HttpMethod, Template)],
    method: &Method,
    path: &str,
) -> Found {
    let mut captures = Captures::new();
    let found = router.find(method, path, &mut captures);
    let variables = match &found {
        Found::Route(id) => routes[*id].1.variables(),
        _ => &[],
    };
    assert_eq!(captures.as_slice().len(), variables.len());
    let mut start = 0;
    for (capture, variable) in captures.as_slice().iter().zip(variables) {
        assert_eq!(capture.is_multiple(), variable.is_multiple());
        let at = capture.raw().as_ptr() as usize - path.as_ptr() as usize;
        assert!(
            at >= start && at + capture.raw().len() <= path.len(),
            "captures follow each other"
        );
        start = at + capture.raw().len();
        assert!(variable.is_multiple() || !capture.raw().contains('/'));
        assert!(variable.is_multiple() || !capture.raw().is_empty());
        assert!(capture.decode().is_ok() || check_path(path).is_err());
    }
    if let Found::MethodNotAllowed(allowed) = &found {
        assert_eq!(router.allowed(path).as_ref(), Some(allowed));
        let named = allowed.header_value().to_str().expect("methods are visible");
        assert!(named.split(", ").all(|name| name != method.as_str()), "{method}: {named}");
    }
    found
}

/// What is found among many is found alone, and what is not is not.
fn check_alone(routes: &[(HttpMethod, Template)], method: &Method, path: &str, found: &Found) {
    let alone = |route: &(HttpMethod, Template)| {
        let router = build(std::slice::from_ref(route), |template| template.clone());
        router.expect("one template").find(method, path, &mut Captures::new())
    };
    let each: Vec<Found> = routes.iter().map(alone).collect();
    match found {
        Found::Route(id) => assert_eq!(each[*id], Found::Route(0)),
        Found::MethodNotAllowed(_) => {
            assert!(!each.contains(&Found::Route(0)));
            assert!(each.iter().any(|found| matches!(found, Found::MethodNotAllowed(_))));
        }
        Found::NotFound => assert!(each.iter().all(|found| *found == Found::NotFound)),
    }
}
