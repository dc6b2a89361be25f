//! The codes by which kernels know the functions of one number.

use girandole_cuda::{Code, Epilogue};
use girandole_kernels::math::Function;

use crate::{
    graph::Node,
    ops::math::unary::{elementary as each, function::Each, integral::Integral},
    passes::rewrite::operator,
};

/// The function of a node that does nothing else.
pub(crate) fn of_node(node: &Node) -> Option<Code> {
    if let Some(function) = node.op.function() {
        return Some(code(function));
    }
    if let Some(integral) = operator::<Integral>(node) {
        return match integral {
            Integral::Abs => Some(Code::ABS),
            Integral::Neg => Some(Code::NEG),
            Integral::Sign => Some(Code::SIGN),
            _ => None,
        };
    }
    elementary(node)
}

macro_rules! elementary {
    ($($name:ident => $code:ident),* $(,)?) => {
        fn elementary(node: &Node) -> Option<Code> {
            $(if operator::<Each<each::$name>>(node).is_some() {
                return Some(Code::$code);
            })*
            None
        }
    };
}
elementary! {
    Sqrt => SQRT, Log => LOG, Reciprocal => RECIPROCAL, Floor => FLOOR, Ceil => CEIL, Round => ROUND, Sin => SIN,
    Cos => COS, Tan => TAN, Asin => ASIN, Acos => ACOS, Atan => ATAN, Sinh => SINH, Cosh => COSH, Asinh => ASINH,
    Acosh => ACOSH, Atanh => ATANH,
}

/// The code of a function that the processor's kernels know too.
pub(crate) const fn code(function: Function) -> Code {
    match function {
        Function::Exp => Code::EXP,
        Function::Tanh => Code::TANH,
        Function::Erf => Code::ERF,
        Function::Sigmoid => Code::SIGMOID,
        Function::Softplus => Code::SOFTPLUS,
        Function::Softsign => Code::SOFTSIGN,
        Function::Gelu => Code::GELU,
        Function::GeluTanh => Code::GELU_TANH,
        Function::Silu { scale } => Code::SILU.with(scale, 0.0),
        Function::Mish => Code::MISH,
        Function::HardSwish => Code::HARD_SWISH,
        Function::HardSigmoid { slope, offset } => Code::HARD_SIGMOID.with(slope, offset),
        Function::LeakyRelu { slope } => Code::LEAKY_RELU.with(slope, 0.0),
        Function::Elu { scale } => Code::ELU.with(scale, 0.0),
        Function::Clip { low, high } => Code::CLIP.with(low, high),
    }
}

/// How a product applies a function by itself; `None` where a kernel after it must.
pub(crate) fn epilogue(function: Option<Function>) -> Option<Epilogue> {
    match function {
        None => Some(Epilogue::None),
        Some(Function::RELU) => Some(Epilogue::Relu),
        Some(Function::GeluTanh) => Some(Epilogue::GeluTanh),
        Some(Function::Gelu) => Some(Epilogue::Gelu),
        Some(_) => None,
    }
}
