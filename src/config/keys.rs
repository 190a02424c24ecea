//! The keys that a settings type reads, asked of the type itself: serde tells a struct's keys to
//! whatever it is read from. A JSON Schema would tell them too, but making one is work for people who
//! ask for it, not for every start.

use serde::{
    Deserializer,
    de::{DeserializeOwned, Error, Visitor, value},
    forward_to_deserialize_any,
};

/// The keys of a struct; none of what is no struct.
pub(super) fn of<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut asked = Asked::default();
    // There is nothing to read, so it fails; by then the keys are told.
    drop(T::deserialize(&mut asked));
    asked.keys
}

/// Holds no value, and takes down which keys are looked for.
#[derive(Default)]
struct Asked {
    keys: &'static [&'static str],
}

impl<'de> Deserializer<'de> for &mut Asked {
    type Error = value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom("no value"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.keys = keys;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::of;

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only the keys matter")]
    struct Settings {
        first: u8,
        #[serde(rename = "second-one")]
        second: Option<Vec<u8>>,
    }

    #[test]
    fn keys_of_a_struct_are_those_that_it_reads() {
        assert_eq!(of::<Settings>(), ["first", "second-one"]);
        assert_eq!(of::<Vec<Settings>>(), [""; 0]);
    }
}
