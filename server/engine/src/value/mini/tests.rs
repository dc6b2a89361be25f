//! Every code against the formats' tables, and the numbers in between.

use super::*;

const FLOATS: [Mini; 5] = [Mini::F8E4M3FN, Mini::F8E4M3FNUZ, Mini::F8E5M2, Mini::F8E5M2FNUZ, Mini::F4E2M1];

#[test]
fn every_code_comes_back() {
    for mini in Mini::ALL {
        for byte in (0..=255).filter(|&byte| mini.holds(byte)) {
            let value = mini.decode(byte);
            let again = mini.encode(value, Overflow::Overflow);
            assert!(again == byte || (value.is_nan() && mini.decode(again).is_nan()), "{mini} {byte:#x}");
        }
    }
}

#[test]
fn numbers_between_two_codes_round_half_to_even() {
    for mini in FLOATS {
        let format = mini.format().unwrap();
        for code in 0..format.max {
            let (low, high) = (mini.decode(code), mini.decode(code + 1));
            let middle = (low + high) / 2.0;
            let even = if code % 2 == 0 { code } else { code + 1 };
            let encode = |value: f32| mini.encode(value, Overflow::Overflow);
            assert_eq!(encode(middle), even, "{mini} {middle}");
            assert_eq!(encode(middle.next_down()), code, "{mini} below {middle}");
            assert_eq!(encode(middle.next_up()), code + 1, "{mini} above {middle}");
        }
    }
}

#[test]
fn the_largest_numbers_are_the_specifications() {
    let largest = FLOATS.map(|mini| mini.decode(mini.format().unwrap().max));
    assert_eq!(largest, [448.0, 240.0, 57344.0, 57344.0, 6.0]);
    assert_eq!(
        FLOATS.map(|mini| mini.decode(1)),
        [2f32.powi(-9), 2f32.powi(-10), 2f32.powi(-16), 2f32.powi(-17), 0.5]
    );
}

#[test]
fn what_is_too_large_saturates_or_is_special() {
    let both =
        |mini: Mini, value| (mini.encode(value, Overflow::Saturate), mini.encode(value, Overflow::Overflow));
    assert_eq!(both(Mini::F8E4M3FN, 464.0), (0x7e, 0x7e));
    assert_eq!(both(Mini::F8E4M3FN, 465.0), (0x7e, 0x7f));
    assert_eq!(both(Mini::F8E4M3FN, f32::NEG_INFINITY), (0xfe, 0xff));
    assert_eq!(both(Mini::F8E4M3FNUZ, -1e9), (0xff, 0x80));
    assert_eq!(both(Mini::F8E5M2, f32::INFINITY), (0x7b, 0x7c));
    assert_eq!(both(Mini::F8E5M2FNUZ, f32::MAX), (0x7f, 0x80));
    assert_eq!(both(Mini::F4E2M1, -100.0), (0x0f, 0x0f));
}

#[test]
fn nan_and_negative_zero_follow_the_format() {
    let codes = |value: f32| FLOATS.map(|mini| mini.encode(value, Overflow::Saturate));
    assert_eq!(codes(f32::NAN), [0x7f, 0x80, 0x7e, 0x80, 0x08]);
    assert_eq!(codes(-0.0), [0x80, 0, 0x80, 0, 0x08]);
}

#[test]
fn powers_of_two_round_as_asked() {
    let codes = |value: f32| {
        [Rounding::Up, Rounding::Down, Rounding::Nearest]
            .map(|rounding| encode_power(value, Overflow::Saturate, rounding))
    };
    assert_eq!(codes(1.0), [127, 127, 127]);
    assert_eq!(codes(1.25), [128, 127, 127]);
    assert_eq!(codes(1.75), [128, 127, 128]);
    assert_eq!(codes(f32::MAX), [254, 254, 254]);
    assert_eq!(encode_power(f32::MAX, Overflow::Overflow, Rounding::Up), 255);
    assert_eq!(Mini::F8E8M0.decode(0), 2f32.powi(-127));
}

#[test]
fn integers_keep_their_low_bits_or_clamp() {
    let wrapped =
        [-9.0, -8.5, 7.6, 8.0, 300.0].map(|v| Mini::I4.decode(Mini::I4.encode(v, Overflow::Saturate)));
    assert_eq!(wrapped, [7.0, -8.0, 7.0, -8.0, -4.0]);
    assert_eq!(Mini::U4.encode(-1.0, Overflow::Saturate), 15);
    assert_eq!(Mini::I4.decode(Mini::I4.clamp(-100.0)), -8.0);
    assert_eq!(Mini::U4.clamp(99.0), 15);
    assert!(!Mini::U4.holds(16) && Mini::I4.holds(0xff) && !Mini::I4.holds(8));
}
