//! Makes a plan of the rules that a schema carries: those of messages, oneofs and fields, the standard
//! ones by the expressions that `buf/validate/validate.proto` itself gives them.
//!
//! A rule is a field of a message such as `StringRules`, and the field's own options hold the
//! expressions that check it. So standard rules and those that a schema adds to them (extensions) go
//! one way, and the schema's copy of the file decides what they mean.

use std::{collections::HashMap, sync::Arc};

use prost_reflect::{
    DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor,
    ReflectMessage, Value,
};

use super::{
    plan::{FieldPlan, ItemPlan, MessagePlan, Plan, Required, ValuePlan},
    program::Program,
    settings::{OutputOnly, Settings},
    violation::{Name, Step},
    written::{
        Compiled, IGNORE_ALWAYS, IGNORE_IF_ZERO, any, check_fields, groups, has, ignore,
        message_name, own_programs, part, program, rules, step, type_name,
    },
};

/// Numbers of `google.api.FieldBehavior`.
const REQUIRED: i32 = 2;
const OUTPUT_ONLY: i32 = 3;

/// Compiles what a type's messages are checked by; none if nothing is.
///
/// # Errors
/// A rule is wrong: a sentence that names its place in the schema.
pub(super) fn compile(message: &MessageDescriptor, settings: &Settings) -> Compiled<Option<Plan>> {
    let pool = message.parent_pool();
    let extension = |name: &str| pool.get_extension_by_name(name);
    let mut compiler = Compiler {
        settings,
        of_message: extension("buf.validate.message").filter(|_| settings.rules),
        of_oneof: extension("buf.validate.oneof").filter(|_| settings.rules),
        of_field: extension("buf.validate.field").filter(|_| settings.rules),
        of_rule: extension("buf.validate.predefined"),
        behavior: extension("google.api.field_behavior"),
        places: HashMap::new(),
        messages: Vec::new(),
        waiting: Vec::new(),
    };
    if compiler.of_field.is_some() && compiler.of_rule.is_none() {
        return Err(
            "the schema's `buf/validate/validate.proto` is older than the expressions of its \
                    rules; leave it out, for the gateway brings its own"
                .into(),
        );
    }
    compiler.place(message);
    while let Some(message) = compiler.waiting.pop() {
        let at = compiler.place(&message);
        let plan = compiler.message(&message)?;
        compiler.messages[at] = plan;
    }
    Ok(Plan { messages: compiler.messages }.pruned())
}

struct Compiler<'s> {
    settings: &'s Settings,
    of_message: Option<ExtensionDescriptor>,
    of_oneof: Option<ExtensionDescriptor>,
    of_field: Option<ExtensionDescriptor>,
    of_rule: Option<ExtensionDescriptor>,
    behavior: Option<ExtensionDescriptor>,
    /// Where the plan of a type stands.
    places: HashMap<String, usize>,
    messages: Vec<MessagePlan>,
    waiting: Vec<MessageDescriptor>,
}

