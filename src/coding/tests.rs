//! Every coding, both ways: bounds, damage, pieces.

use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1 << 20;

#[test]
fn names_are_the_registered_ones_in_any_case() {
    for coding in Coding::ALL {
        assert_eq!(Coding::from_name(&coding.name().to_uppercase()), Some(coding));
    }
    assert_eq!(Coding::from_name("x-gzip"), Some(Coding::Gzip));
    assert_eq!(Coding::from_name("identity"), None);
}

#[test]
fn nothing_at_all_unpacks_to_nothing() {
    for coding in Coding::ALL {
        assert_eq!(coding.unpack(b"", LIMIT).unwrap(), "", "{coding:?}");
        let packed = coding.pack(b"").unwrap();
        assert!(!packed.is_empty(), "{coding:?} has an end of its own");
        assert_eq!(coding.unpack(&packed, LIMIT).unwrap(), "", "{coding:?}");
    }
}

#[test]
fn bomb_stops_at_the_limit_and_is_too_large() {
    for coding in Coding::ALL {
        let packed = coding.pack(&vec![0; 8 << 20]).unwrap();
        assert!(packed.len() < 16 << 10, "{coding:?}");
        let error = coding.unpack(&packed, LIMIT).unwrap_err();
        assert_eq!(error.code(), Code::ResourceExhausted, "{coding:?}: {error}");
        assert_eq!(coding.unpack(&packed, 8 << 20).unwrap().len(), 8 << 20);
    }
}

#[test]
fn data_cut_anywhere_are_refused_when_they_end() {
    let text = "so it goes ".repeat(40);
    for coding in Coding::ALL {
        let packed = coding.pack(text.as_bytes()).unwrap();
        for cut in 1..packed.len() {
            let error = coding.unpack(&packed[..cut], LIMIT).unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument, "{coding:?} cut at {cut}");
        }
    }
}

#[test]
fn bytes_behind_the_end_are_refused() {
    for coding in Coding::ALL {
        let packed = [&coding.pack(b"hello").unwrap()[..], b"and more"].concat();
        assert!(coding.unpack(&packed, LIMIT).is_err(), "{coding:?}");
    }
}

#[test]
fn flush_gives_out_all_that_was_pushed() {
    for coding in Coding::ALL {
        let mut packer = Packer::new(coding).unwrap();
        let mut unpacker = Unpacker::new(coding, LIMIT).unwrap();
        for text in ["one", "two", "three"] {
            packer.push(text.as_bytes()).unwrap();
            let unpacked = unpacker.push(&packer.flush().unwrap()).unwrap();
            assert_eq!(unpacked, text, "{coding:?}");
        }
        unpacker.push(&packer.finish().unwrap()).unwrap();
        assert_eq!(unpacker.finish().unwrap(), "", "{coding:?}");
    }
}

#[test]
fn packer_for_streams_and_what_is_taken_early_unpack_all_the_same() {
    let text: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
    for coding in Coding::ALL {
        let mut packer = Packer::for_stream(coding).unwrap();
        let mut packed = Vec::new();
        for piece in text.chunks(30_000) {
            packer.push(piece).unwrap();
            packed.extend(packer.take());
        }
        packed.extend(packer.finish().unwrap());
        assert_eq!(coding.unpack(&packed, LIMIT).unwrap(), text, "{coding:?}");
    }
}

#[test]
fn allowance_holds_from_one_piece_to_the_next() {
    for coding in Coding::ALL {
        let mut packer = Packer::new(coding).unwrap();
        let mut unpacker = Unpacker::new(coding, 0).unwrap();
        packer.push(&[0; 1000]).unwrap();
        unpacker.allow(1000);
        assert_eq!(unpacker.push(&packer.flush().unwrap()).unwrap().len(), 1000, "{coding:?}");
        packer.push(&[0; 1000]).unwrap();
        unpacker.allow(999);
        let error = unpacker.push(&packer.flush().unwrap()).unwrap_err();
        assert_eq!(error.code(), Code::ResourceExhausted, "{coding:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn packed_bytes_unpack_to_the_same_however_they_are_cut(
        plain in prop::collection::vec(any::<u8>(), 0..2000),
        cuts in 1_usize..50,
    ) {
        for coding in Coding::ALL {
            let packed = coding.pack(&plain).unwrap();
            prop_assert_eq!(&coding.unpack(&packed, plain.len()).unwrap()[..], &plain[..]);
            let mut unpacker = Unpacker::new(coding, plain.len()).unwrap();
            let mut whole = Vec::new();
            for piece in packed.chunks(cuts) {
                whole.extend(unpacker.push(piece).unwrap());
            }
            whole.extend(unpacker.finish().unwrap());
            prop_assert_eq!(&whole, &plain);
        }
    }

    #[test]
    fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        for coding in Coding::ALL {
            let _ = coding.unpack(&noise, LIMIT);
        }
    }
}
