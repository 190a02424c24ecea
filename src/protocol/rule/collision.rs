//! Two values for one field: the path's, and another's from body or query.
//!
//! Both are wire bytes already, so they are compared there, as any reader of the wire would
//! understand them: the last value at a place counts, and a default that is written says no more
//! than one that is not.

use super::record::{self, Record, Records};

/// What a path variable binds, as far as it matters for the comparison of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaf {
    /// One value.
    Scalar,
    /// A message of scalars: Timestamp, Duration, a wrapper.
    Message,
    /// A FieldMask: paths, of which a second value has more.
    List,
}

/// Whether `given` holds a value at the place that `numbers` lead to, field by field, and `path`
/// another. Bytes that can't be read hold nothing.
pub(super) fn differs(given: &[u8], path: &[u8], numbers: &[u32], leaf: Leaf) -> bool {
    let (given, path) = (record::at(given, numbers), record::at(path, numbers));
    let (Some(last_given), Some(last_path)) = (given.last(), path.last()) else { return false };
    match leaf {
        Leaf::Scalar => last_given != last_path,
        Leaf::Message => fields(&given) != fields(&path),
        Leaf::List => !paths(&given).eq(paths(&path)),
    }
}

/// The fields of a message's fragments that are not at their defaults, each once.
fn fields<'w>(fragments: &[&'w [u8]]) -> Vec<Record<'w>> {
    let mut fields = Vec::<Record<'w>>::new();
    for record in fragments.iter().flat_map(|fragment| Records(fragment)) {
        fields.retain(|earlier| earlier.number != record.number);
        fields.push(record);
    }
    fields.retain(|field| !field.is_default());
    fields.sort_by_key(|field| field.number);
    fields
}

/// The paths of a FieldMask.
fn paths<'w>(fragments: &[&'w [u8]]) -> impl Iterator<Item = &'w [u8]> {
    let records = fragments.iter().flat_map(|fragment| Records(fragment));
    records.filter(|record| record.number == 1).map(|record| record.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalars_differ(given: &[u8], path: &[u8], numbers: &[u32]) -> bool {
        differs(given, path, numbers, Leaf::Scalar)
    }

    #[test]
    fn only_two_different_values_at_one_place_differ() {
        let seven = [0x08, 7];
        let eight = [0x08, 8];
        assert!(scalars_differ(&eight, &seven, &[1]));
        assert!(!scalars_differ(&seven, &seven, &[1]));
        assert!(!scalars_differ(&[], &seven, &[1]));
        assert!(!scalars_differ(&[0x10, 8], &seven, &[1]), "another field");
        assert!(!scalars_differ(&[0x08, 8, 0x08, 7], &seven, &[1]), "the last value counts");
    }

    #[test]
    fn places_inside_messages_are_found_in_every_fragment() {
        let given = [0x0a, 2, 0x12, 0, 0x0a, 4, 0x12, 2, b'h', b'i'];
        let path = [0x0a, 4, 0x12, 2, b'y', b'o'];
        assert!(scalars_differ(&given, &path, &[1, 2]));
        assert!(!scalars_differ(&given, &given[4..], &[1, 2]));
        assert!(!scalars_differ(&[0x0a, 9, 1], &path, &[1, 2]), "cut short");
    }

    #[test]
    fn messages_are_the_same_whatever_defaults_they_write() {
        let five = [0x0a, 2, 0x08, 5];
        let five_and_zero = [0x0a, 4, 0x08, 5, 0x10, 0];
        let five_and_one = [0x0a, 4, 0x08, 5, 0x10, 1];
        let in_fragments = [0x0a, 2, 0x10, 1, 0x0a, 2, 0x08, 5];
        assert!(!differs(&five, &five_and_zero, &[1], Leaf::Message));
        assert!(differs(&five, &five_and_one, &[1], Leaf::Message));
        assert!(!differs(&in_fragments, &five_and_one, &[1], Leaf::Message));
        assert!(differs(&[0x0a, 0], &five, &[1], Leaf::Message), "zero was given");
        let bytes_of_zero = [0x0a, 3, 0x0a, 1, 0];
        assert!(differs(&bytes_of_zero, &[0x0a, 2, 0x0a, 0], &[1], Leaf::Message));
    }

    #[test]
    fn lists_are_the_same_with_the_same_paths() {
        let mask = [0x0a, 6, 0x0a, 1, b'a', 0x0a, 1, b'b'];
        let in_fragments = [0x0a, 3, 0x0a, 1, b'a', 0x0a, 3, 0x0a, 1, b'b'];
        assert!(!differs(&in_fragments, &mask, &[1], Leaf::List));
        assert!(differs(&in_fragments[5..], &mask, &[1], Leaf::List));
    }
}
