//! Tables of routes and what they answer.

use super::*;

use crate::route::trie::STEPS;

/// Routes written `GET /path`, `* /path`; their ids count from 0.
fn builder(routes: &[&str]) -> RouterBuilder {
    let mut builder = RouterBuilder::new();
    for (id, route) in routes.iter().enumerate() {
        let (method, template) = route.split_once(' ').unwrap();
        let method = match method {
            "*" => HttpMethod::Any,
            method => HttpMethod::One(method.parse().unwrap()),
        };
        builder.insert(&method, &Template::parse(template).unwrap(), id);
    }
    builder
}

fn router(routes: &[&str]) -> Router {
    builder(routes).build().unwrap()
}

/// `route, captures` as text; `405 Allow` or `404` without one.
fn answer(routes: &[&str], request: &str) -> String {
    let router = router(routes);
    let (method, path) = request.split_once(' ').unwrap();
    let mut captures = Captures::new();
    match router.find(&method.parse().unwrap(), path, &mut captures) {
        Found::Route(id) => {
            let values: Vec<_> = captures.as_slice().iter().map(|capture| capture.raw()).collect();
            format!("{} {values:?}", routes[id])
        }
        Found::MethodNotAllowed(allowed) => {
            format!("405 {}", allowed.header_value().to_str().unwrap())
        }
        Found::NotFound => "404".to_owned(),
    }
}

/// Checks `request -> answer` lines against one table of routes.
fn check(routes: &[&str], expected: &[(&str, &str)]) {
    for (request, expected) in expected {
        assert_eq!(answer(routes, request), *expected, "{request}");
    }
}

#[test]
fn caller_without_a_method_gets_the_most_specific_template_and_its_get() {
    let routes = [
        "POST /v1/{name=shelves/*}",
        "GET /v1/{name=shelves/*}",
        "GET /v1/{rest=**}",
        "PUT /v1/{name=shelves/*}:chat",
        "POST /v1/{name=shelves/*}:chat",
        "* /v1/{name=shelves/*}:any",
    ];
    let router = router(&routes);
    for (path, expected) in [
        ("/v1/shelves/1", Some(1)),
        ("/v1/shelves/1:chat", Some(3)),
        ("/v1/shelves/1:any", Some(5)),
        ("/v1/other/1", Some(2)),
        ("/v2", None),
    ] {
        let mut captures = Captures::new();
        assert_eq!(router.find_any(path, &mut captures), expected, "{path}");
        assert_eq!(captures.as_slice().len(), usize::from(expected.is_some()), "{path}");
    }
}

#[test]
fn examples_of_http_proto_are_answered() {
    check(
        &[
            "GET /v1/{name=messages/*}",
            "GET /v1/messages/{message_id}/{sub.subfield}",
            "PATCH /v1/messages/{message_id}",
            "GET /v1/users/{user_id}/messages/{message_id}",
            "GET /v1/{parent=**}:search",
        ],
        &[
            ("GET /v1/messages/123456", "GET /v1/{name=messages/*} [\"messages/123456\"]"),
            (
                "GET /v1/messages/123456/foo",
                "GET /v1/messages/{message_id}/{sub.subfield} [\"123456\", \"foo\"]",
            ),
            ("PATCH /v1/messages/1", "PATCH /v1/messages/{message_id} [\"1\"]"),
            (
                "GET /v1/users/me/messages/7",
                "GET /v1/users/{user_id}/messages/{message_id} [\"me\", \"7\"]",
            ),
            ("GET /v1/a/b:search", "GET /v1/{parent=**}:search [\"a/b\"]"),
            ("GET /v1/messages", "404"),
        ],
    );
}

#[test]
fn a_literal_beats_a_star_beats_a_double_star() {
    check(
        &["GET /a/**", "GET /b/*", "GET /c/*/d/**", "GET /c/*/d/e", "GET /c/f/d/e", "GET /"],
        &[
            ("GET /a/b", "GET /a/** []"),
            ("GET /a/b/c", "GET /a/** []"),
            ("GET /b/c", "GET /b/* []"),
            ("GET b/c/d", "404"),
            ("GET /c/u/d/v", "GET /c/*/d/** []"),
            ("GET /c/v/d/w/x", "GET /c/*/d/** []"),
            ("GET /c/x/y/d/z", "404"),
            ("GET /c//v/d/w/x", "404"),
            ("GET /c/x/d/e", "GET /c/*/d/e []"),
            ("GET /c/f/d/e", "GET /c/f/d/e []"),
            ("GET /", "GET / []"),
        ],
    );
}

