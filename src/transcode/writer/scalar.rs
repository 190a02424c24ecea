//! One value on the wire as one JSON value, by kind.

use super::{Span, Writer, Wrote};
use crate::transcode::{
    base64,
    error::{Step, Stop},
    plan::*,
    steps::count_steps,
};

/// So many doubles in a row with more than three decimals, and no more are tried.
pub(super) const SHORT_DOUBLES: u8 = 4;

impl<'a> Writer<'a> {
    /// Writes one value of a field; its tag is behind the position.
    #[inline(always)]
    pub(super) fn value(&mut self, field: &'a FieldPlan, end: usize) -> Step<Wrote> {
        match field.kind {
            Kind::String => {
                let span = self.delimited(end)?;
                self.json_string(span)?;
                Ok(Wrote::from(span.start == span.end))
            }
            Kind::Message => {
                let span = self.delimited(end)?;
                let table = self.table;
                self.content(&table.messages[field.target as usize], span)?;
                Ok(Wrote::Value)
            }
            Kind::Int32 => {
                let value = self.varint(end)? as i32;
                self.integer(value.into());
                Ok(Wrote::from(value == 0))
            }
            Kind::Int64 => {
                let value = self.varint(end)? as i64;
                self.quoted_integer(value);
                Ok(Wrote::from(value == 0))
            }
            Kind::Bool => {
                let value = self.varint(end)? != 0;
                self.boolean(value);
                Ok(Wrote::from(!value))
            }
            Kind::Double => {
                let value = f64::from_le_bytes(self.eight_bytes(end)?);
                self.double(value);
                Ok(Wrote::from(value.to_bits() == 0))
            }
            Kind::Enum => {
                let value = self.varint(end)? as i32;
                Ok(self.enumeration(field.target, value))
            }
            _ => self.rarer_value(field, end),
        }
    }

    fn rarer_value(&mut self, field: &'a FieldPlan, end: usize) -> Step<Wrote> {
        let is_default = match field.kind {
            Kind::Uint32 => {
                let value = self.varint(end)? as u32;
                self.out.decimal(value.into());
                value == 0
            }
            Kind::Uint64 => {
                let value = self.varint(end)?;
                self.quoted_natural(value);
                value == 0
            }
            Kind::Sint32 => {
                let bits = self.varint(end)? as u32;
                self.integer(i64::from((bits >> 1) as i32 ^ -((bits & 1) as i32)));
                bits == 0
            }
            Kind::Sint64 => {
                let bits = self.varint(end)?;
                self.quoted_integer((bits >> 1) as i64 ^ -((bits & 1) as i64));
                bits == 0
            }
            Kind::Fixed32 => {
                let value = u32::from_le_bytes(self.four_bytes(end)?);
                self.out.decimal(value.into());
                value == 0
            }
            Kind::Sfixed32 => {
                let value = i32::from_le_bytes(self.four_bytes(end)?);
                self.integer(value.into());
                value == 0
            }
            Kind::Fixed64 => {
                let value = u64::from_le_bytes(self.eight_bytes(end)?);
                self.quoted_natural(value);
                value == 0
            }
            Kind::Sfixed64 => {
                let value = i64::from_le_bytes(self.eight_bytes(end)?);
                self.quoted_integer(value);
                value == 0
            }
            Kind::Float => {
                let value = f32::from_le_bytes(self.four_bytes(end)?);
                self.float(value);
                value.to_bits() == 0
            }
            Kind::Bytes => {
                let span = self.delimited(end)?;
                self.json_bytes(span);
                span.start == span.end
            }
            _ => {
                let table = self.table;
                self.group_content(&table.messages[field.target as usize], field.number, end)?;
                false
            }
        };
        Ok(Wrote::from(is_default))
    }

    #[inline(always)]
    pub(super) fn integer(&mut self, value: i64) {
        if value < 0 {
            self.out.push(b'-');
        }
        self.out.decimal(value.unsigned_abs());
    }

    /// 64-bit integers are strings in JSON, whose numbers many readers take for doubles.
    #[inline(always)]
    pub(super) fn quoted_integer(&mut self, value: i64) {
        self.out.quoted_decimal(value < 0, value.unsigned_abs());
    }

    #[inline(always)]
    pub(super) fn quoted_natural(&mut self, value: u64) {
        self.out.quoted_decimal(false, value);
    }

    pub(super) fn boolean(&mut self, value: bool) {
        if value {
            self.out.fixed(b"true\0\0\0\0", 4);
        } else {
            self.out.fixed(b"false\0\0\0", 5);
        }
    }

    #[inline]
    pub(super) fn double(&mut self, value: f64) {
        if !value.is_finite() {
            self.not_finite(value);
        } else if self.short_doubles == 0 || !self.short_double(value) {
            self.shortest(zmij::Buffer::new().format_finite(value));
        }
    }

