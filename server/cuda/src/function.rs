//! The codes by which kernels know functions: those of `kernels/functions.cuh` and of the kernels' comments.

/// A function of one number, with its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Code {
    /// Its number.
    pub number: i32,
    /// The first parameter.
    pub p: f32,
    /// The second.
    pub q: f32,
}

macro_rules! codes {
    ($($name:ident = $number:literal, $doc:literal;)*) => {
        impl Code {$(
            #[doc = $doc]
            pub const $name: Self = Self { number: $number, p: 0.0, q: 0.0 };
        )*}
    };
}
codes! {
    IDENTITY = 0, "x.";
    EXP = 1, "e^x.";
    TANH = 2, "The hyperbolic tangent.";
    ERF = 3, "The error function.";
    SIGMOID = 4, "1 / (1 + e^-x).";
    SOFTPLUS = 5, "ln(1 + e^x).";
    SOFTSIGN = 6, "x / (1 + |x|).";
    GELU = 7, "GELU by the error function.";
    GELU_TANH = 8, "GELU by tanh.";
    SILU = 9, "x sigmoid(p x).";
    MISH = 10, "x tanh(softplus(x)).";
    HARD_SWISH = 11, "x clip(x / 6 + 1/2, 0, 1).";
    HARD_SIGMOID = 12, "clip(p x + q, 0, 1).";
    LEAKY_RELU = 13, "x, below 0 p x.";
    ELU = 14, "x, below 0 p (e^x - 1).";
    CLIP = 15, "x between p and q.";
    SQRT = 16, "The square root.";
    RECIPROCAL = 17, "1 / x.";
    NEG = 18, "-x.";
    ABS = 19, "|x|.";
    LOG = 20, "The natural logarithm.";
    FLOOR = 21, "The greatest integer that is not above x.";
    CEIL = 22, "The least integer that is not below x.";
    ROUND = 23, "The nearest integer, halves to even.";
    SIGN = 24, "-1, 0 or 1.";
    SIN = 25, "The sine.";
    COS = 26, "The cosine.";
    TAN = 27, "The tangent.";
    ASIN = 28, "The inverse sine.";
    ACOS = 29, "The inverse cosine.";
    ATAN = 30, "The inverse tangent.";
    SINH = 31, "The hyperbolic sine.";
    COSH = 32, "The hyperbolic cosine.";
    ASINH = 33, "The inverse hyperbolic sine.";
    ACOSH = 34, "The inverse hyperbolic cosine.";
    ATANH = 35, "The inverse hyperbolic tangent.";
    SELU = 36, "q x, below 0 q p (e^x - 1).";
    CELU = 37, "x, below 0 p (e^(x/p) - 1).";
    THRESHOLDED_RELU = 38, "x above p, else 0.";
    SHRINK = 39, "x + p below -q, x - p above q, else 0.";
}

impl Code {
    /// max(x, 0).
    pub const RELU: Self = Self::CLIP.with(0.0, f32::INFINITY);

    /// The same with parameters.
    #[must_use]
    pub const fn with(self, p: f32, q: f32) -> Self {
        Self { p, q, ..self }
    }
}

/// A function of two numbers of one type, to the same type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Min,
    Max,
    /// The remainder with the divisor's sign.
    Mod,
    /// The remainder with the dividend's sign.
    Fmod,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum CompareOp {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A function of two truths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum LogicOp {
    And,
    Or,
    Xor,
}

/// A question about a float.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TestOp {
    IsNan,
    IsInf,
    IsPositiveInf,
    IsNegativeInf,
}

/// What many numbers become one by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ReduceOp {
    Sum,
    Mean,
    Max,
    Min,
    Product,
    SumSquare,
    L1,
    L2,
    LogSum,
    LogSumExp,
}

macro_rules! argument {
    ($($op:ty),*) => {$(
        impl From<$op> for crate::Argument {
            fn from(op: $op) -> Self {
                Self::I32(op as i32)
            }
        }
    )*};
}
argument!(BinaryOp, CompareOp, LogicOp, TestOp, ReduceOp);
