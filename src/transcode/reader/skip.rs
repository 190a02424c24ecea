//! Values that nobody wants: checked as strictly as the others, and forgotten.

use super::Reader;
use crate::transcode::{error::Step, steps::count_steps};

impl Reader<'_> {
    /// Consumes one JSON value.
    pub(super) fn skip(&mut self) -> Step<()> {
        self.skip_noting(false)
    }

    /// Consumes one JSON value; `note` keeps where objects have their `"@type"`.
    #[inline(never)]
    pub(super) fn skip_noting(&mut self, note: bool) -> Step<()> {
        count_steps(1);
        match self.token() {
            b'"' => self.text().map(|_| ()),
            b'{' => self.skip_object(note),
            b'[' => self.skip_array(note),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            b'-' | b'0'..=b'9' => self.bare_number().map(|_| ()),
            _ => Err(self.unexpected("a JSON value")),
        }
    }

    fn skip_object(&mut self, note: bool) -> Step<()> {
        let open = self.pos;
        self.pos += 1;
        self.enter()?;
        if self.token() == b'}' {
            self.pos += 1;
        } else {
            loop {
                if self.token() != b'"' {
                    return Err(self.unexpected("a field name in double quotes"));
                }
                let key = self.text()?;
                self.expect(b':', "':' after the field name")?;
                if note && *key == *b"@type" {
                    self.token();
                    self.scratch.any.note(open, self.pos);
                }
                self.skip_noting(note)?;
                match self.token() {
                    b',' => self.pos += 1,
                    b'}' => {
                        self.pos += 1;
                        break;
                    }
                    _ => return Err(self.unexpected("',' or '}' after a field")),
                }
            }
        }
        self.depth_left += 1;
        Ok(())
    }

    fn skip_array(&mut self, note: bool) -> Step<()> {
        self.pos += 1;
        self.enter()?;
        if self.token() == b']' {
            self.pos += 1;
        } else {
            loop {
                self.skip_noting(note)?;
                match self.token() {
                    b',' => self.pos += 1,
                    b']' => {
                        self.pos += 1;
                        break;
                    }
                    _ => return Err(self.unexpected("',' or ']' after an element")),
                }
            }
        }
        self.depth_left += 1;
        Ok(())
    }
}
