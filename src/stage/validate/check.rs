//! Checks a message by its plan.
//!
//! The walk goes as deep as messages may nest when they are decoded, and ends when enough violations
//! are found.

use cel::common::value::Val;
use prost_reflect::{DynamicMessage, FieldDescriptor, MapKey, Value};

use super::{
    plan::{AnyPlan, FieldPlan, Group, ItemPlan, MessagePlan, Plan, Required, ValuePlan},
    program::Program,
    settings::OutputOnly,
    values::{key_value, message_of, value_of},
    violation::{Name, Place, Step, Violation},
};

/// What came of a check.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The rules that the message breaks.
    pub violations: Vec<Violation>,
    /// Why a rule could not be evaluated, for the log.
    pub failure: Option<String>,
}

impl Plan {
    /// Checks a message; ends after `most` violations.
    pub(super) fn check(
        &self,
        message: &DynamicMessage,
        output_only: OutputOnly,
        most: usize,
    ) -> Outcome {
        let mut walk =
            Walk { plan: self, output_only, most, path: Vec::new(), outcome: Outcome::default() };
        walk.message(0, message);
        walk.outcome
    }

    /// Takes out of a message what only the backend may set; whether anything was there.
    pub(super) fn clear_output_only(&self, message: &mut DynamicMessage) -> bool {
        clear(self, 0, message)
    }
}

fn clear(plan: &Plan, at: usize, message: &mut DynamicMessage) -> bool {
    let mut has_changed = false;
    for FieldPlan { field, is_output_only, value, .. } in &plan.messages[at].fields {
        if !message.has_field(field) {
            continue;
        }
        if *is_output_only {
            message.clear_field(field);
            has_changed = true;
            continue;
        }
        let of_items = [&value.items, &value.values].into_iter().flatten();
        let nested = value.nested.or_else(|| of_items.map(|item| item.value.nested).next()?);
        let Some(nested) = nested else { continue };
        match message.get_field_mut(field) {
            Value::Message(inside) => has_changed |= clear(plan, nested, inside),
            Value::List(list) => {
                for inside in list.iter_mut().filter_map(Value::as_message_mut) {
                    has_changed |= clear(plan, nested, inside);
                }
            }
            Value::Map(map) => {
                for inside in map.values_mut().filter_map(Value::as_message_mut) {
                    has_changed |= clear(plan, nested, inside);
                }
            }
            _ => {}
        }
    }
    has_changed
}

struct Walk<'p> {
    plan: &'p Plan,
    output_only: OutputOnly,
    most: usize,
    path: Vec<Step>,
    outcome: Outcome,
}

impl<'p> Walk<'p> {
    fn is_over(&self) -> bool {
        self.outcome.violations.len() >= self.most || self.outcome.failure.is_some()
    }

    fn break_rule(&mut self, rule: &str, message: String, rule_path: Vec<Step>, for_key: bool) {
        let path = self.path.clone();
        let rule = rule.to_owned();
        self.outcome.violations.push(Violation { path, rule, message, rule_path, for_key });
    }

    fn message(&mut self, at: usize, message: &DynamicMessage) {
        let MessagePlan { programs, groups, oneofs, fields } = &self.plan.messages[at];
        self.programs(programs, &|| message_of(message), false);
        groups.iter().for_each(|group| self.group(group, message));
        for oneof in oneofs {
            if !oneof.fields().any(|field| message.has_field(&field)) {
                self.path.push(Step { name: Name::Oneof(oneof.name().to_owned()), place: None });
                let told = "exactly one field is required in oneof".to_owned();
                self.break_rule("required", told, Vec::new(), false);
                self.path.pop();
            }
        }
        for field in fields {
            if self.is_over() {
                return;
            }
            self.path.push(Step::field(&field.field));
            self.field(field, message);
            self.path.pop();
        }
    }

    fn group(&mut self, group: &Group, message: &DynamicMessage) {
        let set = group.fields.iter().filter(|field| message.has_field(field)).count();
        let names = || {
            let names: Vec<&str> = group.fields.iter().map(FieldDescriptor::name).collect();
            names.join(", ")
        };
        if set > 1 {
            let told = format!("only one of {} can be set", names());
            self.break_rule("message.oneof", told, Vec::new(), false);
        } else if set == 0 && group.is_required {
            let told = format!("one of {} must be set", names());
            self.break_rule("message.oneof", told, Vec::new(), false);
        }
    }

    fn field(&mut self, plan: &'p FieldPlan, message: &DynamicMessage) {
        // A field that proto2 requires is there, or the backend takes no such message.
        let is_set = message.has_field(&plan.field) || plan.field.is_required();
        match plan.required {
            Some(Required::Rule) if !is_set => {
                let told = "value is required".to_owned();
                return self.break_rule("required", told, required_path(&plan.field), false);
            }
            Some(Required::Behavior) if !is_set => {
                let told = "value is required".to_owned();
                return self.break_rule("field_behavior.required", told, Vec::new(), false);
            }
            _ => {}
        }
        if plan.is_output_only && is_set && self.output_only == OutputOnly::Reject {
            let told = "only the service sets this field".to_owned();
            return self.break_rule("field_behavior.output_only", told, Vec::new(), false);
        }
        if plan.skips_absent && !is_set {
            return;
        }
        let value = message.get_field(&plan.field);
        self.value(&plan.value, &value, false);
    }