#[test]
fn the_longer_literal_prefix_wins_even_where_a_star_came_first_in_the_table() {
    check(
        &["GET /{x}/b/c", "GET /a/{y=**}", "GET /a/b/{z=**}", "GET /a/{w}/c"],
        &[
            ("GET /a/b/c", "GET /a/b/{z=**} [\"c\"]"),
            ("GET /a/x/c", "GET /a/{w}/c [\"x\"]"),
            ("GET /a/x/d", "GET /a/{y=**} [\"x/d\"]"),
            ("GET /x/b/c", "GET /{x}/b/c [\"x\"]"),
        ],
    );
}

#[test]
fn a_dead_end_is_left_again() {
    check(
        &["GET /a/b/c/d", "GET /a/{x}/c/e", "GET /{x}/b/c/f", "GET /{x=**}"],
        &[
            ("GET /a/b/c/d", "GET /a/b/c/d []"),
            ("GET /a/b/c/e", "GET /a/{x}/c/e [\"b\"]"),
            ("GET /a/b/c/f", "GET /{x}/b/c/f [\"a\"]"),
            ("GET /a/b/c/g", "GET /{x=**} [\"a/b/c/g\"]"),
        ],
    );
}

#[test]
fn a_path_whose_method_does_not_fit_hides_no_other() {
    check(
        &["POST /a/b", "GET /a/{x}", "* /{x=**}", "DELETE /a/b:c"],
        &[
            ("POST /a/b", "POST /a/b []"),
            ("GET /a/b", "GET /a/{x} [\"b\"]"),
            ("PUT /a/b", "* /{x=**} [\"a/b\"]"),
            ("DELETE /a/b:c", "DELETE /a/b:c []"),
            ("GET /a/b:c", "GET /a/{x} [\"b:c\"]"),
        ],
    );
}

#[test]
fn an_exact_method_beats_any_and_custom_kinds_are_methods() {
    check(
        &["* /a", "PURGE /a", "GET /a", "* /b/c", "GET /b/*"],
        &[
            ("PURGE /a", "PURGE /a []"),
            ("GET /a", "GET /a []"),
            ("LOCK /a", "* /a []"),
            ("OPTIONS /a", "* /a []"),
            ("GET /b/c", "* /b/c []"),
        ],
    );
}

#[test]
fn head_is_answered_by_head_then_get_then_any() {
    check(
        &["GET /a", "* /a", "HEAD /b", "GET /b", "* /c", "POST /d", "GET /e/f", "HEAD /e/*"],
        &[
            ("HEAD /a", "GET /a []"),
            ("HEAD /b", "HEAD /b []"),
            ("HEAD /c", "* /c []"),
            ("HEAD /d", "405 POST, OPTIONS"),
            ("HEAD /e/f", "GET /e/f []"),
        ],
    );
}

#[test]
fn a_405_names_the_methods_of_every_template_that_fits() {
    check(
        &["POST /a/b", "GET /a/{x}", "DELETE /{x=**}", "PATCH /a/b:v", "OPTIONS /o", "PUT /a/x:w"],
        &[
            ("PUT /a/b", "405 GET, HEAD, POST, DELETE, OPTIONS"),
            ("PUT /z", "405 DELETE, OPTIONS"),
            ("PUT /a/b:v", "405 GET, HEAD, PATCH, DELETE, OPTIONS"),
            ("OPTIONS /a/b", "405 GET, HEAD, POST, DELETE, OPTIONS"),
            ("OPTIONS /o", "OPTIONS /o []"),
            ("GET /o", "405 DELETE, OPTIONS"),
        ],
    );
    let router = router(&["GET /a", "POST /{x}"]);
    assert_eq!(router.allowed("/a").unwrap().header_value(), "GET, HEAD, POST, OPTIONS");
    assert_eq!(router.allowed("/b").unwrap().header_value(), "POST, OPTIONS");
    assert_eq!(router.allowed("/b/c"), None);
}

