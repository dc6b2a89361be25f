//! Activations without attributes.

use girandole_kernels::math::Function;

use super::function::functions;

functions! {
    Sigmoid(1, Function::Sigmoid) |x| x.sigmoid();
    Softplus(1, Function::Softplus) |x| x.softplus();
    Softsign(1, Function::Softsign) |x| x / (F::lit(1.0) + num_traits::Float::abs(x));
    HardSwish(14, Function::HardSwish) |x| {
        let gate = x / F::lit(6.0) + F::lit(0.5);
        x * num_traits::Float::max(F::lit(0.0), num_traits::Float::min(F::lit(1.0), gate))
    };
    Mish(18, Function::Mish) |x| x * x.softplus().tanh_fast();
}
