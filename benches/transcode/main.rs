//! The transcoder beside what else there is, on the same bytes in the same run.
//!
//! *reflect* is prost-reflect's DynamicMessage with serde_json, *typed* prost structs with serde
//! and pbjson's number and byte readers (what hand-written Rust would get), *scan* serde_json
//! passing over the document and building nothing. All rounds are interleaved; medians of the
//! thread's CPU time.
//!
//!     cargo bench --bench transcode                  the table
//!     cargo bench --bench transcode -- only small    a line of it
//!     cargo bench --bench transcode -- once small    one shape once a direction, for callgrind
//!     cargo bench --bench transcode -- loop small to-wire      one kernel for ten seconds, for perf

mod shapes;
mod typed;

use std::{hint::black_box, time::Instant};

use prost::Message;
use prost_reflect::DynamicMessage;
use shapes::Shape;
use transom::transcode::{self, Settings};

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let shapes = shapes::all();
    match words.as_slice() {
        ["once", name] => once(shapes.iter().find(|shape| shape.name == *name).expect("a shape")),
        ["loop", name, way] => {
            let shape = shapes.iter().find(|shape| shape.name == *name).expect("a shape");
            let start = Instant::now();
            let mut out = Vec::new();
            while start.elapsed().as_secs() < 10 {
                for _ in 0..100 {
                    if *way == "to-wire" {
                        to_wire(shape, &mut out)
                    } else {
                        to_json(shape, &mut out)
                    }
                }
            }
        }
        ["only", name] => {
            table(&shapes.into_iter().filter(|s| s.name == *name).collect::<Vec<_>>())
        }
        _ => {
            table(&shapes);
            slow_path(&shapes);
        }
    }
}

/// What a message costs whose last field is one that was there before, which takes a pass in vain
/// and a second with an index; and what it costs as serialisers write it.
fn slow_path(shapes: &[Shape]) {
    println!("\nwire>JSON of a message that repeats a field at its end, to one that doesn't:");
    // The id again, the token again, and a map that goes on after the others.
    let ends: [(&str, &[u8]); 3] = [
        ("small", &[0x0a, 1, b'x']),
        ("list", &[0x12, 1, b'y', 0x12, 1, b'z']),
        ("maps", &[0x0a, 5, 0x0a, 1, b'k', 0x10, 1]),
    ];
    for (name, end) in ends {
        let Some(shape) = shapes.iter().find(|shape| shape.name == name) else { continue };
        let twice = [&shape.wire, end].concat();
        let (mut out, mut back) = (Vec::new(), Vec::new());
        let convert = |wire: &[u8], out: &mut Vec<u8>| {
            out.clear();
            transcode::wire_to_json(
                &shape.plan,
                &Settings::default(),
                usize::MAX,
                black_box(wire),
                out,
            )
            .expect("the shape is valid");
            black_box(&out);
        };
        let mut contenders: Vec<Box<dyn FnMut() + '_>> = vec![
            Box::new(|| convert(&shape.wire, &mut out)),
            Box::new(|| convert(&twice, &mut back)),
        ];
        let times = medians(&mut contenders);
        println!("{:8} {:.2}x", shape.name, times[1] / times[0]);
    }
}

#[inline(never)]
fn to_wire(shape: &Shape, out: &mut Vec<u8>) {
    out.clear();
    transcode::json_to_wire(
        &shape.plan,
        &Settings::default(),
        usize::MAX,
        black_box(&shape.json),
        out,
    )
    .expect("the shape is valid");
    black_box(&out);
}

#[inline(never)]
fn to_json(shape: &Shape, out: &mut Vec<u8>) {
    out.clear();
    transcode::wire_to_json(
        &shape.plan,
        &Settings::default(),
        usize::MAX,
        black_box(&shape.wire),
        out,
    )
    .expect("the shape is valid");
    black_box(&out);
}

fn reflect_to_wire(shape: &Shape) {
    let mut deserializer = serde_json::Deserializer::from_slice(black_box(&shape.json));
    let message = DynamicMessage::deserialize(shape.descriptor.clone(), &mut deserializer)
        .expect("the shape is valid");
    black_box(message.encode_to_vec());
}

fn reflect_to_json(shape: &Shape) {
    let message = DynamicMessage::decode(shape.descriptor.clone(), black_box(&shape.wire[..]))
        .expect("the shape is valid");
    black_box(serde_json::to_vec(&message).expect("the shape is valid"));
}

fn scan(shape: &Shape) {
    let ignored: serde::de::IgnoredAny =
        serde_json::from_slice(black_box(&shape.json)).expect("the shape is valid");
    black_box(ignored);
}

/// Both directions once, after a first time that fills the buffers.
fn once(shape: &Shape) {
    let mut out = Vec::new();
    for _ in 0..2 {
        to_wire(shape, &mut out);
        to_json(shape, &mut out);
    }
}

fn table(shapes: &[Shape]) {
    println!(
        "{:8} {:>9} {:>7} | {:>10} {:>7} {:>7} {:>7} | {:>10} {:>7} {:>7}",
        "shape",
        "JSON",
        "wire",
        "JSON>wire",
        "reflect",
        "typed",
        "scan",
        "wire>JSON",
        "reflect",
        "typed"
    );
    for shape in shapes {
        let mut out = Vec::new();
        let mut back = Vec::new();
        let mut contenders: Vec<Box<dyn FnMut() + '_>> = vec![
            Box::new(|| to_wire(shape, &mut out)),
            Box::new(|| reflect_to_wire(shape)),
            Box::new(|| (shape.typed_to_wire)(black_box(&shape.json))),
            Box::new(|| scan(shape)),
            Box::new(|| to_json(shape, &mut back)),
            Box::new(|| reflect_to_json(shape)),
            Box::new(|| (shape.typed_to_json)(black_box(&shape.wire))),
        ];
        let times = medians(&mut contenders);
        drop(contenders);
        let rate = |time: f64| {
            if shape.json.len() < 10_000 {
                format!("{time:.0} ns")
            } else {
                format!("{:.0} MB/s", shape.json.len() as f64 / time * 1e3)
            }
        };
        println!(
            "{:8} {:>9} {:>7} | {:>10} {:>6.1}x {:>6.1}x {:>6.2}x | {:>10} {:>6.1}x {:>6.1}x",
            shape.name,
            shape.json.len(),
            shape.wire.len(),
            rate(times[0]),
            times[1] / times[0],
            times[2] / times[0],
            times[3] / times[0],
            rate(times[4]),
            times[5] / times[4],
            times[6] / times[4],
        );
    }
}

/// Nanoseconds of CPU time a call, of each contender.
fn medians(contenders: &mut [Box<dyn FnMut() + '_>]) -> Vec<f64> {
    const ROUNDS: usize = 15;
    let calls: Vec<usize> = contenders
        .iter_mut()
        .map(|run| {
            run();
            let start = Instant::now();
            run();
            (5_000_000 / start.elapsed().as_nanos().max(1) as usize).clamp(1, 50_000)
        })
        .collect();
    let mut times = vec![Vec::new(); contenders.len()];
    for _ in 0..ROUNDS {
        for ((run, &calls), times) in contenders.iter_mut().zip(&calls).zip(&mut times) {
            let start = thread_time();
            for _ in 0..calls {
                run();
            }
            times.push((thread_time() - start) / calls as f64);
        }
    }
    times
        .iter_mut()
        .map(|times| {
            times.sort_unstable_by(f64::total_cmp);
            times[ROUNDS / 2]
        })
        .collect()
}

/// The thread's CPU time in nanoseconds, which other programs on the machine don't disturb.
fn thread_time() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
