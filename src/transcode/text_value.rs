//! A field's value from plain text, as it stands in a path or a query: what its JSON would be,
//! without the quotes.

use std::borrow::Cow;

use super::{
    base64,
    kernel::Buffer,
    number::{self, Integer},
    plan::*,
    time,
};

/// Why a text is no value of a field: what was expected instead.
pub(super) type Expected = Cow<'static, str>;

impl Table {
    /// Whether one value of the field has a text: scalars, enums, and messages whose JSON is a
    /// string or a scalar.
    pub(super) fn has_text(&self, field: &FieldPlan) -> bool {
        if !field.kind.is_message() {
            return true;
        }
        let shape = self.messages[field.target as usize].shape;
        matches!(shape, Shape::Timestamp | Shape::Duration | Shape::FieldMask | Shape::Wrapper)
    }

    /// Writes one value with the tag of an element that isn't packed. Defaults are written too,
    /// down to the last field, so that the value wins over what stands before it.
    pub(super) fn write_text(
        &self,
        field: &FieldPlan,
        text: &str,
        out: &mut Buffer,
    ) -> Result<(), Expected> {
        out.varint((field.number << 3 | field.kind.wire()).into());
        self.write_text_value(field, text, out)
    }

    fn write_text_value(
        &self,
        field: &FieldPlan,
        text: &str,
        out: &mut Buffer,
    ) -> Result<(), Expected> {
        let bytes = text.as_bytes();
        match field.kind {
            Kind::String => {
                out.varint(bytes.len() as u64);
                out.slice(bytes);
            }
            Kind::Bytes => {
                base64::decode_with_length(bytes, out).ok_or("base64, standard or URL-safe")?;
            }
            Kind::Bool => out.push(match text {
                "true" => 1,
                "false" => 0,
                _ => return Err("true or false".into()),
            }),
            Kind::Enum => {
                let number = self.enum_number(field, text)?;
                out.varint(i64::from(number) as u64);
            }
            Kind::Double => {
                let value = float_text(bytes, number::double, f64::from).ok_or("a number")?;
                out.fixed(&value.to_le_bytes(), 8);
            }
            Kind::Float => {
                let value =
                    float_text(bytes, number::float, |value| value as f32).ok_or("a number")?;
                out.fixed(&value.to_le_bytes(), 4);
            }
            Kind::Message | Kind::Group => return self.write_message(field, text, out),
            _ => write_integer(field.kind, bytes, out)?,
        }
        Ok(())
    }

    fn enum_number(&self, field: &FieldPlan, text: &str) -> Result<i32, Expected> {
        let plan = &self.enums[field.target as usize];
        let number = plan.names.find(text.as_bytes()).map(|number| number as i32);
        let number = number.or_else(|| {
            let value = whole_number(text.as_bytes())?.signed(32)? as i32;
            (!plan.closed || plan.value(value).is_some()).then_some(value)
        });
        number.ok_or_else(|| format!("a name or number of {}", plan.name).into())
    }

    fn write_message(
        &self,
        field: &FieldPlan,
        text: &str,
        out: &mut Buffer,
    ) -> Result<(), Expected> {
        let plan = &self.messages[field.target as usize];
        let mut content = Buffer::default();
        let two_numbers = |(seconds, nanos): (i64, i32), content: &mut Buffer| {
            content.push(0x08);
            content.varint(seconds as u64);
            content.push(0x10);
            content.varint(i64::from(nanos) as u64);
        };
        let bytes = text.as_bytes();
        match plan.shape {
            Shape::Timestamp => {
                let parsed = time::parse_timestamp(bytes);
                two_numbers(parsed.ok_or("a time like 1972-01-01T10:00:20.021Z")?, &mut content);
            }
            Shape::Duration => {
                let parsed = time::parse_duration(bytes);
                two_numbers(parsed.ok_or("a duration like 1.5s")?, &mut content);
            }
            Shape::FieldMask => {
                let valid = time::parse_field_mask(bytes, |path| {
                    content.push(0x0a);
                    content.varint(path.len() as u64);
                    content.slice(path);
                });
                if !valid {
                    return Err("camelCase paths with commas between".into());
                }
            }
            Shape::Wrapper => self.write_text(&plan.fields[0], text, &mut content)?,
            _ => return Err("a scalar: the message's own fields are set by their paths".into()),
        }
        if field.kind == Kind::Group {
            out.slice(content.as_slice());
            out.varint((field.number << 3 | 4).into());
        } else {
            out.varint(content.len() as u64);
            out.slice(content.as_slice());
        }
        Ok(())
    }
}

/// The whole text as an integer.
fn whole_number(text: &[u8]) -> Option<Integer> {
    let (end, _) = number::scan(text, 0).ok()?;
    if end == text.len() { number::exact_integer(text) } else { None }
}

fn write_integer(kind: Kind, text: &[u8], out: &mut Buffer) -> Result<(), Expected> {
    let bits = match kind {
        Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64 => 64,
        _ => 32,
    };
    let is_signed = !matches!(kind, Kind::Uint32 | Kind::Uint64 | Kind::Fixed32 | Kind::Fixed64);
    let value = whole_number(text).and_then(|value| {
        if is_signed { value.signed(bits).map(|value| value as u64) } else { value.unsigned(bits) }
    });
    let sign = if is_signed { "a signed" } else { "an unsigned" };
    let value = value.ok_or_else(|| format!("{sign} {bits}-bit integer"))?;
    match kind {
        Kind::Fixed32 | Kind::Sfixed32 => out.fixed(&(value as u32).to_le_bytes(), 4),
        Kind::Fixed64 | Kind::Sfixed64 => out.fixed(&value.to_le_bytes(), 8),
        Kind::Sint32 | Kind::Sint64 => out.varint(value << 1 ^ (value as i64 >> 63) as u64),
        _ => out.varint(value),
    }
    Ok(())
}

fn float_text<T>(
    text: &[u8],
    parse: impl Fn(&[u8]) -> Option<T>,
    named: impl Fn(f64) -> T,
) -> Option<T> {
    match text {
        b"NaN" => Some(named(f64::NAN)),
        b"Infinity" => Some(named(f64::INFINITY)),
        b"-Infinity" => Some(named(f64::NEG_INFINITY)),
        _ if number::scan(text, 0).is_ok_and(|(end, _)| end == text.len()) => parse(text),
        _ => None,
    }
}
