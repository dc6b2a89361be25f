//! Conversions between numbers and strings: floats with as many digits as C's `%.8g` (`%.17g` for f64).

use super::number::{Convert, Scalar};
use crate::{
    error::{OpError, Result},
    value::Text,
};

/// The number as a string.
pub(super) fn print(scalar: Scalar) -> Text {
    let text = match scalar {
        Scalar::Signed(v) => v.to_string(),
        Scalar::Unsigned(v) => v.to_string(),
        Scalar::F32(v) => general(f64::from(v), 8),
        Scalar::F64(v) => general(v, 17),
    };
    Text::from(text)
}

/// C's `%.{digits}g`, with `NaN`, `INF` and `-INF`.
fn general(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "INF".into() } else { "-INF".into() };
    }
    let scientific = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 || exponent >= digits as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", shorten(mantissa), exponent.unsigned_abs());
    }
    let decimals = usize::try_from(digits as i32 - 1 - exponent).unwrap_or(0);
    shorten(&format!("{value:.decimals$}")).to_owned()
}

/// Without the zeros at the end of a fraction.
fn shorten(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

/// The number that a string says.
///
/// # Errors
/// `Invalid` where it says none.
pub(super) fn parse<T: Convert>(text: &Text) -> Result<T> {
    let error = || {
        let text = String::from_utf8_lossy(text);
        OpError::invalid(format!("cannot cast the string '{text}' to {}", T::ELEM))
    };
    let text = std::str::from_utf8(text).map_err(|_| error())?.trim();
    if !T::ELEM.is_float() {
        if let Ok(value) = text.parse::<i64>() {
            return Ok(T::convert(Scalar::Signed(value)));
        }
        if let Ok(value) = text.parse::<u64>() {
            return Ok(T::convert(Scalar::Unsigned(value)));
        }
    }
    text.parse::<f64>().map(|value| T::convert(Scalar::F64(value))).map_err(|_| error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_in_c() {
        for (value, expected) in [
            (0.1f32, "0.1"),
            (1.0, "1"),
            (-0.0, "-0"),
            (1e-5, "9.9999997e-06"),
            (123_456_789.0, "1.2345679e+08"),
            (1e20, "1e+20"),
            (0.000_123_45, "0.00012344999"),
            (f32::NAN, "NaN"),
            (f32::NEG_INFINITY, "-INF"),
        ] {
            assert_eq!(print(Scalar::F32(value)), expected, "{value}");
        }
        assert_eq!(print(Scalar::F64(0.1)), "0.10000000000000001");
    }

    #[test]
    fn strings_parse_or_say_why_not() {
        let parse_f32 = |text: &'static str| parse::<f32>(&Text::from_static(text.as_bytes()));
        assert_eq!(parse_f32(" 1e-3 ").unwrap(), 0.001);
        assert_eq!(parse_f32("-INF").unwrap(), f32::NEG_INFINITY);
        assert!(parse_f32("NaN").unwrap().is_nan());
        assert!(parse_f32("one").unwrap_err().to_string().contains("'one'"));
        assert_eq!(parse::<u64>(&Text::from_static(b"18446744073709551615")).unwrap(), u64::MAX);
    }
}
