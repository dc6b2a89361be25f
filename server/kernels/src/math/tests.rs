//! Every function on every instruction set against f64, over the whole range of f32.

use super::Function;
use crate::{effort::sparsely, isa::Isa};

/// Points of the whole range: every exponent densely, both signs, and the middle evenly.
fn points() -> Vec<f32> {
    let spread = (0..=0x7f7f_ffff_u32).step_by(sparsely(9_973)).map(f32::from_bits);
    let middle = (-120_000i32..=120_000).step_by(sparsely(1)).map(|i| i as f32 * 1e-3);
    let near = (0..40_000).step_by(sparsely(1)).map(|i| i as f32 * 2.5e-5);
    spread.chain(near).flat_map(|x| [x, -x]).chain(middle).collect()
}

/// Below it a factor of a result may be denormal, and the error is that of a number of this size.
const SMALLEST: f32 = 3e-36;

/// The distance of `got` from `exact` in units in the last place of the nearest normal f32.
fn ulps(got: f32, exact: f64) -> f64 {
    let rounded = exact as f32;
    if got == rounded {
        return 0.0;
    }
    if rounded.is_infinite() || got.is_infinite() {
        // Just before overflow one of them may be finite.
        let limit = f64::from(f32::MAX);
        return (f64::from(got).clamp(-limit, limit) - exact.clamp(-limit, limit)).abs() / 2f64.powi(104);
    }
    let exponent = (rounded.abs().max(SMALLEST).to_bits() >> 23) as i32 - 127 - 23;
    (f64::from(got) - exact).abs() / 2f64.powi(exponent)
}

fn worst(isa: Isa, function: Function, exact: impl Fn(f64) -> f64) -> (f64, f32) {
    let points = points();
    let mut got = points.clone();
    function.apply(isa, &mut got);
    let errors = points.iter().zip(&got).map(|(&x, &got)| (ulps(got, exact(f64::from(x))), x));
    errors.fold((0.0, 0.0), |worst, error| if error.0 > worst.0 || error.0.is_nan() { error } else { worst })
}

/// Within `limit` on every instruction set, also where a product and a sum round twice.
fn within(limit: f64, function: Function, exact: impl Fn(f64) -> f64) {
    let errors: Vec<_> = Isa::available().map(|isa| (isa, worst(isa, function, &exact))).collect();
    for (isa, (error, at)) in &errors {
        assert!(*error <= limit, "{function:?} by {isa:?} is {error} ulp off at {at:e}; all: {errors:?}");
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[test]
fn exp_is_near() {
    within(4.0, Function::Exp, f64::exp);
}

#[test]
fn tanh_is_near_and_never_beyond_1() {
    within(4.0, Function::Tanh, f64::tanh);
    for isa in Isa::available() {
        let mut all = points();
        Function::Tanh.apply(isa, &mut all);
        assert!(all.iter().all(|x| x.abs() <= 1.0));
    }
}

#[test]
fn erf_is_near() {
    within(4.0, Function::Erf, libm::erf);
}

#[test]
fn gelu_is_near_even_where_it_almost_vanishes() {
    within(4.0, Function::Gelu, |x| x * 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2));
    let slope = 2.0 * (2.0 / std::f64::consts::PI).sqrt();
    within(4.0, Function::GeluTanh, |x| x * sigmoid(slope * (x + 0.044_715 * x * x * x)));
}

#[test]
fn the_sigmoids_kin_is_near() {
    within(4.0, Function::Sigmoid, sigmoid);
    within(4.0, Function::Silu { scale: 1.0 }, |x| x * sigmoid(x));
    let scale = 1.702f32;
    within(4.0, Function::Silu { scale }, |x| x * sigmoid(f64::from(scale) * x));
    within(4.0, Function::Softplus, softplus);
    within(4.0, Function::Mish, |x| x * softplus(x).tanh());
    within(4.0, Function::Elu { scale: 1.0 }, |x| if x < 0.0 { x.exp_m1() } else { x });
}

#[test]
fn the_pieces_of_lines_are_near() {
    within(2.0, Function::Softsign, |x| x / (1.0 + x.abs()));
    within(2.0, Function::RELU, |x| x.max(0.0));
    within(0.0, Function::Clip { low: -1.0, high: 6.0 }, |x| x.clamp(-1.0, 6.0));
    let slope = 0.01f32;
    within(1.0, Function::LeakyRelu { slope }, |x| if x < 0.0 { x * f64::from(slope) } else { x });
}

/// What cancels there is lost in any formula of f32; the error is that of a number near 1.
#[test]
fn hard_activations_are_near_absolutely() {
    for isa in Isa::available() {
        for (function, exact) in [
            (Function::HardSwish, (|x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)) as fn(f64) -> f64),
            (Function::HardSigmoid { slope: 0.2, offset: 0.5 }, |x| {
                (0.2f32 as f64 * x + 0.5).clamp(0.0, 1.0)
            }),
        ] {
            let points: Vec<f32> = points().into_iter().filter(|x| x.abs() < 100.0).collect();
            let mut got = points.clone();
            function.apply(isa, &mut got);
            for (&x, &got) in points.iter().zip(&got) {
                let exact = exact(f64::from(x));
                assert!((f64::from(got) - exact).abs() <= 1e-6 * exact.abs().max(1.0), "{function:?} {x}");
            }
        }
    }
}

#[test]
fn limits_and_nan() {
    let table = [
        (Function::Exp, 0.0, f32::INFINITY),
        (Function::Tanh, -1.0, 1.0),
        (Function::Erf, -1.0, 1.0),
        (Function::Sigmoid, 0.0, 1.0),
        (Function::Softplus, 0.0, f32::INFINITY),
        (Function::Gelu, 0.0, f32::INFINITY),
        (Function::GeluTanh, 0.0, f32::INFINITY),
        (Function::Silu { scale: 1.0 }, 0.0, f32::INFINITY),
        (Function::Silu { scale: 1.702 }, 0.0, f32::INFINITY),
        (Function::Mish, 0.0, f32::INFINITY),
        (Function::Elu { scale: 1.0 }, -1.0, f32::INFINITY),
        (Function::RELU, 0.0, f32::INFINITY),
    ];
    for isa in Isa::available() {
        for (function, below, above) in table {
            let mut ends = [f32::NEG_INFINITY, f32::INFINITY, f32::NAN];
            function.apply(isa, &mut ends);
            assert_eq!(ends[..2], [below, above], "{isa:?} {function:?}");
            assert!(ends[2].is_nan(), "{isa:?} {function:?}");
        }
    }
}

#[test]
fn a_map_is_the_same_as_in_place() {
    let numbers: Vec<f32> = (0..40_003).step_by(sparsely(1)).map(|i| i as f32 * 1e-3 - 20.0).collect();
    let mapped = Function::Gelu.map(Isa::current(), &numbers);
    let mut applied = numbers;
    Function::Gelu.apply(Isa::current(), &mut applied);
    assert_eq!(mapped, applied);
}