#[test]
fn a_verb_is_a_verb_only_where_a_template_has_it() {
    check(
        &["GET /person", "GET /person/{id=*}", "GET /{x=**}:verb", "POST /a/b:only", "GET /q/*/r"],
        &[
            ("GET /person:verb", "GET /{x=**}:verb [\"person\"]"),
            ("GET /person/jason:verb", "GET /{x=**}:verb [\"person/jason\"]"),
            ("GET /person/jason", "GET /person/{id=*} [\"jason\"]"),
            ("GET /animal/cat", "404"),
            ("GET /person:other", "404"),
            ("GET /person/jason:other", "GET /person/{id=*} [\"jason:other\"]"),
            // `only` is registered, but at another place.
            ("GET /person/jason:only", "GET /person/{id=*} [\"jason:only\"]"),
            ("GET /person/12:30:verb", "GET /{x=**}:verb [\"person/12:30\"]"),
            ("GET /person/jason%3Averb", "GET /person/{id=*} [\"jason%3Averb\"]"),
            ("GET /person/jason:%76erb", "GET /{x=**}:verb [\"person/jason\"]"),
            ("GET /person/jason:", "GET /person/{id=*} [\"jason:\"]"),
            ("GET /person/jason:verb/", "404"),
            ("GET /q/s:verb/r", "GET /q/*/r []"),
            ("GET /:verb", "GET /{x=**}:verb [\"\"]"),
        ],
    );
}

#[test]
fn only_the_last_colon_counts() {
    check(
        &["GET /{a=*}/{b=*}:verb", "GET /x/y:z:verb"],
        &[
            ("GET /some:verb/const:verb", "GET /{a=*}/{b=*}:verb [\"some:verb\", \"const\"]"),
            ("GET /x/y:z:verb", "GET /x/y:z:verb []"),
            ("GET /x/y:verb:z", "404"),
        ],
    );
}

#[test]
fn a_verb_beats_the_value_that_would_swallow_it() {
    check(
        &["GET /{a=**}:verb", "GET /{a=**}", "POST /{a}"],
        &[
            ("GET /some:verb/const:verb", "GET /{a=**}:verb [\"some:verb/const\"]"),
            ("GET /some:verb2/const:verb2", "GET /{a=**} [\"some:verb2/const:verb2\"]"),
            ("POST /some:verb", "POST /{a} [\"some:verb\"]"),
        ],
    );
}

#[test]
fn a_star_takes_no_empty_segment_and_a_double_star_takes_anything() {
    check(
        &["GET /a/*", "GET /b/**", "GET /c/{x}/d", "GET /e", "GET /f/*/**"],
        &[
            ("GET /a/", "404"),
            ("GET /a", "404"),
            ("GET /a/x/", "404"),
            ("GET /b", "GET /b/** []"),
            ("GET /b/", "GET /b/** []"),
            ("GET /b//x/", "GET /b/** []"),
            ("GET /bb", "404"),
            ("GET /c//d", "404"),
            ("GET /e/", "404"),
            ("GET /e", "GET /e []"),
            ("GET //e", "404"),
            ("GET /f", "404"),
            ("GET /f/x", "GET /f/*/** []"),
            ("GET ", "404"),
            ("OPTIONS *", "404"),
        ],
    );
}

#[test]
fn the_root_is_a_path_like_any_other() {
    check(&["GET /"], &[("GET /", "GET / []"), ("GET //", "404"), ("GET /a", "404")]);
    check(&["GET /**"], &[("GET /", "GET /** []"), ("GET //", "GET /** []")]);
    check(&["GET /**", "GET /"], &[("GET /", "GET / []"), ("GET //", "GET /** []")]);
    check(&[], &[("GET /", "404")]);
}

#[test]
fn literals_are_compared_decoded_and_never_across_a_raw_slash() {
    check(
        &["GET /caf%C3%A9@1/{x}", "GET /a%2Fb", "GET /a/b", "GET /%2A/c"],
        &[
            ("GET /caf%c3%a9%401/p%2Fq", "GET /caf%C3%A9@1/{x} [\"p%2Fq\"]"),
            ("GET /caf\u{e9}@1/p", "GET /caf%C3%A9@1/{x} [\"p\"]"),
            ("GET /%61/b", "GET /a/b []"),
            ("GET /a%2fb", "GET /a%2Fb []"),
            ("GET /a%252Fb", "404"),
            ("GET /*/c", "GET /%2A/c []"),
            ("GET /x/c", "404"),
            ("GET /A/b", "404"),
            ("GET /a%/b", "404"),
        ],
    );
}

