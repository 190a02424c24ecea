//! Properties that hold for all templates and paths, the router against a naive oracle among them.

use http::Method;
use proptest::{collection::vec, option, prelude::*, sample::select};

use crate::schema::HttpMethod;

use super::{Captures, Found, RouterBuilder, Segment, Template, check_path, pairs};

/// Few words, so that random templates and paths meet.
const LITERALS: [&str; 4] = ["a", "b", "a:v", "%61b"];
const VERBS: [&str; 3] = ["v", "w", "v%20w"];
/// What stands in paths: literals, their other spellings, verbs, bad escapes, nothing.
const PARTS: [&str; 12] =
    ["a", "b", "a:v", "%61", "ab", "a%62", "a:w", "b:v%20w", "c:a:v", "%zz", "", "b:"];

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![3 => select(&LITERALS[..]), 2 => Just("*")].prop_map(str::to_owned)
}

/// A template's text: plain segments and variables, perhaps `**` at the end, perhaps a verb.
fn template() -> impl Strategy<Value = String> {
    let variable = vec(segment(), 1..3);
    let piece = prop_oneof![2 => segment().prop_map(|s| (s, false)),
        1 => variable.prop_map(|segments| (segments.join("/"), true))];
    let rest = select(&["", "**", "{r=**}", "{r=a/**}"][..]);
    (vec(piece, 0..4), rest, option::of(select(&VERBS[..]))).prop_map(|(pieces, rest, verb)| {
        let mut text = String::new();
        for (index, (piece, is_variable)) in pieces.iter().enumerate() {
            match is_variable {
                // A colon can't stand in a variable.
                true => text += &format!("/{{f{index}.g={}}}", piece.replace(':', "%3A")),
                false => text += &format!("/{piece}"),
            }
        }
        if !rest.is_empty() {
            text += &format!("/{rest}");
        }
        match verb {
            _ if text.is_empty() => "/".to_owned(),
            Some(verb) => format!("{text}:{verb}"),
            None => text,
        }
    })
}

fn path() -> impl Strategy<Value = String> {
    vec(select(&PARTS[..]), 0..6).prop_map(|parts| format!("/{}", parts.join("/")))
}

fn method() -> impl Strategy<Value = HttpMethod> {
    let one = [Method::GET, Method::HEAD, Method::POST].map(HttpMethod::One);
    select([&one[..], &[HttpMethod::Any]].concat())
}

/// Whether a path's segment is a literal, told without the router's own code.
fn equals(literal: &str, segment: &str) -> bool {
    let decode = |text: &str| {
        let query = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
        pairs(&query).next().and_then(Result::ok).map(|(name, _)| name.into_owned())
    };
    !segment.is_empty() && decode(literal).is_some() && decode(literal) == decode(segment)
}

/// How specific a match is, segment by segment: the least is the best. None without a match.
fn rank(template: &Template, path: &str, verb: bool) -> Option<Vec<u8>> {
    let mut path = path;
    if verb {
        let colon = path.rfind(':').filter(|colon| !path[*colon..].contains('/'))?;
        if !equals(template.verb()?, &path[colon + 1..]) {
            return None;
        }
        path = &path[..colon];
    } else if template.verb().is_some() {
        return None;
    }
    let parts: Vec<&str> = if path == "/" { vec![] } else { path[1..].split('/').collect() };
    let mut ranks = vec![];
    for (index, segment) in template.segments().iter().enumerate() {
        ranks.push(match segment {
            Segment::Rest => {
                ranks.push(3);
                return Some(ranks);
            }
            Segment::Any if !parts.get(index)?.is_empty() => 2,
            Segment::Literal(literal) if equals(literal, parts.get(index)?) => 1,
            _ => return None,
        });
    }
    (parts.len() == template.segments().len()).then_some(ranks)
}

/// How well a bound method answers a request's: the least is the best.
fn method_rank(bound: &HttpMethod, method: &Method) -> Option<u8> {
    match bound {
        HttpMethod::One(bound) if bound == method => Some(0),
        HttpMethod::One(bound) if method == Method::HEAD && bound == Method::GET => Some(1),
        HttpMethod::One(_) => None,
        HttpMethod::Any => Some(2),
    }
}

/// A shape that is the same for templates that match the same paths.
fn shape(template: &Template) -> String {
    let decode = |text: &str| text.replace("%61", "a").replace("%3A", ":");
    let segments: Vec<_> = template.segments().iter().map(|s| decode(&s.to_string())).collect();
    format!("{segments:?} {:?}", template.verb())
}

/// The path that a template is expanded to, each wildcard by a value of its own.
fn expand(template: &Template, values: &[String]) -> String {
    let mut values = values.iter().cycle();
    let mut value = || values.next().cloned().unwrap_or_default();
    let segments: Vec<_> = template
        .segments()
        .iter()
        .map(|segment| match segment {
            Segment::Literal(text) => text.clone(),
            Segment::Any => value(),
            Segment::Rest => format!("{}/{}", value(), value()),
        })
        .collect();
    let verb = template.verb().map_or(String::new(), |verb| format!(":{verb}"));
    format!("/{}{verb}", segments.join("/"))
}

fn single(template: &Template) -> super::Router {
    let mut builder = RouterBuilder::new();
    builder.insert(&HttpMethod::Any, template, 1);
    builder.build().unwrap()
}

