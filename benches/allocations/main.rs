//! What is allocated: by the transcoder nothing where buffers are used again, and for a large
//! document little more than what it gives; by a runtime of many routes little a route.
//!
//! Not a measurement but a test, and here because an allocator that counts needs `unsafe`:
//!
//!     cargo test --bench allocations
#![allow(unsafe_code, reason = "an allocator that counts is one")]

mod routes;
#[allow(dead_code, reason = "shared with the other bench, which needs the rest")]
#[path = "../transcode/shapes.rs"]
mod shapes;
#[allow(dead_code, reason = "shared with the other bench, which needs the rest")]
#[path = "../transcode/typed.rs"]
mod typed;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    fmt::Write,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use shapes::Shape;
use transom::transcode::{self, Settings};

/// The system's allocator, counting.
struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);
static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn add(bytes: usize) {
    CALLS.fetch_add(1, Relaxed);
    let live = LIVE.fetch_add(bytes, Relaxed) + bytes;
    PEAK.fetch_max(live, Relaxed);
}

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller says.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // While it copies, both are there.
        add(size);
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller says.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    for shape in shapes::all() {
        if ["small", "list", "maps"].contains(&shape.name) {
            assert_reuses(&shape);
        }
    }
    assert_frugal();
    routes::assert_compact();
}

fn to_wire(shape: &Shape, json: &[u8], out: &mut Vec<u8>) {
    transcode::json_to_wire(&shape.plan, &Settings::default(), usize::MAX, json, out)
        .expect("the document is valid");
}

fn to_json(shape: &Shape, out: &mut Vec<u8>) {
    transcode::wire_to_json(&shape.plan, &Settings::default(), usize::MAX, &shape.wire, out)
        .expect("the message is valid");
}

/// With buffers that have been used before, neither direction allocates.
fn assert_reuses(shape: &Shape) {
    let (mut wire, mut json) = (Vec::new(), Vec::new());
    let mut both = || {
        wire.clear();
        to_wire(shape, &shape.json, &mut wire);
        let between = CALLS.load(Relaxed);
        json.clear();
        to_json(shape, &mut json);
        between
    };
    both();
    let before = CALLS.load(Relaxed);
    let between = both();
    let after = CALLS.load(Relaxed);
    println!("{}: {} and {} allocations", shape.name, between - before, after - between);
    assert_eq!((between - before, after - between), (0, 0), "{} allocates", shape.name);
}

/// A document of some megabytes.
fn large(name: &str) -> String {
    let list = |field: &str, count: usize, element: &dyn Fn(usize) -> String| {
        let mut text = format!("{{\"{field}\":[");
        for n in 0..count {
            write!(text, "{}{}", if n > 0 { "," } else { "" }, element(n)).expect("memory");
        }
        text + "]}"
    };
    let members = |field: &str, count: usize, member: &dyn Fn(usize) -> String| {
        let list = list(field, count, member);
        let (head, rest) = list.split_once('[').expect("a list");
        format!("{head}{{{}}}}}", rest.trim_end_matches("]}"))
    };
    match name {
        "list" => list("items", 20_000, &|n| {
            format!(
                r#"{{"id":"item-{n:06}","title":"The Left Hand of Darkness","quantity":{n},
                "priceMicros":"12990000","rating":4.5,"available":true,"kind":"KIND_BOOK",
                "tags":["fiction","classic"],"dimensions":{{"width":12.7,"height":20.32}},
                "author":{{"name":"Ursula K. Le Guin","countryCode":"US","born":1929}}}}"#
            )
        }),
        "strings" => list("texts", 300, &|n| format!("\"{}\"", "The quick fox ".repeat(n * 10))),
        "one string" => list("texts", 1, &|_| format!("\"{}\"", "The quick fox ".repeat(500_000))),
        "numbers" => list("doubles", 400_000, &|n| format!("{}.123456789", n * 7_919)),
        "map of numbers" => members("counts", 500_000, &|n| format!("\"{n}\":{n}")),
        "map of texts" => members("labels", 300_000, &|n| format!("\"key-{n:08}\":\"{n}\"")),
        "bytes" => format!("{{\"data\":\"{}\"}}", "QUJD".repeat(1_000_000)),
        _ => unreachable!(),
    }
}

/// The peak of what is live while a large document is read, its own bytes not counted, is at most
/// one and a half of what comes out, also for a thread that has read nothing before.
fn assert_frugal() {
    let shapes = shapes::all();
    for (name, like) in [
        ("list", "list"),
        ("strings", "strings"),
        ("one string", "strings"),
        ("numbers", "numbers"),
        ("map of numbers", "maps"),
        ("map of texts", "maps"),
        ("bytes", "bytes"),
    ] {
        let shape = shapes.iter().find(|shape| shape.name == like).expect("a shape");
        let json = large(name);
        let read = || {
            let before = LIVE.load(Relaxed);
            PEAK.store(before, Relaxed);
            let mut out = Vec::new();
            to_wire(shape, json.as_bytes(), &mut out);
            (out.len(), PEAK.load(Relaxed) - before)
        };
        let (length, peak) =
            std::thread::scope(|scope| scope.spawn(read).join().expect("no panic"));
        let ratio = peak as f64 / length as f64;
        println!("{name}: {} bytes of JSON, {length} of wire, peak {ratio:.2}", json.len());
        assert!(ratio <= 1.5, "{name}: the peak is {ratio:.2} of the output");
    }
}
