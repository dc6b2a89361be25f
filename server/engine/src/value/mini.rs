//! Element types of one byte or less that hardware does not compute with: floats of 8 and 4 bits, integers
//! of 4. A tensor holds one element a byte (4-bit integers sign-extended); they are packed only in files.
//!
//! The formats are those of the specification's "Float stored in 8 bits" and "4 bit" notes: OCP E4M3 and
//! E5M2, their FNUZ variants (no infinity, no negative zero, one NaN), E8M0 (a power of two) and E2M1.

use std::fmt;

/// An element type of one byte or less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Mini {
    F8E4M3FN,
    F8E4M3FNUZ,
    F8E5M2,
    F8E5M2FNUZ,
    F8E8M0,
    F4E2M1,
    I4,
    U4,
}

/// What becomes of a number too large for a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The largest finite number, for infinity too.
    Saturate,
    /// Infinity where the type has one, NaN else.
    Overflow,
}

/// To which neighbour E8M0 rounds a number between two powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// The greater.
    Up,
    /// The lesser.
    Down,
    /// The nearer.
    Nearest,
}

/// Sign, exponent and mantissa, with the codes of what is special.
struct Format {
    mantissa: u32,
    bias: i32,
    sign: u8,
    /// The code of the largest finite number.
    max: u8,
    infinity: Option<u8>,
    /// `None` where NaN is written as negative zero.
    nan: Option<u8>,
}

const E4M3FN: Format =
    Format { mantissa: 3, bias: 7, sign: 0x80, max: 0x7e, infinity: None, nan: Some(0x7f) };
const E4M3FNUZ: Format = Format { mantissa: 3, bias: 8, sign: 0x80, max: 0x7f, infinity: None, nan: None };
const E5M2: Format =
    Format { mantissa: 2, bias: 15, sign: 0x80, max: 0x7b, infinity: Some(0x7c), nan: Some(0x7e) };
const E5M2FNUZ: Format = Format { mantissa: 2, bias: 16, sign: 0x80, max: 0x7f, infinity: None, nan: None };
const E2M1: Format = Format { mantissa: 1, bias: 1, sign: 0x08, max: 0x07, infinity: None, nan: None };

impl Mini {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::F8E4M3FN,
        Self::F8E4M3FNUZ,
        Self::F8E5M2,
        Self::F8E5M2FNUZ,
        Self::F8E8M0,
        Self::F4E2M1,
        Self::I4,
        Self::U4,
    ];

    /// The name in ONNX.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F8E4M3FN => "FLOAT8E4M3FN",
            Self::F8E4M3FNUZ => "FLOAT8E4M3FNUZ",
            Self::F8E5M2 => "FLOAT8E5M2",
            Self::F8E5M2FNUZ => "FLOAT8E5M2FNUZ",
            Self::F8E8M0 => "FLOAT8E8M0",
            Self::F4E2M1 => "FLOAT4E2M1",
            Self::I4 => "INT4",
            Self::U4 => "UINT4",
        }
    }

    /// Whether two elements share a byte of a file.
    pub const fn is_packed(self) -> bool {
        matches!(self, Self::F4E2M1 | Self::I4 | Self::U4)
    }

    /// Whether it is an integer.
    pub const fn is_int(self) -> bool {
        matches!(self, Self::I4 | Self::U4)
    }

    /// The byte of an element whose code is the low bits of `code`.
    pub const fn unpack(self, code: u8) -> u8 {
        match self {
            Self::I4 => (((code << 4) as i8) >> 4) as u8,
            Self::U4 | Self::F4E2M1 => code & 0x0f,
            _ => code,
        }
    }

    /// Whether a byte is one of this type's elements.
    pub const fn holds(self, byte: u8) -> bool {
        self.unpack(byte) == byte
    }

    const fn format(self) -> Option<&'static Format> {
        match self {
            Self::F8E4M3FN => Some(&E4M3FN),
            Self::F8E4M3FNUZ => Some(&E4M3FNUZ),
            Self::F8E5M2 => Some(&E5M2),
            Self::F8E5M2FNUZ => Some(&E5M2FNUZ),
            Self::F4E2M1 => Some(&E2M1),
            Self::F8E8M0 | Self::I4 | Self::U4 => None,
        }
    }

    /// The number that a byte stands for, exactly.
    pub fn decode(self, byte: u8) -> f32 {
        match (self, self.format()) {
            (_, Some(format)) => format.decode(byte, self != Self::F4E2M1),
            (Self::I4, _) => f32::from(byte.cast_signed()),
            (Self::F8E8M0, _) => decode_power(byte),
            _ => f32::from(byte),
        }
    }

    /// The byte nearest to a number: floats round half to even, integers drop the fraction and keep the low
    /// bits. E8M0 rounds up.
    pub fn encode(self, value: f32, overflow: Overflow) -> u8 {
        match (self, self.format()) {
            // E2M1 has neither infinity nor NaN.
            (Self::F4E2M1, _) => E2M1.encode(value, Overflow::Saturate),
            (_, Some(format)) => format.encode(value, overflow),
            (Self::F8E8M0, _) => encode_power(value, overflow, Rounding::Up),
            _ => self.unpack((value as i32) as u8),
        }
    }

    /// The byte of the nearest integer within the type's range.
    pub fn clamp(self, value: f32) -> u8 {
        let (low, high) = if self == Self::I4 { (-8.0, 7.0) } else { (0.0, 15.0) };
        (value.clamp(low, high) as i8).cast_unsigned()
    }
}

