//! The concrete shape of a tensor, with every product checked.

use std::{fmt, ops::Deref};

use smallvec::SmallVec;

/// Sizes of each dimension, outermost first. An empty shape is a scalar of one element.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Shape(SmallVec<[usize; 6]>);

impl Shape {
    /// The shape with these sizes.
    pub fn new(dims: &[usize]) -> Self {
        Self(SmallVec::from_slice(dims))
    }

    /// Number of elements, or `None` where the product overflows.
    pub fn elements(&self) -> Option<usize> {
        self.0.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim))
    }

    /// Elements of one row (one index of the first dimension), or `None` for a scalar or an overflow.
    pub fn row_elements(&self) -> Option<usize> {
        let (_, rest) = self.0.split_first()?;
        rest.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim))
    }

    /// The same shape with its first dimension replaced; a scalar stays one.
    #[must_use]
    pub fn with_rows(&self, rows: usize) -> Self {
        let mut dims = self.0.clone();
        if let Some(first) = dims.first_mut() {
            *first = rows;
        }
        Self(dims)
    }
}

impl Deref for Shape {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        &self.0
    }
}

impl From<&[usize]> for Shape {
    fn from(dims: &[usize]) -> Self {
        Self::new(dims)
    }
}

impl From<Vec<usize>> for Shape {
    fn from(dims: Vec<usize>) -> Self {
        Self(SmallVec::from_vec(dims))
    }
}

impl FromIterator<usize> for Shape {
    fn from_iter<I: IntoIterator<Item = usize>>(dims: I) -> Self {
        Self(dims.into_iter().collect())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, dim) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "," };
            write!(f, "{separator}{dim}")?;
        }
        f.write_str("]")
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overflowing_product_is_none() {
        assert_eq!(Shape::new(&[usize::MAX, 2]).elements(), None);
        assert_eq!(Shape::new(&[]).elements(), Some(1));
        assert_eq!(Shape::new(&[0, 7]).elements(), Some(0));
    }

    #[test]
    fn rows_replace_only_the_first_dimension() {
        assert_eq!(Shape::new(&[1, 3]).with_rows(8), Shape::new(&[8, 3]));
        assert_eq!(Shape::new(&[]).with_rows(8), Shape::new(&[]));
    }
}
