//! Roots, exponentials, logarithms, trigonometry and rounding.

use girandole_kernels::math::Function;

use super::function::functions;

functions! {
    Sqrt(1) |x| x.sqrt();
    Exp(1, Function::Exp) |x| x.exp_fast();
    Log(1) |x| x.ln();
    Reciprocal(1) |x| x.recip();
    Erf(9, Function::Erf) |x| x.erf();
    Floor(1) |x| x.floor();
    Ceil(1) |x| x.ceil();
    Round(11) |x| x.round_even();
    Sin(7) |x| x.sin();
    Cos(7) |x| x.cos();
    Tan(7) |x| x.tan();
    Asin(7) |x| x.asin();
    Acos(7) |x| x.acos();
    Atan(7) |x| x.atan();
    Sinh(9) |x| x.sinh();
    Cosh(9) |x| x.cosh();
    Tanh(1, Function::Tanh) |x| x.tanh_fast();
    Asinh(9) |x| x.asinh();
    Acosh(9) |x| x.acosh();
    Atanh(9) |x| x.atanh();
}
