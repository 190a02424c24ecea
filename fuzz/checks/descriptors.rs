//! Descriptor sets from anywhere: no schema is made of a wrong one, and what is made of a right one
//! can be worked with.
//!
//! The input is a `google.protobuf.FileDescriptorSet`: in JSON if it begins with `{`, so that an
//! input can be written by hand, else in binary.

use std::{collections::HashSet, sync::LazyLock};

use transom::{
    route::{RouterBuilder, Template},
    schema::Schema,
    transcode::{Plan, Plans, Settings, json_to_wire, wire_to_json, wire_to_wire},
};

/// How many message types of a schema are tried.
const MOST: usize = 8;

/// The plan that makes a descriptor set of an input in JSON.
static DESCRIPTOR_SET: LazyLock<Plan> = LazyLock::new(|| {
    let (schema, problems) = Schema::builder().build();
    let schema = schema.unwrap_or_else(|| panic!("{problems:?}"));
    let plans = Plans::compile(schema.pool(), schema.features());
    plans.message_by_name("google.protobuf.FileDescriptorSet").expect("it is bundled")
});

/// Checks one input.
pub fn check(input: &[u8]) {
    if !input.starts_with(b"{") {
        return check_set(input);
    }
    let mut set = Vec::new();
    if json_to_wire(&DESCRIPTOR_SET, &Settings::default(), usize::MAX, input, &mut set).is_ok() {
        check_set(&set);
    }
}

fn check_set(set: &[u8]) {
    let (schema, problems) =
        Schema::builder().add_descriptor_set("input", set).auto_map(|_| true).build();
    assert_eq!(schema.is_none(), problems.iter().any(|problem| problem.is_error()), "{problems:?}");
    for problem in &problems {
        assert!(!problem.to_string().is_empty());
    }
    let Some(schema) = schema else { return };
    check_methods(&schema);
    let plans = Plans::compile(schema.pool(), schema.features());
    let bundled: HashSet<&str> = HashSet::from(["google"]);
    let own = schema.pool().all_messages().filter(|message| {
        !bundled.contains(message.full_name().split('.').next().unwrap_or_default())
    });
    for message in own.take(MOST) {
        let plan = plans.message(&message).expect("each type has a plan");
        check_plan(&plan, set);
    }
}

fn check_methods(schema: &Schema) {
    let mut builder = RouterBuilder::new();
    for (position, method) in schema.methods().iter().enumerate() {
        assert_eq!(method.index, position);
        let found = schema.method_by_path(method.path.as_str()).expect("each method has a path");
        assert_eq!(found.index, position);
    }
    for (id, (_, rule)) in schema.rules().enumerate() {
        if let Ok(template) = Template::parse(&rule.template) {
            builder.insert(&rule.method, &template, id);
        }
    }
    // Whether or not there are conflicts is up to the input.
    let _ = builder.build();
}

/// Runs a plan both ways over bytes that have nothing to do with it.
fn check_plan(plan: &Plan, bytes: &[u8]) {
    let settings = Settings::default();
    for wire in [&[], bytes] {
        let mut json = Vec::new();
        if wire_to_json(plan, &settings, usize::MAX, wire, &mut json).is_ok() {
            assert!(super::schema::is_json(&json));
            let _ = json_to_wire(plan, &settings, usize::MAX, &json, &mut Vec::new());
        }
        let mut canonical = Vec::new();
        let _ = wire_to_wire(plan, &settings, usize::MAX, wire, &mut canonical);
    }
    let _ = json_to_wire(plan, &settings, usize::MAX, b"{}", &mut Vec::new());
}
