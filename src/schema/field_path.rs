//! Where a message has one field, to be read from its wire bytes without decoding the rest.

use prost_reflect::{Kind, MessageDescriptor};

/// The numbers of fields, one inside the other, down to one that holds a plain value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath(Box<[u32]>);

impl FieldPath {
    /// The path that `names` tell, `shelf.name` for example, by the names of the `.proto`. None if
    /// there is no such field, if it is a message, or if it or one on the way to it is repeated.
    pub fn of(message: &MessageDescriptor, names: &str) -> Option<Self> {
        let mut numbers = Vec::new();
        let mut inside = Some(message.clone());
        for name in names.split('.') {
            let field = inside?.get_field_by_name(name)?;
            if field.is_list() || field.is_map() || field.is_group() {
                return None;
            }
            numbers.push(field.number());
            inside = match field.kind() {
                Kind::Message(message) => Some(message),
                _ => None,
            };
        }
        inside.is_none().then(|| Self(numbers.into()))
    }

    /// The value's bytes as they stand in a message: of the last such field, which is the one that
    /// counts. None if it isn't there, or if the bytes are no message.
    pub fn find<'m>(&self, message: &'m [u8]) -> Option<&'m [u8]> {
        self.0.iter().try_fold(message, |inside, number| last(inside, *number))
    }
}

/// The last field of this number.
fn last(mut message: &[u8], number: u32) -> Option<&[u8]> {
    let mut found = None;
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let value = value(&mut message, (tag & 7) as u8, 0)?;
        if tag >> 3 == u64::from(number) {
            found = Some(value);
        }
    }
    found
}

/// How deep groups may nest.
const DEPTH: usize = 100;

/// Takes a value of this wire type; one of a length without the length.
fn value<'m>(message: &mut &'m [u8], wire_type: u8, depth: usize) -> Option<&'m [u8]> {
    let start = *message;
    match wire_type {
        0 => {
            varint(message)?;
            Some(&start[..start.len() - message.len()])
        }
        1 => message.split_off(..8),
        2 => {
            let length = usize::try_from(varint(message)?).ok()?;
            message.split_off(..length)
        }
        3 if depth < DEPTH => loop {
            let tag = varint(message)?;
            if tag & 7 == 4 {
                return Some(&start[..start.len() - message.len()]);
            }
            value(message, (tag & 7) as u8, depth + 1)?;
        },
        5 => message.split_off(..4),
        _ => None,
    }
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for at in 0..10 {
        let byte = *message.split_off_first()?;
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use prost_reflect::DescriptorPool;

    use super::*;

    fn message(name: &str) -> MessageDescriptor {
        let set = include_bytes!(concat!(env!("OUT_DIR"), "/bookshelf.binpb"));
        let pool = DescriptorPool::decode(set.as_slice()).unwrap();
        pool.get_message_by_name(name).unwrap()
    }

    #[test]
    fn field_is_found_by_names() {
        let request = message("bookshelf.v1.UpdateBookRequest");
        let path = FieldPath::of(&request, "book.name").unwrap();
        let book = request.get_field_by_name("book").unwrap().number();
        assert_eq!(path.0[0], book);
        for wrong in ["book", "book.nothing", "nothing", "", "book.name.more", "update_mask.paths"]
        {
            assert_eq!(FieldPath::of(&request, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn last_value_counts_and_others_are_passed_over() {
        let path = FieldPath([2, 1].into());
        // 2: {1: "a"}, 3: 150, 4: fixed32, 5: fixed64, 6: group { 1: 1 }, 2: {1: "bc"}
        let wire: &[u8] = b"\x12\x03\x0a\x01a\x18\x96\x01\x25abcd\x29abcdefgh\x33\x08\x01\x34\
            \x12\x04\x0a\x02bc";
        assert_eq!(path.find(wire), Some(b"bc".as_slice()));
        assert_eq!(FieldPath([3].into()).find(wire), Some(b"\x96\x01".as_slice()));
        assert_eq!(FieldPath([7].into()).find(wire), None);
        for cut in 1..wire.len() {
            // Whatever is found, nothing panics.
            let _ = path.find(&wire[..cut]);
        }
        assert_eq!(path.find(&[0x33; 1000]), None);
        assert_eq!(path.find(b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), None);
    }
}
