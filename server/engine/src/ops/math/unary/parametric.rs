//! Activations with attributes.

use girandole_kernels::math as kernel;

use super::function::{Each, Function};
use crate::{
    error::{OpError, Result},
    onnx::NodeDef,
    ops::{Op, OpDef, boxed, math::number::Float},
};

pub(crate) const OPS: &[OpDef] = &[
    OpDef::onnx("LeakyRelu", 1, |n| each(LeakyRelu { alpha: n.float_or("alpha", 0.01)? })),
    OpDef::onnx("Elu", 1, |n| each(Elu { alpha: n.float_or("alpha", 1.0)?, gamma: 1.0 })),
    OpDef::onnx("Selu", 1, selu),
    OpDef::onnx("Celu", 12, |n| each(Celu { alpha: n.float_or("alpha", 1.0)? })),
    OpDef::onnx("HardSigmoid", 1, |n| {
        each(HardSigmoid { alpha: n.float_or("alpha", 0.2)?, beta: n.float_or("beta", 0.5)? })
    }),
    OpDef::onnx("ThresholdedRelu", 10, |n| each(ThresholdedRelu { alpha: n.float_or("alpha", 1.0)? })),
    OpDef::onnx("Swish", 24, |n| each(Swish { alpha: n.float_or("alpha", 1.0)? })),
    OpDef::onnx("Gelu", 20, gelu),
];

fn each<F: Function>(function: F) -> Result<Box<dyn Op>> {
    boxed(Each(function))
}

fn selu(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    // The defaults of the first version were rounded to four places.
    let (alpha, gamma) = if node.opset() < 6 { (1.6732, 1.0507) } else { (1.673_263_2, 1.050_701) };
    each(Elu { alpha: node.float_or("alpha", alpha)?, gamma: node.float_or("gamma", gamma)? })
}

fn gelu(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    match node.string_or("approximate", "none")? {
        "none" => each(Gelu),
        "tanh" => each(GeluTanh),
        other => Err(OpError::invalid(format!("approximate must be none or tanh, got '{other}'"))),
    }
}

fn lit<F: Float>(value: f32) -> F {
    F::lit(f64::from(value))
}

fn zero<F: Float>() -> F {
    F::lit(0.0)
}

#[derive(Clone, Copy, Debug)]
struct LeakyRelu {
    alpha: f32,
}

impl Function for LeakyRelu {
    fn at<F: Float>(self, x: F) -> F {
        if x < zero() { lit::<F>(self.alpha) * x } else { x }
    }

    fn kernel(self) -> Option<kernel::Function> {
        Some(kernel::Function::LeakyRelu { slope: self.alpha })
    }
}

/// `Elu` and, scaled by gamma, `Selu`.
#[derive(Clone, Copy, Debug)]
struct Elu {
    alpha: f32,
    gamma: f32,
}

impl Function for Elu {
    fn at<F: Float>(self, x: F) -> F {
        let below = lit::<F>(self.alpha) * x.exp_m1();
        lit::<F>(self.gamma) * if x > zero() { x } else { below }
    }

    fn kernel(self) -> Option<kernel::Function> {
        (self.gamma == 1.0).then_some(kernel::Function::Elu { scale: self.alpha })
    }
}

#[derive(Clone, Copy, Debug)]
struct Celu {
    alpha: f32,
}

impl Function for Celu {
    fn at<F: Float>(self, x: F) -> F {
        let alpha = lit::<F>(self.alpha);
        if x > zero() { x } else { alpha * (x / alpha).exp_m1() }
    }
}

#[derive(Clone, Copy, Debug)]
struct HardSigmoid {
    alpha: f32,
    beta: f32,
}

impl Function for HardSigmoid {
    fn at<F: Float>(self, x: F) -> F {
        (lit::<F>(self.alpha) * x + lit(self.beta)).minimum(F::lit(1.0)).maximum(zero())
    }

    fn kernel(self) -> Option<kernel::Function> {
        Some(kernel::Function::HardSigmoid { slope: self.alpha, offset: self.beta })
    }
}

#[derive(Clone, Copy, Debug)]
struct ThresholdedRelu {
    alpha: f32,
}

impl Function for ThresholdedRelu {
    fn at<F: Float>(self, x: F) -> F {
        if x > lit(self.alpha) { x } else { zero() }
    }
}

#[derive(Clone, Copy, Debug)]
struct Swish {
    alpha: f32,
}

impl Function for Swish {
    fn at<F: Float>(self, x: F) -> F {
        x * (lit::<F>(self.alpha) * x).sigmoid()
    }

    fn kernel(self) -> Option<kernel::Function> {
        Some(kernel::Function::Silu { scale: self.alpha })
    }
}

/// With the error function.
#[derive(Clone, Copy, Debug)]
struct Gelu;

impl Function for Gelu {
    fn at<F: Float>(self, x: F) -> F {
        F::lit(0.5) * x * (F::lit(1.0) + (x * F::lit(std::f64::consts::FRAC_1_SQRT_2)).erf())
    }

    fn kernel(self) -> Option<kernel::Function> {
        Some(kernel::Function::Gelu)
    }
}

/// With the hyperbolic tangent in the error function's place.
#[derive(Clone, Copy, Debug)]
struct GeluTanh;

impl Function for GeluTanh {
    fn at<F: Float>(self, x: F) -> F {
        let scale = F::lit((2.0 / std::f64::consts::PI).sqrt());
        let inner = scale * (x + F::lit(0.044715) * x * x * x);
        F::lit(0.5) * x * (F::lit(1.0) + inner.tanh_fast())
    }

    fn kernel(self) -> Option<kernel::Function> {
        Some(kernel::Function::GeluTanh)
    }
}