proptest! {
    #[test]
    fn a_template_is_parsed_back_from_what_it_prints(text in template()) {
        let template = Template::parse(&text).unwrap();
        prop_assert_eq!(Template::parse(&template.to_string()).unwrap(), template);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[/{}*:.=a%\u{e9}\u{a0} ]{0,20}", any in any::<String>()) {
        for text in [text, any] {
            match Template::parse(&text) {
                Ok(template) => {
                    prop_assert_eq!(Template::parse(&template.to_string()), Ok(template));
                }
                Err(error) => prop_assert!(text.is_char_boundary(error.offset()), "{}", error),
            }
        }
    }

    #[test]
    fn a_template_matches_what_it_expands_to(text in template(), values in vec("[a-z0-9%20-]{1,3}", 1..5)) {
        let template = Template::parse(&text).unwrap();
        let path = expand(&template, &values);
        let router = single(&template);
        let mut captures = Captures::new();
        prop_assert_eq!(router.find(&Method::GET, &path, &mut captures), Found::Route(1));
        prop_assert_eq!(captures.as_slice().len(), template.variables().len());

        // The captures stand in the path where the variables stand in the template.
        let parts: Vec<&str> = path[1..].split('/').collect();
        for (capture, variable) in captures.as_slice().iter().zip(template.variables()) {
            let start = variable.segments().start;
            let open = template.segments()[variable.segments().end - 1] == Segment::Rest;
            let end = if open { parts.len() } else { variable.segments().end };
            let mut expected = parts[start..end].join("/");
            if let (Some(verb), true) = (template.verb(), end == parts.len()) {
                expected.truncate(expected.len() - verb.len() - 1);
            }
            prop_assert_eq!(capture.raw(), expected);
            prop_assert_eq!(capture.is_multiple(), variable.is_multiple());
        }
    }

    #[test]
    fn the_router_agrees_with_an_oracle_that_tries_every_template(
        routes in vec((method(), template()), 1..12),
        requests in vec((select(&[Method::GET, Method::HEAD, Method::PUT][..]), path()), 1..12),
    ) {
        let mut builder = RouterBuilder::new();
        let (mut seen, mut kept) = (Vec::new(), Vec::new());
        for (method, text) in routes {
            let template = Template::parse(&text).unwrap();
            let key = (method.clone(), shape(&template));
            let conflicts = seen.contains(&key);
            seen.push(key);
            if !conflicts {
                builder.insert(&method, &template, kept.len());
                kept.push((method, template));
            }
        }
        let router = builder.build().unwrap();
        for (method, path) in requests {
            let candidates = kept.iter().enumerate().flat_map(|(id, (bound, template))| {
                [true, false].map(|verb| rank(template, &path, verb).map(|rank| (!verb, rank, bound, id)))
            });
            let candidates: Vec<_> = candidates.flatten().collect();
            let best = candidates
                .iter()
                .filter_map(|(plain, rank, bound, id)| Some((plain, rank, method_rank(bound, &method)?, *id)))
                .min();
            let found = router.find(&method, &path, &mut Captures::new());
            match best {
                Some((.., id)) => prop_assert_eq!(found, Found::Route(id), "{}", path),
                None if candidates.is_empty() => prop_assert_eq!(found, Found::NotFound, "{}", path),
                None => {
                    let Found::MethodNotAllowed(allowed) = found else { panic!("{path}: {found:?}") };
                    let value = allowed.header_value().to_str().unwrap().to_owned();
                    let named: Vec<_> = value.split(", ").collect();
                    for (_, _, bound, _) in candidates {
                        prop_assert!(named.contains(&bound.to_string().as_str()), "{}", value);
                    }
                    prop_assert!(!named.contains(&method.as_str()));
                }
            }
        }
    }

    #[test]
    fn no_path_makes_the_router_panic(path in any::<String>(), sharp in "[/:%a*\u{e9}]{0,30}") {
        let mut builder = RouterBuilder::new();
        let templates = ["/", "/{a}", "/{a}/{b=**}", "/a/*:a", "/{a=**}:a", "/{a=a/*/a}:%C3%A9"];
        for (id, text) in templates.iter().enumerate() {
            builder.insert(&HttpMethod::Any, &Template::parse(text).unwrap(), id);
        }
        let router = builder.build().unwrap();
        for path in [path, sharp] {
            let mut captures = Captures::new();
            router.find(&Method::GET, &path, &mut captures);
            let all_good = check_path(&path).is_ok();
            for capture in captures.as_slice() {
                prop_assert!(capture.decode().is_ok() || !all_good);
            }
        }
    }

    #[test]
    fn pairs_come_back_as_they_were_encoded(given in vec((".{1,8}", ".{0,8}"), 0..5)) {
        let encode = |text: &str| -> String {
            text.bytes()
                .map(|byte| match byte {
                    b' ' => "+".to_owned(),
                    b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
                    _ => format!("%{byte:02x}"),
                })
                .collect()
        };
        let query: Vec<_> = given.iter().map(|(n, v)| format!("{}={}", encode(n), encode(v))).collect();
        let found: Vec<_> = pairs(&query.join("&"))
            .map(|pair| pair.map(|(n, v)| (n.into_owned(), v.into_owned())).unwrap())
            .collect();
        prop_assert_eq!(found, given);
    }

    #[test]
    fn no_query_makes_the_iterator_panic(text in any::<String>(), sharp in "[&=+%a0\u{e9}]{0,20}") {
        for text in [text, sharp] {
            prop_assert!(pairs(&text).count() <= text.len());
        }
    }
}
