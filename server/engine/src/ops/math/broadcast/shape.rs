//! The shape that shapes broadcast to, concrete or symbolic.

use girandole_core::Shape;

use crate::{
    error::{OpError, Result},
    graph::{SymDim, SymShape},
};

/// The shape that `shapes` broadcast to.
///
/// # Errors
/// `Invalid` where two sizes of a dimension differ and neither is 1.
pub(crate) fn broadcast(shapes: &[&Shape]) -> Result<Shape> {
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut out = vec![1usize; rank];
    for shape in shapes {
        for (to, &size) in out.iter_mut().rev().zip(shape.iter().rev()) {
            match (*to, size) {
                (_, 1) => {}
                (1, size) => *to = size,
                (a, b) if a == b => {}
                _ => {
                    let all: Vec<_> = shapes.iter().map(ToString::to_string).collect();
                    return Err(OpError::invalid(format!(
                        "shapes {} do not broadcast: sizes must be equal or 1",
                        all.join(" and ")
                    )));
                }
            }
        }
    }
    Ok(out.into())
}

/// As [`broadcast`], of what is known of two shapes.
///
/// # Errors
/// `Invalid` where they can never broadcast.
pub(crate) fn broadcast_dims(a: &SymShape, b: &SymShape) -> Result<SymShape> {
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    let mut out = long.clone();
    let start = long.len() - short.len();
    for (to, dim) in out[start..].iter_mut().zip(short) {
        *to = broadcast_dim(to, dim)?;
    }
    Ok(out)
}

fn broadcast_dim(a: &SymDim, b: &SymDim) -> Result<SymDim> {
    Ok(match (a, b) {
        (SymDim::Known(1), other) | (other, SymDim::Known(1)) => other.clone(),
        (SymDim::Known(a), SymDim::Known(b)) if a != b => {
            return Err(OpError::invalid(format!("sizes {a} and {b} of a dimension do not broadcast")));
        }
        // What is not known is this size or 1.
        (SymDim::Known(size), _) | (_, SymDim::Known(size)) => SymDim::Known(*size),
        (SymDim::Symbol(a), SymDim::Symbol(b)) if a == b => SymDim::Symbol(a.clone()),
        _ => SymDim::Unknown,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concrete_shapes_broadcast_from_the_right() {
        type Dims = &'static [usize];
        let cases: [(Dims, Dims, Option<Dims>); 6] = [
            (&[2, 3], &[3], Some(&[2, 3])),
            (&[4, 1], &[1, 5], Some(&[4, 5])),
            (&[], &[2], Some(&[2])),
            (&[1], &[0], Some(&[0])),
            (&[2, 0, 3], &[1, 1], Some(&[2, 0, 3])),
            (&[2], &[3], None),
        ];
        for (a, b, expected) in cases {
            let (a, b) = (Shape::new(a), Shape::new(b));
            assert_eq!(broadcast(&[&a, &b]).ok(), expected.map(Shape::new), "{a} {b}");
            assert_eq!(broadcast(&[&b, &a]).ok(), expected.map(Shape::new), "{b} {a}");
        }
    }

    #[test]
    fn symbols_stay_where_the_other_side_is_1_or_the_same() {
        let n = || SymDim::Symbol("n".into());
        let m = SymDim::Symbol("m".into());
        let one = SymDim::Known(1);
        assert_eq!(broadcast_dims(&vec![n(), n()], &vec![one]).unwrap(), [n(), n()]);
        assert_eq!(broadcast_dims(&vec![n()], &vec![m]).unwrap(), [SymDim::Unknown]);
        assert_eq!(broadcast_dims(&vec![n()], &vec![SymDim::Known(4)]).unwrap(), [SymDim::Known(4)]);
        assert!(broadcast_dims(&vec![SymDim::Known(2)], &vec![SymDim::Known(3)]).is_err());
    }
}
