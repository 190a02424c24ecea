//! The transcoder beside what else there is, on the same bytes in the same run.
//!
//! *reflect* is prost-reflect's DynamicMessage with serde_json, *typed* prost structs with serde
//! and pbjson's number and byte readers (what hand-written Rust would get), *scan* serde_json
//! passing over the document and building nothing. All rounds are interleaved; medians of the
//! thread's CPU time.
//!
//! Beside each ratio stands what it must be at least, and what the slow path must be at most; a
//! ratio that misses it is marked.
//!
//!     cargo bench --bench transcode                  the table
//!     cargo bench --bench transcode -- require       the same, and exit code 1 if a figure is missed
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
            table(&shapes.into_iter().filter(|s| s.name == *name).collect::<Vec<_>>());
        }
        [] | ["require"] => {
            let met = table(&shapes) & slow_path(&shapes);
            if !met {
                println!("\nratios with a '!' miss the figure beside them");
            }
            if !met && !words.is_empty() {
                std::process::exit(1);
            }
        }
        words => panic!("unknown arguments {words:?}; see the head of benches/transcode/main.rs"),
    }
}

/// How many times faster than reflect and typed each shape must be: JSON to wire, wire to JSON.
const REQUIRED: [(&str, [f64; 4]); 6] = [
    ("small", [14.0, 5.0, 9.0, 2.4]),
    ("list", [14.0, 5.0, 9.0, 2.4]),
    ("strings", [0.0, 1.7, 3.5, 3.5]),
    ("numbers", [2.0, 5.0, 2.7, 2.3]),
    ("maps", [14.0, 5.0, 7.0, 4.0]),
    ("bytes", [3.5, 3.5, 10.0, 10.0]),
];

/// How many times a message in order may cost what one in pieces costs.
const SLOW_PATH: f64 = 3.0;

/// A ratio with the figure that it must reach, and a mark if it doesn't.
fn beside(ratio: f64, required: f64) -> String {
    if required == 0.0 {
        return format!("{ratio:.1}/-   ");
    }
    format!("{ratio:.1}/{required:<3}{}", if ratio < required { '!' } else { ' ' })
}

/// What a message costs whose last field is one that was there before, which takes a pass in vain
/// and a second with an index; and what it costs as serialisers write it. Whether none is too slow.
fn slow_path(shapes: &[Shape]) -> bool {
    println!("\nwire>JSON of a message that repeats a field at its end, to one that doesn't:");
    let mut met = true;
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
        let ratio = times[1] / times[0];
        met &= ratio <= SLOW_PATH;
        let mark = if ratio <= SLOW_PATH { "" } else { "!" };
        println!("{:8} {ratio:.2}/{SLOW_PATH}{mark}", shape.name);
    }
    met
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

/// Prints a line for each shape; whether all reach what they must.
fn table(shapes: &[Shape]) -> bool {
    let mut met = true;
    println!(
        "{:8} {:>8} {:>8} | {:>10} {:>9} {:>9} {:>5} | {:>10} {:>9} {:>9}",
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
        let required = REQUIRED.iter().find(|(name, _)| *name == shape.name);
        let required = required.map_or([0.0; 4], |(_, required)| *required);
        let ratios =
            [times[1] / times[0], times[2] / times[0], times[5] / times[4], times[6] / times[4]];
        met &= ratios.iter().zip(required).all(|(ratio, required)| *ratio >= required);
        let [to_reflect, to_typed, back_reflect, back_typed] =
            [0, 1, 2, 3].map(|index| beside(ratios[index], required[index]));
        println!(
            "{:8} {:>8} {:>8} | {:>10} {:>9} {:>9} {:>5.2} | {:>10} {:>9} {:>9}",
            shape.name,
            shape.json.len(),
            shape.wire.len(),
            rate(times[0]),
            to_reflect,
            to_typed,
            times[3] / times[0],
            rate(times[4]),
            back_reflect,
            back_typed,
        );
    }
    met
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
