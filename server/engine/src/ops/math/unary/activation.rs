//! Activations without attributes.

use super::function::functions;

functions! {
    Sigmoid(1) |x| x.sigmoid();
    Softplus(1) |x| x.softplus();
    Softsign(1) |x| x / (F::lit(1.0) + num_traits::Float::abs(x));
    HardSwish(14) |x| {
        let gate = x / F::lit(6.0) + F::lit(0.5);
        x * num_traits::Float::max(F::lit(0.0), num_traits::Float::min(F::lit(1.0), gate))
    };
    Mish(18) |x| x * x.softplus().tanh_fast();
}
