//! One JSON value as one value on the wire, by kind.

use std::borrow::Cow;

use super::{Reader, Wrote, clip};
use crate::transcode::{
    base64,
    error::{Step, Stop},
    float,
    number::{self, Integer},
    plan::{EnumPlan, FieldPlan, Kind},
};

impl<'a> Reader<'a> {
    /// Reads one value of a field (an element, if it's a list) and writes it without its tag.
    #[inline(always)]
    pub(super) fn value(&mut self, field: &'a FieldPlan) -> Step<Wrote> {
        match field.kind {
            Kind::String => self.string().map(|length| Wrote::from(length == 0)),
            Kind::Message => {
                let length = self.open_length();
                self.content(field.target)?;
                if field.in_set {
                    self.close_length(length);
                    self.out.push(0x0c);
                } else {
                    self.close_length(length);
                }
                Ok(Wrote::Value)
            }
            Kind::Int32 => {
                let value = self.signed(32)?;
                self.out.varint(value as u64);
                Ok(Wrote::from(value == 0))
            }
            Kind::Int64 => {
                let value = self.signed(64)?;
                self.out.varint(value as u64);
                Ok(Wrote::from(value == 0))
            }
            Kind::Bool => self.boolean(),
            Kind::Double => {
                let value = self.double()?;
                self.out.fixed(&value.to_le_bytes(), 8);
                Ok(Wrote::from(value.to_bits() == 0))
            }
            Kind::Enum => self.enumeration(field.target),
            _ => self.rarer_value(field),
        }
    }

    fn rarer_value(&mut self, field: &'a FieldPlan) -> Step<Wrote> {
        let is_default = match field.kind {
            Kind::Uint32 => self.unsigned(32).map(|value| (self.out.varint(value), value == 0).1),
            Kind::Uint64 => self.unsigned(64).map(|value| (self.out.varint(value), value == 0).1),
            Kind::Sint32 | Kind::Sint64 => {
                let bits = if field.kind == Kind::Sint32 { 32 } else { 64 };
                let value = self.signed(bits)?;
                self.out.varint((value << 1 ^ value >> 63) as u64);
                Ok(value == 0)
            }
            Kind::Fixed32 => self.unsigned(32).map(|value| self.four_bytes(value as u32)),
            Kind::Sfixed32 => self.signed(32).map(|value| self.four_bytes(value as u32)),
            Kind::Fixed64 => self.unsigned(64).map(|value| self.eight_bytes(value)),
            Kind::Sfixed64 => self.signed(64).map(|value| self.eight_bytes(value as u64)),
            Kind::Float => self.float().map(|value| self.four_bytes(value.to_bits())),
            Kind::Bytes => self.bytes().map(|length| length == 0),
            _ => {
                self.content(field.target)?;
                self.out.varint((field.number << 3 | 4).into());
                Ok(false)
            }
        };
        is_default.map(Wrote::from)
    }

    fn four_bytes(&mut self, value: u32) -> bool {
        self.out.fixed(&value.to_le_bytes(), 4);
        value == 0
    }

    fn eight_bytes(&mut self, value: u64) -> bool {
        self.out.fixed(&value.to_le_bytes(), 8);
        value == 0
    }

    fn boolean(&mut self) -> Step<Wrote> {
        let value = match self.token() {
            b't' => self.word("true").map(|()| true)?,
            b'f' => self.word("false").map(|()| false)?,
            _ => return Err(self.unexpected("true or false")),
        };
        self.out.push(value.into());
        Ok(Wrote::from(!value))
    }

    #[inline(always)]
    pub(super) fn signed(&mut self, bits: u32) -> Step<i64> {
        let at = self.pos;
        let value = self.integer()?.signed(bits);
        value.ok_or_else(|| self.out_of_range(at, bits, "a signed"))
    }

    #[inline(always)]
    pub(super) fn unsigned(&mut self, bits: u32) -> Step<u64> {
        let at = self.pos;
        let value = self.integer()?.unsigned(bits);
        value.ok_or_else(|| self.out_of_range(at, bits, "an unsigned"))
    }

    #[cold]
    fn out_of_range(&mut self, at: usize, bits: u32, which: &str) -> Stop {
        self.pos = at;
        self.token();
        self.fail(format!("the number does not fit {which} {bits}-bit integer"))
    }

    /// An integer as a number or as a string that holds a number.
    #[inline(always)]
    fn integer(&mut self) -> Step<Integer> {
        let token = self.token();
        let quoted = token == b'"';
        let start = self.pos + usize::from(quoted);
        if let Some((value, end)) = number::short_integer(self.input, start) {
            if !quoted {
                self.pos = end;
                return Ok(value);
            }
            if self.input.get(end) == Some(&b'"') {
                self.pos = end + 1;
                return Ok(value);
            }
        }
        self.odd_integer()
    }