#[test]
fn a_capture_that_cannot_be_decoded_is_found_and_refused_on_decoding() {
    let router = router(&["GET /a/{x}"]);
    let mut captures = Captures::new();
    assert_eq!(router.find(&Method::GET, "/a/%FF", &mut captures), Found::Route(0));
    assert!(captures.as_slice()[0].decode().is_err());
}

#[test]
fn captures_are_emptied_by_every_search() {
    let router = router(&["GET /{x}"]);
    let mut captures = Captures::new();
    router.find(&Method::GET, "/a", &mut captures);
    assert_eq!(captures.as_slice().len(), 1);
    router.find(&Method::POST, "/a", &mut captures);
    assert!(captures.as_slice().is_empty());
}

#[test]
fn bindings_that_match_the_same_requests_are_all_reported() {
    let conflicts = builder(&[
        "GET /a/{x}",
        "POST /a/{x}",
        "GET /a/{y=*}",
        "* /{x=b/*}/c",
        "* /b/*/c",
        "GET /b/*/c",
        "GET /a/*",
        "GET /a/*:v",
        "GET /caf\u{e9}",
        "GET /caf%C3%A9",
    ])
    .build()
    .unwrap_err();
    let ids: Vec<_> = conflicts.iter().map(|conflict| (conflict.first, conflict.second)).collect();
    assert_eq!(ids, [(0, 2), (3, 4), (0, 6), (8, 9)]);
    assert!(conflicts[0].to_string().starts_with("`GET /a/{y}` matches the same requests"));
}

/// The nodes that a search visits.
fn steps(router: &Router, path: &str) -> usize {
    let before = STEPS.get();
    router.find(&Method::GET, path, &mut Captures::new());
    STEPS.get() - before
}

#[test]
fn steps_do_not_grow_with_the_number_of_routes() {
    let counts = [10, 1_000, 10_000].map(|count| {
        let mut builder = RouterBuilder::new();
        for id in 0..count {
            for (offset, text) in
                ["/v1/r{}/{id}/sub:verb", "/v1/x/{id}/r{}", "/r{}", "/v1/x:r{}"].iter().enumerate()
            {
                let template = Template::parse(&text.replace("{}", &id.to_string())).unwrap();
                builder.insert(&HttpMethod::One(Method::GET), &template, id * 4 + offset);
            }
        }
        let router = builder.build().unwrap();
        assert_eq!(router.len(), count * 4);
        ["/v1/r7/5/sub:verb", "/v1/x/5/r7", "/r7", "/v1/x:r7", "/v1/x/5/none", "/none"]
            .map(|path| steps(&router, path))
    });
    assert_eq!(counts[0], counts[1]);
    assert_eq!(counts[0], counts[2]);
    assert_eq!(counts[0], [5, 5, 2, 3, 4, 1]);
}

#[test]
fn no_path_makes_a_search_visit_a_node_more_than_twice() {
    // A literal and a star at each turn, and a wrong end: the worst there is for backtracking.
    let depth = 8;
    let mut builder = RouterBuilder::new();
    for choice in 0..1_usize << depth {
        let turns: String =
            (0..depth).map(|turn| if choice >> turn & 1 == 0 { "/a" } else { "/*" }).collect();
        for (offset, end) in ["/end", "/end:v"].iter().enumerate() {
            let template = Template::parse(&format!("{turns}{end}")).unwrap();
            builder.insert(&HttpMethod::One(Method::GET), &template, choice * 2 + offset);
        }
    }
    let router = builder.build().unwrap();
    // Inner nodes of a binary tree, and 2^depth ends (their verb nodes are not visited).
    let nodes = (1 << (depth + 1)) - 1 + (1 << depth);
    for tail in ["end", "end/a/a/a/a", "a", "a:v", "end/x:v", ""] {
        for repeat in [depth, depth * 100] {
            let path = format!("{}/{tail}", "/a".repeat(repeat));
            assert!(steps(&router, &path) <= 2 * nodes, "{path}");
        }
    }
}

#[test]
fn a_long_path_costs_no_more_steps_than_a_short_one() {
    let router = router(&["GET /a/{x}/b", "GET /a/{x}/{y}/{z=**}", "GET /{x}/{y}:v"]);
    for end in ["", ":v", ":none"] {
        let short = steps(&router, &format!("/a/a/a/a{end}"));
        assert_eq!(steps(&router, &format!("{}{end}", "/a".repeat(100_000))), short);
    }
}
