//! Transom: an API gateway. Whatever a client speaks on one side, a gRPC service hears on the
//! other, and the answer goes back the same way.
//!
//! # A request's way
//!
//! ```text
//! 1  listener    accepts the connection, TLS or not, and speaks HTTP/1.1 or HTTP/2 on it
//! 2  gateway     takes the runtime in force, a snapshot that the request keeps
//! 3  protocol    the door that knows this kind of request opens it:
//! 4  route         … finds the method (REST: by path template; nothing runs before it is known)
//! 5  transcode     … and makes the body's JSON, the path and the query into wire bytes, when asked
//! 6  exchange    what comes out is neutral: method, metadata, messages as wire bytes
//! 7  stage       the method's own policies, in the order of the table, may change or refuse it
//! 8  upstream    the cluster picks an endpoint and calls it over HTTP/2
//! 9  exchange    the reply goes back through the stages
//! 10 protocol    and is written in the caller's tongue (REST: transcode, wire to JSON)
//! ```
//!
//! A browser that asks first whether a page may call comes no further than 2: [`protocol::cors`]
//! answers from the route table. A WebSocket is answered at step 4, and steps 7 to 10 go on beside
//! it, message by message, as a session of its own.
//!
//! [`gateway`] is that way as one function. Everything that a request meets on it is immutable:
//! schema, routes, plans, stages and clusters are compiled into one [`config::Runtime`] before the
//! first request, and nothing invalid survives that. Serving never validates configuration.
//!
//! # Who may know whom
//!
//! ```text
//! 0  error, problem, lasting, first_use,        nothing of ours
//!    duration, secret, authorities
//! 1  coding, cork, frame                        bytes as they cross a wire
//!    meter                                      what is counted
//!    store                                      a Redis or Valkey that gateways share
//!    schema < exchange < route, transcode       pure: no hyper, no sockets, no config
//!    callout                                    asks others on the gateway's own account
//! 2  protocol, stage, upstream, tls             levels 0 and 1; never each other, never a sibling
//! 3  config                                     each module's own Settings
//! 4  gateway                                    composes 0 to 3
//! 5  listener, observe, reload, admin, cli      the edges
//! ```
//!
//! `observe` is an edge too, but the gateway tells it what happened. A test keeps all of this.
//!
//! # Adding a thing touches one place
//!
//! A stage is a folder in [`stage`] and a line in its table; a protocol a folder in [`protocol`] and
//! a line in its table. Tests walk the tables.

pub mod error;
pub mod problem;

pub mod duration;

pub mod secret;

pub mod authorities;

pub mod lasting;

pub mod first_use;

pub mod coding;

pub mod cork;

pub mod frame;

pub mod meter;

pub mod store;

pub mod schema;

pub mod exchange;

pub mod route;

pub mod transcode;

pub mod callout;

pub mod protocol;

pub mod stage;

pub mod upstream;

pub mod tls;

pub mod observe;

pub mod config;

pub mod gateway;

pub mod listener;

pub mod reload;

pub mod admin;

pub mod cli;
