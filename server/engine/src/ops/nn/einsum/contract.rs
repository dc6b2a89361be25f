//! Two operands become one: a matrix product for each place of the labels that both have and that stay.

use crate::{error::Result, value::checked_len};

use super::{
    super::ring::{MatmulSizes, Ring},
    equation::Label,
    term::Term,
};

/// The product of `left` and `right`, summed over the labels that both have and that are not in `kept`. Every
/// label that only one of them has is in `kept`.
///
/// # Errors
/// `TooLarge` where the product is.
pub(super) fn contract<T: Ring>(left: &Term<T>, right: &Term<T>, kept: &[Label]) -> Result<Term<T>> {
    let both = |label: &Label| right.labels().contains(label);
    let (shared, rows): (Vec<Label>, Vec<Label>) = left.labels().iter().partition(|label| both(label));
    let (batch, summed): (Vec<Label>, Vec<Label>) = shared.iter().partition(|label| kept.contains(label));
    let columns: Vec<Label> =
        right.labels().iter().filter(|label| !left.labels().contains(label)).copied().collect();
    let extent = |term: &Term<T>, labels: &[Label]| labels.iter().map(|&label| term.size(label)).product();
    let sizes = MatmulSizes {
        rows: extent(left, &rows),
        depth: extent(left, &summed),
        columns: extent(right, &columns),
    };
    let a = left.arrange(&[&batch[..], &rows[..], &summed[..]].concat())?;
    let b = right.arrange(&[&batch[..], &summed[..], &columns[..]].concat())?;
    let labels = [&batch[..], &rows[..], &columns[..]].concat();
    let owner = |label: &Label| if left.labels().contains(label) { left } else { right };
    let shape: Vec<usize> = labels.iter().map(|label| owner(label).size(*label)).collect();
    let mut out = vec![T::ZERO; checked_len::<T>(&shape)?];
    let MatmulSizes { rows, depth, columns } = sizes;
    let places = out.chunks_exact_mut((rows * columns).max(1)).enumerate();
    for (i, out) in places {
        let (a, b) = (
            &a[i * rows * depth..(i + 1) * rows * depth],
            &b[i * depth * columns..(i + 1) * depth * columns],
        );
        T::matmul(a, b, sizes, out)?;
    }
    Ok(Term::dense(out, labels, shape))
}