impl fmt::Display for Mini {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Format {
    fn decode(&self, byte: u8, has_nan: bool) -> f32 {
        let (negative, code) = (byte & self.sign != 0, byte & (self.sign - 1));
        let is_nan = match self.nan {
            Some(_) => code > self.infinity.unwrap_or(self.max),
            None => has_nan && byte == self.sign,
        };
        if is_nan {
            return f32::NAN;
        }
        let magnitude = if Some(code) == self.infinity { f32::INFINITY } else { self.magnitude(code) };
        if negative { -magnitude } else { magnitude }
    }

    fn magnitude(&self, code: u8) -> f32 {
        let (exponent, fraction) = (i32::from(code >> self.mantissa), code & ((1 << self.mantissa) - 1));
        let hidden = if exponent == 0 { 0 } else { 1u8 << self.mantissa };
        let scale = exponent.max(1) - self.bias - self.mantissa.cast_signed();
        f32::from(hidden + fraction) * 2f32.powi(scale)
    }

    fn encode(&self, value: f32, overflow: Overflow) -> u8 {
        let sign = if value.is_sign_negative() { self.sign } else { 0 };
        if value.is_nan() {
            return self.nan.map_or(self.sign, |nan| nan | sign);
        }
        let code = self.code(value.abs());
        if code > u32::from(self.max) {
            return match (overflow, self.infinity.or(self.nan)) {
                (Overflow::Saturate, _) => self.max | sign,
                (Overflow::Overflow, Some(special)) => special | sign,
                (Overflow::Overflow, None) => self.sign,
            };
        }
        let no_negative_zero = self.nan.is_none() && self.sign == 0x80;
        // The code is at most `max`, a byte.
        if code == 0 && no_negative_zero { 0 } else { code as u8 | sign }
    }

    /// The code nearest to a magnitude, as if exponents went on above `max`.
    fn code(&self, magnitude: f32) -> u32 {
        let least = 1 - self.bias;
        let exponent = ((magnitude.to_bits() >> 23).cast_signed() - 127).max(least);
        if magnitude.is_infinite() {
            return u32::MAX;
        }
        // Exact: the scale is a power of two, and the codes of neighbouring exponents join.
        let steps = f64::from(magnitude) * 2f64.powi(self.mantissa.cast_signed() - exponent);
        let above = (exponent - least).unsigned_abs() << self.mantissa;
        above + steps.round_ties_even() as u32
    }
}

/// 2^(byte - 127); the last byte is NaN.
fn decode_power(byte: u8) -> f32 {
    match byte {
        0 => f32::from_bits(1 << 22),
        255 => f32::NAN,
        byte => f32::from_bits(u32::from(byte) << 23),
    }
}

/// The power of two next to a number, whose sign is dropped; infinity and NaN are NaN. `Nearest` rounds half up.
pub fn encode_power(value: f32, overflow: Overflow, rounding: Rounding) -> u8 {
    let (bits, exponent) = (value.to_bits() & 0x7f_ffff, (value.to_bits() >> 23 & 0xff) as u8);
    if exponent == 0xff {
        return 0xff;
    }
    let half = bits >= 0x40_0000;
    let up = match rounding {
        Rounding::Down => false,
        // Below the normal numbers the half itself is the type's least number.
        Rounding::Up => {
            if exponent > 0 {
                bits > 0
            } else {
                bits > 0x40_0000
            }
        }
        Rounding::Nearest => half && (exponent > 0 || bits > 0x40_0000),
    };
    let last = exponent == 0xfe && overflow == Overflow::Saturate;
    exponent + u8::from(up && !last)
}

#[cfg(test)]
mod tests;