    /// An integer that is long, has a point or an exponent, or is none.
    #[inline(never)]
    fn odd_integer(&mut self) -> Step<Integer> {
        let at = self.pos;
        let text = self.number_text("an integer")?;
        number::exact_integer(&text)
            .ok_or_else(|| Stop::at(at, "the number is not a 64-bit integer"))
    }

    /// The digits of a number, or of a string that holds a number and nothing else.
    fn number_text(&mut self, what: &'static str) -> Step<Cow<'a, [u8]>> {
        let at = self.pos;
        match self.token() {
            b'"' => {
                let text = self.text()?;
                match number::scan(&text, 0) {
                    Ok((end, _)) if end == text.len() => Ok(text),
                    _ => {
                        self.pos = at;
                        let shown = String::from_utf8_lossy(&text);
                        Err(self.fail(format!("\"{}\" is not {what}", clip(&shown))))
                    }
                }
            }
            b'-' | b'0'..=b'9' => Ok(Cow::Borrowed(self.bare_number()?)),
            _ => Err(self.unexpected(what)),
        }
    }

    /// Consumes a number that stands without quotes.
    #[inline]
    pub(super) fn bare_number(&mut self) -> Step<&'a [u8]> {
        match number::scan(self.input, self.pos) {
            Ok((end, _)) => {
                let text = &self.input[self.pos..end];
                self.pos = end;
                Ok(text)
            }
            Err(at) => Err(Stop::at(at, "malformed number")),
        }
    }

    #[inline]
    pub(super) fn double(&mut self) -> Step<f64> {
        let at = self.pos;
        if matches!(self.token(), b'-' | b'0'..=b'9') {
            return self.bare_double();
        }
        match self.named_float()? {
            Some(value) => Ok(value),
            None => {
                let text = self.number_text("a number")?;
                number::double(&text)
                    .ok_or_else(|| Stop::at(at, "the number does not fit a double"))
            }
        }
    }

    /// A double that stands without quotes.
    #[inline]
    pub(super) fn bare_double(&mut self) -> Step<f64> {
        match float::read_double(self.input, self.pos) {
            Ok((Some(value), end)) => {
                self.pos = end;
                Ok(value)
            }
            Ok((None, _)) => Err(self.fail("the number does not fit a double")),
            Err(at) => Err(Stop::at(at, "malformed number")),
        }
    }

    fn float(&mut self) -> Step<f32> {
        let at = self.pos;
        match self.named_float()? {
            Some(value) => Ok(value as f32),
            None => {
                let text = self.number_text("a number")?;
                number::float(&text).ok_or_else(|| Stop::at(at, "the number does not fit a float"))
            }
        }
    }

    /// `"NaN"`, `"Infinity"` or `"-Infinity"`; consumes nothing else.
    fn named_float(&mut self) -> Step<Option<f64>> {
        if self.token() != b'"' {
            return Ok(None);
        }
        let at = self.pos;
        let value = match &*self.text()? {
            b"NaN" => f64::NAN,
            b"Infinity" => f64::INFINITY,
            b"-Infinity" => f64::NEG_INFINITY,
            _ => {
                self.pos = at;
                return Ok(None);
            }
        };
        Ok(Some(value))
    }

    /// Writes a base64 string's length and bytes; gives the number of bytes.
    fn bytes(&mut self) -> Step<usize> {
        self.token();
        let at = self.pos;
        let text = self.text()?;
        base64::decode_with_length(&text, &mut self.out)
            .ok_or_else(|| Stop::at(at, "the string is not base64, neither standard nor URL-safe"))
    }

    /// An enum by name or by number.
    fn enumeration(&mut self, target: u32) -> Step<Wrote> {
        let table = self.table;
        let plan: &EnumPlan = &table.enums[target as usize];
        let at = self.pos;
        let number = match self.token() {
            b'"' => {
                let name = self.text()?;
                match plan.names.find(&name) {
                    Some(number) => number as i32,
                    None if self.ignore_unknown => return Ok(Wrote::Dropped),
                    None => {
                        let name = String::from_utf8_lossy(&name);
                        let message = format!("{} has no value \"{}\"", plan.name, clip(&name));
                        return Err(Stop::at(at, message));
                    }
                }
            }
            b'n' if plan.null => self.word("null").map(|()| 0)?,
            b'-' | b'0'..=b'9' => self.signed(32)? as i32,
            _ => return Err(self.unexpected("an enum's name or number")),
        };
        if plan.closed && plan.value(number).is_none() {
            if self.ignore_unknown {
                return Ok(Wrote::Dropped);
            }
            return Err(Stop::at(at, format!("{} has no value {number}", plan.name)));
        }
        self.out.varint(i64::from(number) as u64);
        Ok(Wrote::from(number == 0))
    }
}
