//! From an HTTP method and a raw path to a route.
//!
//! ```text
//! GET  /v1/shelves/1        Route(id), captures [name = shelves/1]
//! PUT  /v1/shelves/1        MethodNotAllowed(GET, HEAD, DELETE, OPTIONS)
//! GET  /v1/nothing          NotFound
//! ```
//!
//! The path decides first and the method second: routes are asked from the most specific template
//! to the least, and the first that answers the method wins. A template that fits the path but not
//! the method hides nothing; only when none answers is it a 405, with the methods of all of them.
//!
//! Within one template the method itself beats HEAD's fallback to GET, which beats a route for any
//! method.
//!
//! # How literals compare
//! The path is cut at its raw slashes and colons, never at encoded ones; then a segment is compared
//! with literals percent-decoded. `http.proto` wants a literal's reserved characters encoded before
//! matching, and RFC 9110 (section 4.2.3) says that unreserved ones mean the same either way, so
//! `/caf%C3%A9@1`, `/caf%c3%a9%401` and a template's `/café@1` are all one. A segment whose
//! encoding is broken equals no literal.

use std::{collections::HashMap, error, fmt, hash::Hash, iter, num::NonZeroU32};

use http::Method;

use crate::schema::HttpMethod;

use super::{
    allowed::Allowed,
    capture::{Captures, Span},
    template::Template,
    trie::Trie,
};

/// What a router says of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The route with this id; its captures are filled in.
    Route(usize),
    /// Routes fit the path, but none the method: 405 with this `Allow`, or the answer to OPTIONS.
    MethodNotAllowed(Allowed),
    /// No route fits the path.
    NotFound,
}

/// An immutable table of routes.
///
/// A look-up costs a hash a segment, whatever the number of routes, and allocates nothing unless a
/// segment that could be a literal is percent-encoded, or the answer is a 405. There may be tens of
/// thousands of routes, so what is alike in many is kept once: HTTP methods, and where variables lie.
#[derive(Debug)]
pub struct Router {
    trie: Trie,
    /// By shape: the first of its routes.
    shapes: Vec<u32>,
    routes: Vec<Route>,
    methods: Vec<HttpMethod>,
    spans: Vec<Box<[Span]>>,
}

/// A method of one shape of template.
#[derive(Debug)]
struct Route {
    id: u32,
    /// Places in the router's lists.
    method: u32,
    spans: u32,
    /// The next route of the shape, in the order of declaration. Never the first of all.
    next: Option<NonZeroU32>,
}

impl Router {
    /// Finds the route of a request.
    ///
    /// `path` is raw: as it came, percent-encoded, without the query. `captures` is emptied, and
    /// filled if there is a route.
    pub fn find<'p>(&self, method: &Method, path: &'p str, captures: &mut Captures<'p>) -> Found {
        captures.clear();
        let mut fits_path = false;
        let found = self.trie.walk(path, |shape, matched| {
            fits_path = true;
            self.route(shape, method).map(|route| (route, matched))
        });
        match found {
            Some((route, matched)) => Found::Route(self.capture(route, matched, captures)),
            None if fits_path => {
                self.allowed(path).map_or(Found::NotFound, Found::MethodNotAllowed)
            }
            None => Found::NotFound,
        }
    }

    /// Finds the route of a raw path for a caller whose protocol names no method (WebSocket): of the
    /// most specific template GET's route, else the first that was declared.
    pub fn find_any<'p>(&self, path: &'p str, captures: &mut Captures<'p>) -> Option<usize> {
        captures.clear();
        let preferred = |shape: usize, matched| Some((self.preferred(shape)?, matched));
        let (route, matched) = self.trie.walk(path, preferred)?;
        Some(self.capture(route, matched, captures))
    }

    fn capture<'p>(&self, route: &Route, matched: &'p str, captures: &mut Captures<'p>) -> usize {
        captures.fill(matched, &self.spans[route.spans as usize]);
        route.id as usize
    }

    /// The routes of a shape, in the order of declaration.
    fn of_shape(&self, shape: usize) -> impl Iterator<Item = &Route> {
        let first = self.shapes.get(shape).map(|first| &self.routes[*first as usize]);
        iter::successors(first, |route| Some(&self.routes[route.next?.get() as usize]))
    }

    fn method(&self, route: &Route) -> &HttpMethod {
        &self.methods[route.method as usize]
    }

    /// The route of a shape for a method: its own before HEAD's by GET before one for any.
    fn route(&self, shape: usize, method: &Method) -> Option<&Route> {
        let is = |route: &&Route, method: &Method| match self.method(route) {
            HttpMethod::One(one) => one == method,
            HttpMethod::Any => false,
        };
        let from_get = || {
            let is_head = *method == Method::HEAD;
            is_head.then(|| self.of_shape(shape).find(|route| is(route, &Method::GET)))?
        };
        let any = || self.of_shape(shape).find(|route| *self.method(route) == HttpMethod::Any);
        self.of_shape(shape).find(|route| is(route, method)).or_else(from_get).or_else(any)
    }

    /// The route of a shape for a caller that names no method.
    fn preferred(&self, shape: usize) -> Option<&Route> {
        let one = || self.of_shape(shape).find(|route| *self.method(route) != HttpMethod::Any);
        let get = self.of_shape(shape).find(
            |route| matches!(self.method(route), HttpMethod::One(method) if *method == Method::GET),
        );
        get.or_else(one).or_else(|| self.of_shape(shape).next())
    }

    /// The methods that a raw path answers; none if no route fits it.
    pub fn allowed(&self, path: &str) -> Option<Allowed> {
        let (mut methods, mut any, mut fits_path) = (Vec::new(), false, false);
        let _: Option<()> = self.trie.walk(path, |shape, _| {
            for route in self.of_shape(shape) {
                match self.method(route) {
                    HttpMethod::One(method) => methods.push(method),
                    HttpMethod::Any => any = true,
                }
            }
            fits_path = true;
            None
        });
        fits_path.then(|| Allowed::of(methods, any))
    }

    /// How many routes there are.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }
}

