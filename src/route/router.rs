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

use std::{error, fmt};

use http::Method;
use smallvec::SmallVec;

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
/// segment that could be a literal is percent-encoded, or the answer is a 405.
#[derive(Debug)]
pub struct Router {
    trie: Trie,
    shapes: Vec<Shape>,
    routes: Vec<Route>,
}

/// What is bound to one shape of template.
#[derive(Debug, Default)]
struct Shape {
    /// Places in `routes`.
    exact: SmallVec<[(Method, u32); 1]>,
    any: Option<u32>,
}

#[derive(Debug)]
struct Route {
    id: usize,
    spans: Box<[Span]>,
}

impl Shape {
    fn exact(&self, method: &Method) -> Option<u32> {
        self.exact.iter().find(|(bound, _)| bound == method).map(|(_, route)| *route)
    }

    /// The route for a caller that names no method.
    fn preferred(&self) -> Option<u32> {
        let first = || self.exact.first().map(|(_, route)| *route);
        self.exact(&Method::GET).or_else(first).or(self.any)
    }

    fn route(&self, method: &Method) -> Option<u32> {
        let from_get = || self.exact(&Method::GET).filter(|_| *method == Method::HEAD);
        self.exact(method).or_else(from_get).or(self.any)
    }
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
            self.shapes[shape].route(method).map(|route| (&self.routes[route as usize], matched))
        });
        match found {
            Some((route, matched)) => {
                captures.fill(matched, &route.spans);
                Found::Route(route.id)
            }
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
        let preferred = |shape: usize, matched| Some((self.shapes[shape].preferred()?, matched));
        let (route, matched) = self.trie.walk(path, preferred)?;
        let Route { id, spans } = &self.routes[route as usize];
        captures.fill(matched, spans);
        Some(*id)
    }

    /// The methods that a raw path answers; none if no route fits it.
    pub fn allowed(&self, path: &str) -> Option<Allowed> {
        let (mut methods, mut any, mut fits_path) = (Vec::new(), false, false);
        let _: Option<()> = self.trie.walk(path, |shape, _| {
            let shape = &self.shapes[shape];
            methods.extend(shape.exact.iter().map(|(method, _)| method));
            any |= shape.any.is_some();
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
        let router = Router { trie: Trie::new(), shapes: Vec::new(), routes: Vec::new() };
        Self { router, conflicts: Vec::new() }
    }

    /// Adds a route. `id` is the caller's own and comes back from [`Router::find`].
    pub fn insert(&mut self, method: &HttpMethod, template: &Template, id: usize) {
        let Router { trie, shapes, routes } = &mut self.router;
        let index = trie.insert(template);
        if index == shapes.len() {
            shapes.push(Shape::default());
        }
        let shape = &mut shapes[index];
        let bound = match method {
            HttpMethod::One(method) => shape.exact(method),
            HttpMethod::Any => shape.any,
        };
        if let Some(bound) = bound {
            self.conflicts.push(Conflict {
                method: method.clone(),
                template: template.to_string(),
                first: routes[bound as usize].id,
                second: id,
            });
            return;
        }
        let place = routes.len() as u32;
        match method {
            HttpMethod::One(method) => shape.exact.push((method.clone(), place)),
            HttpMethod::Any => shape.any = Some(place),
        }
        routes.push(Route { id, spans: Span::of(template).collect() });
    }

    /// The router.
    ///
    /// # Errors
    /// Every conflict, each a later route against the first of its kind.
    pub fn build(self) -> Result<Router, Vec<Conflict>> {
        if !self.conflicts.is_empty() {
            return Err(self.conflicts);
        }
        let mut router = self.router;
        router.trie.shrink();
        router.shapes.shrink_to_fit();
        router.routes.shrink_to_fit();
        Ok(router)
    }
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
