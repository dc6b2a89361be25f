//! `HannWindow`, `HammingWindow`, `BlackmanWindow`: sums of cosines over the places of a window. Since opset
//! 17.

use std::f64::consts::PI;

use super::only_size;
use crate::{
    error::Result,
    graph::{Fact, SymDim},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, math::wide, one},
    value::{ElemType, checked_len},
};

pub(in crate::ops::math) const OPS: &[OpDef] = &[
    OpDef::onnx("HannWindow", 17, |node| parse(node, [0.5, 0.5, 0.0])),
    OpDef::onnx("HammingWindow", 17, |node| parse(node, [25.0 / 46.0, 21.0 / 46.0, 0.0])),
    OpDef::onnx("BlackmanWindow", 17, |node| parse(node, [0.42, 0.5, 0.08])),
];

#[derive(Debug)]
struct Window {
    /// The factors of cosines of none, one and two turns, which alternate in sign.
    factors: [f64; 3],
    /// Whether the place behind the last one is the first of the next window.
    periodic: bool,
    elem: ElemType,
}

fn parse(node: &NodeDef<'_>, factors: [f64; 3]) -> Result<Box<dyn Op>> {
    let elem = wide::elem_of(node, "output_datatype")?.unwrap_or(ElemType::F32);
    boxed(Window { factors, periodic: node.flag("periodic", true)?, elem })
}

impl Window {
    fn places(&self, size: usize) -> Vec<f64> {
        let turn = if self.periodic { size } else { size.saturating_sub(1).max(1) } as f64;
        let [a, b, c] = self.factors;
        let place = |i: usize| {
            let angle = 2.0 * PI * i as f64 / turn;
            a - b * angle.cos() + c * (2.0 * angle).cos()
        };
        // A symmetric window of one place is its peak.
        if size == 1 { vec![1.0] } else { (0..size).map(place).collect() }
    }
}

impl Op for Window {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let size = inputs.get(0).and_then(|fact| fact.dims.as_ref()?.first().cloned());
        Ok(vec![Fact::tensor(Some(self.elem), Some(vec![size.unwrap_or(SymDim::Unknown)]))])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let size = only_size(inputs.tensor(0)?)?;
        checked_len::<f64>(&[size])?;
        one(wide::tensor(self.elem, &[size], &self.places(size))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symmetric_window_ends_as_it_begins_and_a_periodic_one_goes_on() {
        let window = |periodic| Window { factors: [0.5, 0.5, 0.0], periodic, elem: ElemType::F32 };
        let near =
            |came: Vec<f64>, expected: &[f64]| came.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(near(window(false).places(3), &[0.0, 1.0, 0.0]));
        assert!(near(window(true).places(4), &[0.0, 0.5, 1.0, 0.5]));
        assert_eq!((window(false).places(1), window(true).places(0)), (vec![1.0], vec![]));
    }
}
