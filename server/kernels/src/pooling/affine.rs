//! Every place of an image times a number for each channel, plus another, as a normalisation by fixed statistics
//! is, and what follows it.

use std::ops::Range;

use crate::{
    conv::{Early, Finish},
    fresh::{Fresh, filled},
    isa::Isa,
    simd::{Kernel, Simd, dispatch},
    split,
};

/// `[places, channels]` times `factors`, plus `summands`, both `[channels]`, finished; `None` where a length does
/// not fit.
pub fn affine(
    isa: Isa,
    (factors, summands): (&[f32], &[f32]),
    input: &[f32],
    finish: Finish,
) -> Option<Vec<f32>> {
    let channels = factors.len();
    let places = input.len().checked_div(channels).filter(|places| places * channels == input.len())?;
    if summands.len() != channels {
        return None;
    }
    let (early, more) = finish.in_registers();
    let work = |rows: Range<usize>, out: Fresh| {
        dispatch(isa, Rows { input, factors, summands, early, out, rows: rows.clone() });
        if more {
            // SAFETY: the rows that were just stored, one after the other, and are this task's.
            unsafe { finish.rows(isa, out.at(rows.start * channels), (1, 0), rows.len() * channels) }
        }
    };
    // SAFETY: the rows are all places, and each is written by the one task that has it.
    Some(unsafe { filled(input.len(), |out| split::ranges(places, channels, &|rows| work(rows, out))) })
}

/// Some places.
struct Rows<'a> {
    input: &'a [f32],
    factors: &'a [f32],
    summands: &'a [f32],
    early: Early,
    out: Fresh,
    rows: Range<usize>,
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let channels = self.factors.len();
        let (factors, summands) = (self.factors.as_ptr(), self.summands.as_ptr());
        for row in self.rows.clone() {
            let from = self.input[row * channels..].as_ptr();
            let to = self.out.at(row * channels);
            for channel in (0..channels).step_by(S::LANES) {
                let part = channels - channel;
                // SAFETY: the place, factors and summands have all channels, of which `part` are left.
                unsafe {
                    let factor = s.load_part(factors.add(channel), part);
                    let summand = s.load_part(summands.add(channel), part);
                    let mut made = [s.fma(s.load_part(from.add(channel), part), factor, summand)];
                    self.early.apply(s, &mut made);
                    s.store_part(to.add(channel), part, made[0]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conv::reference::{any_finish, close, numbers};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn every_instruction_set_follows_the_definition(
            places in 1usize..40,
            channels in 1usize..70,
            finish in any_finish(),
        ) {
            let (input, factors) = (numbers(places * channels, 1), numbers(channels, 2));
            let summands = numbers(channels, 3);
            let of = |i: usize| {
                f64::from(input[i]) * f64::from(factors[i % channels]) + f64::from(summands[i % channels])
            };
            let expected: Vec<f64> = (0..input.len()).map(of).collect();
            for isa in Isa::available() {
                let made = affine(isa, (&factors, &summands), &input, finish).unwrap();
                close(&made, &expected, finish, 1e-6)?;
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let run = |factors: &[f32], summands: &[f32], input: &[f32]| {
            affine(Isa::current(), (factors, summands), input, Finish::NONE)
        };
        assert!(run(&[1.0; 2], &[0.0; 2], &[0.0; 3]).is_none());
        assert!(run(&[1.0; 2], &[0.0], &[0.0; 4]).is_none());
        assert!(run(&[], &[], &[]).is_none());
    }
}