    /// Writes a double of at most three decimals, which prices and measures mostly are, and which
    /// take half the time so. After a few others the message is not asked again.
    ///
    /// If a whole number divided by 1000 gives the double, then those digits read back as it, for
    /// the division rounds as reading does; and below 10^12 no other number of so few decimals does.
    #[inline]
    fn short_double(&mut self, value: f64) -> bool {
        let thousandths = (value * 1000.0).round_ties_even();
        let fits = thousandths.abs() < 1e15 && thousandths / 1000.0 == value;
        if !fits || value == 0.0 && value.is_sign_negative() {
            self.short_doubles -= 1;
            return false;
        }
        self.short_doubles = SHORT_DOUBLES;
        if value < 0.0 {
            self.out.push(b'-');
        }
        let thousandths = thousandths.abs() as u64;
        self.out.decimal(thousandths / 1000);
        let rest = (thousandths % 1000) as u32;
        if rest > 0 {
            let digits = [
                b'.',
                b'0' + (rest / 100) as u8,
                b'0' + (rest / 10 % 10) as u8,
                b'0' + (rest % 10) as u8,
            ];
            let length = if rest.is_multiple_of(100) {
                2
            } else if rest.is_multiple_of(10) {
                3
            } else {
                4
            };
            self.out.fixed(&digits, length);
        }
        true
    }

    fn float(&mut self, value: f32) {
        if value.is_finite() {
            self.shortest(zmij::Buffer::new().format_finite(value));
        } else {
            self.not_finite(value.into());
        }
    }

    /// Digits that read back as the same float. Only a negative zero keeps its `.0`, without which
    /// many readers take it for the integer, and lose the sign.
    fn shortest(&mut self, digits: &str) {
        let whole = digits.strip_suffix(".0").filter(|whole| *whole != "-0");
        self.out.short(whole.unwrap_or(digits).as_bytes());
    }

    #[cold]
    fn not_finite(&mut self, value: f64) {
        self.out.slice(match value {
            f64::INFINITY => b"\"Infinity\"",
            f64::NEG_INFINITY => b"\"-Infinity\"",
            _ => b"\"NaN\"",
        });
    }

    pub(super) fn json_bytes(&mut self, span: Span) {
        self.out.push(b'"');
        base64::encode(&self.input[span.start..span.end], &mut self.out);
        self.out.push(b'"');
    }

    /// Writes a name, or a number that has none; nothing if the enum is closed and knows it not.
    pub(super) fn enumeration(&mut self, target: u32, number: i32) -> Wrote {
        let plan = &self.table.enums[target as usize];
        let name = plan.value(number);
        if plan.closed && name.is_none() {
            return Wrote::Dropped;
        }
        match name {
            _ if plan.null => self.out.slice(b"null"),
            Some(name) if !self.enums_as_numbers => name.write(&mut self.out),
            _ => self.integer(number.into()),
        }
        Wrote::from(number == 0)
    }

    /// Writes what stands for a value that isn't there.
    pub(super) fn default_value(&mut self, field: &'a FieldPlan) -> Step<()> {
        match field.kind {
            Kind::String | Kind::Bytes => self.out.slice(b"\"\""),
            Kind::Bool => self.out.slice(b"false"),
            Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64 => {
                self.out.slice(b"\"0\"");
            }
            Kind::Enum => {
                let default = self.table.enums[field.target as usize].default;
                self.enumeration(field.target, default);
            }
            Kind::Message | Kind::Group => {
                let table = self.table;
                let nothing = Span { start: self.pos, end: self.pos };
                self.content(&table.messages[field.target as usize], nothing)?;
            }
            _ => self.out.push(b'0'),
        }
        Ok(())
    }

    /// Writes a span as a JSON string; it must be UTF-8.
    #[inline(always)]
    pub(super) fn json_string(&mut self, span: Span) -> Step<()> {
        if self.out.short_quoted(self.input, span.start, span.end) {
            return Ok(());
        }
        self.other_string(span)
    }

    #[inline(never)]
    fn other_string(&mut self, span: Span) -> Step<()> {
        self.out.push(b'"');
        let run = self.out.copy_plain(self.input, span.start, span.end);
        if run.stop < span.end || !run.ascii {
            self.rest_of_string(span, run.stop, run.ascii)?;
        }
        self.out.push(b'"');
        Ok(())
    }

    /// Goes on at a byte that needs an escape.
    #[inline(never)]
    fn rest_of_string(&mut self, span: Span, mut at: usize, mut ascii: bool) -> Step<()> {
        while at < span.end {
            self.escape(self.input[at]);
            let run = self.out.copy_plain(self.input, at + 1, span.end);
            at = run.stop;
            ascii &= run.ascii;
        }
        count_steps(if ascii { 1 } else { span.end - span.start });
        if !ascii && simdutf8::basic::from_utf8(&self.input[span.start..span.end]).is_err() {
            return Err(Stop::at(span.start, "a string is not UTF-8"));
        }
        Ok(())
    }

    fn escape(&mut self, byte: u8) {
        let short = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                self.out.fixed(&[b'\\', b'u', b'0', b'0', high, low, 0, 0], 6);
                return;
            }
        };
        self.out.slice(&[b'\\', short]);
    }
}
