//! `transom demo`: the bookshelf and the gateway in front of it in one process, ready to curl, with
//! a page that speaks every protocol of browsers.

pub mod bookshelf;
mod page;

use std::{
    collections::BTreeMap,
    io::{self, Write},
    net::{SocketAddr, TcpListener},
    thread,
};

use clap::Args;

use self::bookshelf::Bookshelf;
use super::{Arguments, DONE, FAILED, launch::Launch, summary::Summary, write};
use crate::config::{Address, Listen, Loaded, Written};

const EXAMPLES: &str = "\
Examples:
  transom demo
  transom demo --listen 127.0.0.1:9090

It prints curl lines for every kind of call. Nothing that is changed is kept.";

const DEFAULT_LISTEN: &str = "127.0.0.1:8080";

/// Start an example service and the gateway in front of it, ready to curl.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Demo {
    /// Where to listen (`unix:PATH` is a Unix socket); 127.0.0.1:8080, or any free port if that is taken.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
}

impl Demo {
    pub(super) fn run(&self, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
        let backends = match start_backends() {
            Ok(addresses) => addresses,
            Err(error) => {
                let message = format!("the bookshelf can't be started: {error}\n");
                return write(err, &message, FAILED);
            }
        };
        let mut loaded = configuration(backends, self.listen.as_deref().unwrap_or(DEFAULT_LISTEN));
        if self.listen.is_none() && is_taken(DEFAULT_LISTEN) {
            let message = format!("{DEFAULT_LISTEN} is taken; a free port is used instead\n");
            write(err, &message, DONE);
            loaded.file.listen = vec![Listen::at(Address::Ip(([127, 0, 0, 1], 0).into()))];
        }
        let launch = match Launch::prepare(move || loaded.clone(), err) {
            Ok(launch) => launch,
            Err(code) => return code,
        };
        let summary = Summary::of(&launch.prepared);
        let outcome = launch.start(|bound| {
            write(err, &summary.text(bound), DONE);
            if let Some(address) = bound.listeners.first() {
                write(out, &examples(address), DONE);
            }
        });
        match outcome {
            Ok(()) => DONE,
            Err(message) => write(err, &format!("{message}\n"), FAILED),
        }
    }
}

/// Where the bookshelf and the page answer.
struct Backends {
    bookshelf: SocketAddr,
    page: SocketAddr,
}

/// Serves the bookshelf and the page on a thread of their own, and says where.
fn start_backends() -> io::Result<Backends> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _inside = runtime.enter();
    let (bookshelf, shelf) = listener()?;
    let (page, files) = listener()?;
    thread::Builder::new().name("bookshelf".into()).spawn(move || {
        runtime.block_on(async {
            let bookshelf = bookshelf::serve(Bookshelf::new(), shelf, std::future::pending());
            tokio::try_join!(bookshelf, page::serve(files)).map_err(io::Error::other)
        })
    })?;
    Ok(Backends { bookshelf, page })
}

fn listener() -> io::Result<(SocketAddr, tokio::net::TcpListener)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    Ok((listener.local_addr()?, tokio::net::TcpListener::from_std(listener)?))
}

fn is_taken(address: &str) -> bool {
    TcpListener::bind(address).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

/// What the demo serves: the bookshelf and the page, asked for their schema by reflection.
fn configuration(backends: Backends, listen: &str) -> Loaded {
    let arguments = Arguments {
        listen: vec![listen.to_owned()],
        upstream: vec![
            format!("bookshelf={}", backends.bookshelf),
            format!("page={}", backends.page),
        ],
        ..Arguments::default()
    };
    let mut loaded = arguments.load();
    let policy = Written::of([("auto_map", true.into()), ("status_from_metadata", true.into())]);
    loaded.file.services = BTreeMap::from([("bookshelf.v1.Bookshelf".to_owned(), policy)]);
    loaded
}

/// Lines to paste into a shell.
fn examples(address: &Address) -> String {
    let base = match address {
        Address::Ip(address) => format!("http://{address}"),
        Address::Unix(_) => "http://localhost".to_owned(),
    };
    let text = lines(&base);
    match address {
        Address::Ip(_) => text,
        Address::Unix(path) => {
            text.replace("\ncurl ", &format!("\ncurl --unix-socket {} ", path.display()))
        }
    }
}

fn lines(base: &str) -> String {
    format!(
        r#"
# In a browser, every protocol on one page: {base}/

# A book, and all books of a shelf
curl '{base}/v1/shelves/fiction/books/letters'
curl '{base}/v1/shelves/fiction/books?page_size=1&genre=GENRE_NOVEL'

# A new book; the same once more is a conflict, with details
curl '{base}/v1/shelves/fiction/books' -d '{{"title": "Windows", "author": "You"}}'

# Errors as you ask for them
curl '{base}/v1/fail/9?details=true&message=no+light'
curl -i '{base}/v1/fail/8?retry_seconds=30'

# A server stream: a JSON array, JSON lines, server-sent events (-N shows them as they come)
curl '{base}/v1/shelves/fiction/books:watch'
curl '{base}/v1/shelves/fiction/books:watch?interval=0.5s' -N -H 'accept: application/x-ndjson'
curl '{base}/v1/shelves/fiction/books:watch?follow=true' -N -H 'accept: text/event-stream'

# A client stream: many messages in one request
curl '{base}/v1/shelves/new/books:import' -H 'content-type: application/x-ndjson' \
  --data-binary $'{{"book": {{"title": "One"}}}}\n{{"book": {{"title": "Two"}}}}\n'

# Plain bytes down and up
curl '{base}/v1/shelves/fiction/books/letters/cover'
curl '{base}/v1/shelves/fiction/books/letters/text'
curl -T - '{base}/v1/shelves/fiction/books/letters/text' -H 'content-type: text/plain' <<< 'New text.'

# A method without an HTTP rule, mapped by policy
curl '{base}/bookshelf.v1.Bookshelf/Ping' -d '{{"text": "hello"}}'

"#
    )
}
