//! A program in Lua that the store runs as one step: nothing else happens meanwhile.

use std::fmt::Write;

use ring::digest;

/// A script, and the name under which a store that has seen it knows it: the SHA-1 of its text.
/// That is a name and no proof: whoever may run scripts in the store could change its data anyway.
#[derive(Debug)]
pub struct Script {
    text: &'static str,
    name: String,
}

impl Script {
    /// The script of a text.
    pub fn new(text: &'static str) -> Self {
        let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        let name = digest.as_ref().iter().fold(String::new(), |mut name, byte| {
            // Writing to a string can't fail.
            let _ = write!(name, "{byte:02x}");
            name
        });
        Self { text, name }
    }

    /// The name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The text.
    pub(super) fn text(&self) -> &'static str {
        self.text
    }
}
