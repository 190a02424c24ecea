//! The shapes of message that are measured.

use std::hint::black_box;

use prost::Message;
use prost_reflect::{DescriptorPool, MessageDescriptor};
use serde::{Serialize, de::DeserializeOwned};
use transom::{
    schema::Features,
    transcode::{Plan, Plans},
};

use crate::typed::{Author, Blob, Dimensions, Item, Items, Maps, Numbers, Texts};

/// One message in both forms, and who can turn it.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) json: Vec<u8>,
    pub(crate) wire: Vec<u8>,
    pub(crate) plan: Plan,
    pub(crate) descriptor: MessageDescriptor,
    pub(crate) typed_to_wire: fn(&[u8]),
    pub(crate) typed_to_json: fn(&[u8]),
}

/// Small, list, strings, numbers, maps, bytes.
pub(crate) fn all() -> Vec<Shape> {
    let pool = protox::compile(
        ["bench.proto"],
        [concat!(env!("CARGO_MANIFEST_DIR"), "/benches/transcode")],
    )
    .and_then(|set| DescriptorPool::from_file_descriptor_set(set).map_err(protox::Error::new))
    .expect("the bench messages compile");
    let plans = Plans::compile(&pool, &Features::of_pool(&pool));
    let context = (&pool, &plans);
    let texts = (0..40)
        .map(|n| "The quick brown fox jumps over the lazy dog. ".repeat(400 + n * 20))
        .collect();
    let mut random = Random(42);
    let numbers = Numbers {
        doubles: (0..50_000).map(|_| random.next() as f64 / (1u64 << 40) as f64).collect(),
        longs: (0..50_000).map(|_| random.next() as i64).collect(),
    };
    let maps = Maps {
        counts: (0..2000).map(|n| (format!("key-{n}"), random.next() as i32 >> 12)).collect(),
        labels: (0..2000).map(|n| (format!("label/{n}"), format!("value of {n}"))).collect(),
        authors: (0..1000).map(|n| (n * 7, author())).collect(),
    };
    vec![
        shape("small", "Item", &item(7), context),
        shape(
            "list",
            "Items",
            &Items { items: (0..500).map(item).collect(), next_page_token: "x".into() },
            context,
        ),
        shape("strings", "Texts", &Texts { texts }, context),
        shape("numbers", "Numbers", &numbers, context),
        shape("maps", "Maps", &maps, context),
        shape(
            "bytes",
            "Blob",
            &Blob { data: (0..750_000).map(|_| random.next() as u8).collect() },
            context,
        ),
    ]
}

fn shape<T: Message + Default + Serialize + DeserializeOwned>(
    name: &'static str,
    message: &str,
    value: &T,
    (pool, plans): (&DescriptorPool, &Plans),
) -> Shape {
    let descriptor = pool.get_message_by_name(&format!("bench.{message}")).expect("a message");
    Shape {
        name,
        json: serde_json::to_vec(value).expect("JSON"),
        wire: value.encode_to_vec(),
        plan: plans.message(&descriptor).expect("a plan"),
        descriptor,
        typed_to_wire: |json| {
            let value: T = serde_json::from_slice(json).expect("valid");
            black_box(value.encode_to_vec());
        },
        typed_to_json: |wire| {
            let value = T::decode(wire).expect("valid");
            black_box(serde_json::to_vec(&value).expect("JSON"));
        },
    }
}

fn item(n: i32) -> Item {
    Item {
        id: format!("item-{n:06}"),
        title: "The Left Hand of Darkness".into(),
        quantity: n + 1,
        price_micros: 12_990_000 + i64::from(n),
        rating: 4.5,
        available: n % 3 != 0,
        kind: 1,
        tags: vec!["fiction".into(), "classic".into()],
        dimensions: Some(Dimensions { width: 12.7, height: 20.32, depth: 2.5 }),
        author: Some(author()),
        updated_at_millis: 1_717_171_717_171 + i64::from(n),
    }
}

fn author() -> Author {
    Author { name: "Ursula K. Le Guin".into(), country_code: "US".into(), born: 1929 }
}

/// Numbers without pattern, the same in each run (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
