//! Types of a byte or less to numbers that the engine computes with, and back.

use crate::{
    error::Result,
    ops::math::parallel::map,
    value::{Mini, Overflow, Rounding, Tensor, encode_power},
};

/// What `saturate` and `round_mode` of a node ask for.
#[derive(Clone, Copy, Debug)]
pub(in crate::ops::math) struct How {
    pub(in crate::ops::math) overflow: Overflow,
    pub(in crate::ops::math) rounding: Rounding,
}

/// The exact numbers behind `codes`: `i8` or `u8` for integers, `f32` for floats.
///
/// # Errors
/// Where the codes are no bytes.
pub(in crate::ops::math) fn decoded(mini: Mini, codes: &Tensor) -> Result<Tensor> {
    match mini {
        Mini::U4 => Ok(codes.clone()),
        Mini::I4 => map::<u8, i8>(codes, |&code| code.cast_signed()),
        _ => {
            let table: [f32; 256] = std::array::from_fn(|code| mini.decode(code as u8));
            map::<u8, f32>(codes, |&code| table[usize::from(code)])
        }
    }
}

/// The elements of a type of a byte or less that are nearest to `f32`s.
///
/// # Errors
/// `Invalid` for a tensor of another type.
pub(in crate::ops::math) fn encoded(mini: Mini, numbers: &Tensor, how: How) -> Result<Tensor> {
    let codes = match mini {
        Mini::F8E8M0 => map::<f32, u8>(numbers, |&v| encode_power(v, how.overflow, how.rounding)),
        _ => map::<f32, u8>(numbers, |&v| mini.encode(v, how.overflow)),
    }?;
    Tensor::from_codes(mini, numbers.shape().clone(), codes.to_vec()?)
}