    fn value(&mut self, plan: &'p ValuePlan, value: &Value, for_key: bool) {
        self.programs(&plan.programs, &|| value_of(value), for_key);
        if let (Some((one, path)), Value::EnumNumber(number)) = (&plan.defined_only, value)
            && one.get_value(*number).is_none()
        {
            let told = "value must be one of the defined enum values".to_owned();
            self.break_rule("enum.defined_only", told, path.clone(), for_key);
        }
        if let (Some(any), Value::Message(message)) = (&plan.any, value) {
            self.any(any, message);
        }
        if let (Some(nested), Value::Message(message)) = (plan.nested, value) {
            self.message(nested, message);
        }
        match value {
            Value::List(list) => {
                let Some(items) = &plan.items else { return };
                for (index, element) in list.iter().enumerate() {
                    self.element(items, element, Place::Index(index));
                }
            }
            Value::Map(map) => {
                if plan.keys.is_none() && plan.values.is_none() {
                    return;
                }
                // In an order that doesn't change from one time to the next.
                let mut entries: Vec<(&MapKey, &Value)> = map.iter().collect();
                entries.sort_unstable_by_key(|(key, _)| *key);
                for (key, value) in entries {
                    if let Some(keys) = &plan.keys {
                        self.at(Place::Key(key.clone()), |walk| walk.key(keys, key));
                    }
                    if let Some(values) = &plan.values {
                        self.element(values, value, Place::Key(key.clone()));
                    }
                }
            }
            _ => {}
        }
    }

    fn at(&mut self, place: Place, walk: impl FnOnce(&mut Self)) {
        if self.is_over() {
            return;
        }
        if let Some(last) = self.path.last_mut() {
            last.place = Some(place);
        }
        walk(self);
        if let Some(last) = self.path.last_mut() {
            last.place = None;
        }
    }

    fn element(&mut self, plan: &'p ItemPlan, value: &Value, place: Place) {
        if plan.skips_zero && is_zero_value(value) {
            return;
        }
        self.at(place, |walk| walk.value(&plan.value, value, false));
    }

    fn key(&mut self, plan: &'p ItemPlan, key: &MapKey) {
        let is_zero = || match key {
            MapKey::Bool(key) => !key,
            MapKey::I32(key) => *key == 0,
            MapKey::I64(key) => *key == 0,
            MapKey::U32(key) => *key == 0,
            MapKey::U64(key) => *key == 0,
            MapKey::String(key) => key.is_empty(),
        };
        if !(plan.skips_zero && is_zero()) {
            self.programs(&plan.value.programs, &|| key_value(key), true);
        }
    }

    fn any(&mut self, plan: &AnyPlan, message: &DynamicMessage) {
        let url = message.get_field_by_name("type_url");
        let url = url.as_deref().and_then(Value::as_str).unwrap_or_default().to_owned();
        if !plan.allowed.is_empty() && !plan.allowed.contains(&url) {
            let told = "type URL must be in the allow list".to_owned();
            self.break_rule("any.in", told, plan.allowed_path.clone(), false);
        }
        if plan.denied.contains(&url) {
            let told = "type URL must not be in the block list".to_owned();
            self.break_rule("any.not_in", told, plan.denied_path.clone(), false);
        }
    }

    fn programs<'v>(
        &mut self,
        programs: &[Program],
        this: &dyn Fn() -> Box<dyn Val + 'v>,
        for_key: bool,
    ) {
        for program in programs {
            if self.is_over() {
                return;
            }
            match program.run(this()) {
                Ok(None) => {}
                Ok(Some(told)) => {
                    self.break_rule(&program.id, told, program.path.clone(), for_key);
                }
                Err(failure) => self.outcome.failure = Some(failure),
            }
        }
    }
}

/// The rule `required` itself, where the schema knows it.
fn required_path(field: &FieldDescriptor) -> Vec<Step> {
    let rules = field.parent_pool().get_message_by_name("buf.validate.FieldRules");
    let required = rules.and_then(|rules| rules.get_field_by_name("required"));
    required.iter().map(Step::field).collect()
}

fn is_zero_value(value: &Value) -> bool {
    match value {
        Value::Bool(value) => !value,
        Value::I32(value) | Value::EnumNumber(value) => *value == 0,
        Value::I64(value) => *value == 0,
        Value::U32(value) => *value == 0,
        Value::U64(value) => *value == 0,
        Value::F32(value) => *value == 0.0,
        Value::F64(value) => *value == 0.0,
        Value::String(value) => value.is_empty(),
        Value::Bytes(value) => value.is_empty(),
        Value::Message(message) => message.fields().next().is_none(),
        Value::List(_) | Value::Map(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use prost_reflect::DynamicMessage;
    use serde_json::json;

    use crate::stage::{
        testing,
        validate::{Rules, Settings},
    };

    #[test]
    fn entries_of_maps_are_told_in_the_order_of_their_keys() {
        let source = r#"
            syntax = "proto3";
            package t;
            import "buf/validate/validate.proto";
            message Sales {
                map<int32, string> of = 1 [(buf.validate.field).map.values.string.min_len = 2];
            }
        "#;
        let sales = testing::message(source, "t.Sales");
        let settings: Settings = serde_json::from_value(json!({})).unwrap();
        let rules = Rules::compile(&sales, &settings).unwrap().unwrap();
        let of = json!({ "of": { "10": "a", "9": "b", "-1": "c", "7": "long" } });
        let message = DynamicMessage::deserialize(sales, of).unwrap();
        let outcome = rules.check(&prost::Message::encode_to_vec(&message), 9).unwrap();
        let told: Vec<_> = outcome.violations.iter().map(|one| one.json_path()).collect();
        assert_eq!(told, ["of[-1]", "of[9]", "of[10]"]);
    }
}