/// Gathers routes for a [`Router`].
#[derive(Debug)]
pub struct RouterBuilder {
    router: Router,
    /// The router's methods and spans by their places.
    methods: HashMap<HttpMethod, u32>,
    spans: HashMap<Box<[Span]>, u32>,
    conflicts: Vec<Conflict>,
}

/// Two routes that would match the same requests: same method, same template but for the names of
/// variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The method of both.
    pub method: HttpMethod,
    /// The template of the second route.
    pub template: String,
    /// The id of the route that was there first.
    pub first: usize,
    /// The id of the route that came second.
    pub second: usize,
}

impl RouterBuilder {
    /// Without routes.
    pub fn new() -> Self {
        Self::for_routes(0)
    }

    /// With room for this many routes. Lists that grow leave holes in memory behind.
    pub fn for_routes(count: usize) -> Self {
        Self {
            router: Router {
                trie: Trie::for_shapes(count),
                shapes: Vec::with_capacity(count),
                routes: Vec::with_capacity(count),
                methods: Vec::new(),
                spans: Vec::new(),
            },
            methods: HashMap::new(),
            spans: HashMap::new(),
            conflicts: Vec::new(),
        }
    }

    /// Adds a route. `id` is the caller's own, below 2³², and comes back from [`Router::find`].
    pub fn insert(&mut self, method: &HttpMethod, template: &Template, id: usize) {
        let Self { router, methods, spans, conflicts } = self;
        let shape = router.trie.insert(template);
        for route in router.of_shape(shape) {
            if router.method(route) == method {
                conflicts.push(Conflict {
                    method: method.clone(),
                    template: template.to_string(),
                    first: route.id as usize,
                    second: id,
                });
                return;
            }
        }
        let place = router.routes.len() as u32;
        match router.shapes.get(shape) {
            None => router.shapes.push(place),
            Some(first) => {
                let mut last = *first as usize;
                while let Some(next) = router.routes[last].next {
                    last = next.get() as usize;
                }
                router.routes[last].next = NonZeroU32::new(place);
            }
        }
        let method = keep(methods, &mut router.methods, method.clone());
        let spans = keep(spans, &mut router.spans, Span::of(template).collect());
        router.routes.push(Route { id: id as u32, method, spans, next: None });
    }

    /// The router.
    ///
    /// # Errors
    /// Every conflict, each a later route against the first of its kind.
    pub fn build(self) -> Result<Router, Vec<Conflict>> {
        if !self.conflicts.is_empty() {
            return Err(self.conflicts);
        }
        // Room that is left was never touched, so it costs nothing; a smaller copy would.
        Ok(self.router)
    }
}

/// The place of a value in a list of different ones.
fn keep<T: Clone + Eq + Hash>(places: &mut HashMap<T, u32>, list: &mut Vec<T>, value: T) -> u32 {
    *places.entry(value).or_insert_with_key(|value| {
        list.push(value.clone());
        list.len() as u32 - 1
    })
}

impl Default for RouterBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, template, .. } = self;
        write!(
            f,
            "`{method} {template}` matches the same requests as another binding; change the path or the method of one"
        )
    }
}

impl error::Error for Conflict {}

#[cfg(test)]
mod tests;
