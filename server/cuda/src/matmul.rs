//! A product of matrices, as asked for.

use crate::{Number, Pointer};

/// What happens to each sum before it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Epilogue {
    /// Nothing.
    #[default]
    None,
    /// max(x, 0).
    Relu,
    /// GELU by tanh.
    GeluTanh,
    /// GELU by the error function; only of products that the queue [applies](crate::Queue::applies) it to.
    Gelu,
}

/// Where a matrix's rows lie: row-major, `stride` elements from row to row; of a turned one the columns do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Matrix {
    /// The first matrix's first element.
    pub at: Pointer,
    /// Elements from one row (of a turned one: column) to the next.
    pub stride: usize,
    /// Whether columns lie side by side instead of rows.
    pub turned: bool,
    /// Elements from one matrix of the batch to the next; 0 where all share one.
    pub batch: usize,
}

/// `out = epilogue(alpha a b + beta addend + bias)` for each of `batch` pairs: a is `[m, k]`, b `[k, n]`, out and
/// the addend `[m, n]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matmul {
    /// Rows of a and of the result.
    pub m: usize,
    /// Columns of b and of the result.
    pub n: usize,
    /// Columns of a, rows of b.
    pub k: usize,
    /// Products.
    pub batch: usize,
    /// The factors' type, and how they are multiplied.
    pub number: Number,
    /// Whether the result is f32, whatever the factors are.
    pub wide: bool,
    /// The left factor.
    pub a: Matrix,
    /// The right factor.
    pub b: Matrix,
    /// The result; not turned.
    pub out: Matrix,
    /// What is added, laid out as the result.
    pub addend: Option<Pointer>,
    /// A number for each column, of the result's type.
    pub bias: Option<Pointer>,
    /// What happens last.
    pub epilogue: Epilogue,
    /// Multiplied with the product.
    pub alpha: f32,
}
