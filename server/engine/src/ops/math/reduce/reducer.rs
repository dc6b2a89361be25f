//! What each reduction does with elements: begin, take one, join two partial results, finish.

use std::marker::PhantomData;

use crate::ops::math::number::Number;

/// A reduction of elements of `W`. Joining lets a fold keep several partial results.
pub(super) trait Reducer<W: Number> {
    /// A partial result.
    type Partial: Copy + Send;

    fn start() -> Self::Partial;
    fn step(partial: Self::Partial, x: W) -> Self::Partial;
    fn join(a: Self::Partial, b: Self::Partial) -> Self::Partial;
    /// The result over `count` elements.
    fn finish(partial: Self::Partial, count: usize) -> W;
}

/// Reducers whose partial result is an element: start, step, join, finish.
macro_rules! reducers {
    ($($name:ident: $start:expr, $step:expr, $join:expr, $finish:expr;)*) => {$(
        pub(super) struct $name<W>(PhantomData<W>);

        impl<W: Number> Reducer<W> for $name<W> {
            type Partial = W;

            fn start() -> W {
                $start
            }

            #[inline(always)]
            fn step(partial: W, x: W) -> W {
                let step: fn(W, W) -> W = $step;
                step(partial, x)
            }

            #[inline(always)]
            fn join(a: W, b: W) -> W {
                let join: fn(W, W) -> W = $join;
                join(a, b)
            }

            fn finish(partial: W, count: usize) -> W {
                let finish: fn(W, usize) -> W = $finish;
                finish(partial, count)
            }
        }
    )*};
}

reducers! {
    Sum: W::ZERO, W::add, W::add, |sum, _| sum;
    Mean: W::ZERO, W::add, W::add, |sum, count| sum.div(W::from_f64(count as f64));
    Prod: W::ONE, W::mul, W::mul, |product, _| product;
    Max: W::LOWEST, W::maximum, W::maximum, |max, _| max;
    Min: W::HIGHEST, W::minimum, W::minimum, |min, _| min;
    L1: W::ZERO, |sum, x| sum.add(x.abs()), W::add, |sum, _| sum;
    SumSquare: W::ZERO, |sum, x| sum.add(x.mul(x)), W::add, |sum, _| sum;
    L2: W::ZERO, |sum, x| sum.add(x.mul(x)), W::add, |sum, _| W::from_f64(sum.to_f64().sqrt());
    LogSum: W::ZERO, W::add, W::add, |sum, _| W::from_f64(sum.to_f64().ln());
}

/// The logarithm of the sum of exponentials, kept as the greatest element and the sum relative to it.
pub(super) struct LogSumExp;

impl<W: Number> Reducer<W> for LogSumExp {
    type Partial = (f64, f64);

    fn start() -> (f64, f64) {
        (f64::NEG_INFINITY, 0.0)
    }

    fn step(partial: (f64, f64), x: W) -> (f64, f64) {
        <Self as Reducer<W>>::join(partial, (x.to_f64(), 1.0))
    }

    fn join((max_a, sum_a): (f64, f64), (max_b, sum_b): (f64, f64)) -> (f64, f64) {
        let max = if max_a >= max_b || max_a.is_nan() { max_a } else { max_b };
        // Equal infinities are 0 apart, not NaN.
        let relative = |of: f64, sum: f64| if of == max { sum } else { sum * (of - max).exp() };
        (max, relative(max_a, sum_a) + relative(max_b, sum_b))
    }

    fn finish((max, sum): (f64, f64), _count: usize) -> W {
        W::from_f64(max + sum.ln())
    }
}