impl Compiler<'_> {
    fn place(&mut self, message: &MessageDescriptor) -> usize {
        if let Some(at) = self.places.get(message.full_name()) {
            return *at;
        }
        let at = self.messages.len();
        self.messages.push(MessagePlan::default());
        self.places.insert(message.full_name().to_owned(), at);
        self.waiting.push(message.clone());
        at
    }

    fn message(&mut self, message: &MessageDescriptor) -> Compiled<MessagePlan> {
        let mut plan = MessagePlan::default();
        let wrong = |error| format!("`{}`: {error}", message.full_name());
        let rules = rules(&message.options(), self.of_message.as_ref());
        if let Some(rules) = &rules {
            plan.programs = own_programs(rules, None).map_err(wrong)?;
            for program in &plan.programs {
                check_fields(message, program).map_err(wrong)?;
            }
            plan.groups = groups(message, rules).map_err(wrong)?;
        }
        let oneofs = message.oneofs().filter(|oneof| self.is_needed(oneof));
        plan.oneofs = oneofs.collect();
        for field in message.fields() {
            let is_grouped = plan.groups.iter().any(|group| group.fields.contains(&field));
            let field_plan = self.field(&field, is_grouped);
            plan.fields.push(field_plan.map_err(|e| format!("`{}`: {e}", field.full_name()))?);
        }
        Ok(plan)
    }

    fn is_needed(&self, oneof: &OneofDescriptor) -> bool {
        rules(&oneof.options(), self.of_oneof.as_ref()).is_some_and(|rules| has(&rules, "required"))
    }

    fn field(&mut self, field: &FieldDescriptor, is_grouped: bool) -> Compiled<FieldPlan> {
        let options = field.options();
        let behaviors = self.behavior.as_ref().map(|one| options.get_extension(one).into_owned());
        let behaves = |wanted: i32| {
            let list = behaviors.as_ref().and_then(Value::as_list);
            list.is_some_and(|list| list.iter().any(|one| one.as_enum_number() == Some(wanted)))
        };
        let rules = rules(&options, self.of_field.as_ref());
        let ignore = rules.as_ref().map_or(0, ignore);
        let is_ignored = ignore == IGNORE_ALWAYS;
        let value = match is_ignored {
            true => ValuePlan::default(),
            false => self.whole(field, rules.as_ref())?,
        };
        let by_rule = rules.as_ref().is_some_and(|rules| has(rules, "required")) && !is_ignored;
        let by_behavior = self.settings.required && behaves(REQUIRED);
        let required = match (by_rule, by_behavior) {
            (true, _) => Some(Required::Rule),
            (false, true) => Some(Required::Behavior),
            (false, false) => None,
        };
        let skips_zero = ignore == IGNORE_IF_ZERO || is_grouped && ignore == 0;
        Ok(FieldPlan {
            field: field.clone(),
            required,
            is_output_only: self.settings.output_only != OutputOnly::Ignore && behaves(OUTPUT_ONLY),
            skips_absent: field.supports_presence() || skips_zero,
            value,
        })
    }

    /// The rules of a field that may be a list or a map.
    fn whole(
        &mut self,
        field: &FieldDescriptor,
        rules: Option<&DynamicMessage>,
    ) -> Compiled<ValuePlan> {
        let kind = field.kind();
        if let (true, Kind::Message(entry)) = (field.is_map(), &kind) {
            let own = self.typed(field, rules, "map", &[])?;
            let inner = rules.and_then(|rules| part(rules, "map"));
            let inner = inner.as_ref().and_then(Value::as_message);
            let prefix = |name: &str| {
                let outer = rules.map(|rules| step(rules, "map")).unwrap_or_default();
                [outer, inner.map(|inner| step(inner, name)).unwrap_or_default()].concat()
            };
            let (keys, values) = (entry.map_entry_key_field(), entry.map_entry_value_field());
            let keys = self.items(&keys, inner, "keys", prefix("keys"))?;
            let values = self.items(&values, inner, "values", prefix("values"))?;
            return Ok(ValuePlan { keys, values, ..own });
        }
        if field.is_list() {
            let own = self.typed(field, rules, "repeated", &[])?;
            let inner = rules.and_then(|rules| part(rules, "repeated"));
            let inner = inner.as_ref().and_then(Value::as_message);
            let mut prefix = rules.map(|rules| step(rules, "repeated")).unwrap_or_default();
            prefix.extend(inner.map(|inner| step(inner, "items")).unwrap_or_default());
            let items = self.items(field, inner, "items", prefix)?;
            return Ok(ValuePlan { items, ..own });
        }
        self.single(field, rules, &[])
    }

    fn items(
        &mut self,
        field: &FieldDescriptor,
        rules: Option<&DynamicMessage>,
        name: &str,
        prefix: Vec<Step>,
    ) -> Compiled<Option<Box<ItemPlan>>> {
        let rules = rules.and_then(|rules| part(rules, name));
        let rules = rules.as_ref().and_then(Value::as_message);
        let ignore = rules.map_or(0, ignore);
        if ignore == IGNORE_ALWAYS {
            return Ok(None);
        }
        let value = self.single(field, rules, &prefix)?;
        let plan = ItemPlan { skips_zero: ignore == IGNORE_IF_ZERO, value };
        Ok((!plan.value.is_empty()).then(|| Box::new(plan)))
    }

    /// The rules of one value.
    fn single(
        &mut self,
        field: &FieldDescriptor,
        rules: Option<&DynamicMessage>,
        prefix: &[Step],
    ) -> Compiled<ValuePlan> {
        let kind = field.kind();
        let mut plan = self.typed(field, rules, &type_name(&kind), prefix)?;
        match &kind {
            Kind::Message(message) if !message.full_name().starts_with("google.protobuf.") => {
                plan.nested = Some(self.place(message));
            }
            Kind::Enum(one) => {
                let inner = rules.and_then(|rules| part(rules, "enum"));
                let inner = inner.as_ref().and_then(Value::as_message);
                if let (Some(rules), Some(inner)) =
                    (rules, inner.filter(|i| has(i, "defined_only")))
                {
                    let path =
                        [prefix, &step(rules, "enum"), &step(inner, "defined_only")].concat();
                    plan.defined_only = Some((one.clone(), path));
                }
            }
            _ => {}
        }
        if let (Some(rules), "google.protobuf.Any") = (rules, message_name(&kind)) {
            plan.any = any(rules, prefix).map(Arc::new);
        }
        Ok(plan)
    }

    /// The expressions of a field and those of the one kind of rules that fits its type.
    fn typed(
        &mut self,
        field: &FieldDescriptor,
        rules: Option<&DynamicMessage>,
        fitting: &str,
        prefix: &[Step],
    ) -> Compiled<ValuePlan> {
        let Some(rules) = rules else { return Ok(ValuePlan::default()) };
        let mut programs = own_programs(rules, Some(prefix))?;
        if let (Kind::Message(message), false) = (field.kind(), field.is_list() || field.is_map()) {
            for program in &programs {
                check_fields(&message, program)?;
            }
        }
        let descriptor = rules.descriptor();
        let kinds = descriptor.oneofs().find(|oneof| oneof.name() == "type");
        let mut kinds = kinds.iter().flat_map(OneofDescriptor::fields);
        let Some(kind) = kinds.find(|kind| rules.has_field(kind)) else {
            return Ok(ValuePlan { programs, ..ValuePlan::default() });
        };
        if kind.name() != fitting {
            let mend = match fitting {
                "" => "none fit messages but `cel` and `required`".to_owned(),
                fitting => format!("write `{fitting}` rules"),
            };
            return Err(format!("`{}` rules don't fit the field's type; {mend}", kind.name()));
        }
        let value = rules.get_field(&kind);
        if let Some(inner) = value.as_message() {
            let path = [prefix, &[Step::field(&kind)]].concat();
            programs.extend(self.standard(inner, &path)?);
        }
        Ok(ValuePlan { programs, ..ValuePlan::default() })
    }

    /// The expressions that the rules' own options give them.
    fn standard(&self, rules: &DynamicMessage, path: &[Step]) -> Compiled<Vec<Program>> {
        if rules.unknown_fields().next().is_some() {
            let mend = "load the files that declare its extensions";
            return Err(format!("`{}` has unknown rules; {mend}", rules.descriptor().full_name()));
        }
        let mut programs = Vec::new();
        let around = Arc::new(rules.clone());
        let fields =
            rules.fields().map(|(field, value)| (Step::field(&field), field.options(), value));
        let extensions = rules.extensions().map(|(extension, value)| {
            let kind = extension.field_descriptor_proto().r#type();
            let (name, number) = (extension.full_name().to_owned(), extension.number());
            let name = Name::Extension(name, number, kind as i32);
            (Step { name, place: None }, extension.options(), value)
        });
        for (step, options, value) in fields.chain(extensions) {
            let Some(predefined) = self::rules(&options, self.of_rule.as_ref()) else { continue };
            let list = predefined.get_field_by_name("cel");
            for rule in list.iter().flat_map(|list| list.as_list().unwrap_or_default()) {
                let Some(rule) = rule.as_message() else { continue };
                let path = [path, std::slice::from_ref(&step)].concat();
                let variables = Some((Arc::new(value.clone()), around.clone()));
                programs.push(program(rule, path, variables)?);
            }
        }
        Ok(programs)
    }
}
