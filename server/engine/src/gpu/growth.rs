//! How a batch is made larger than it is: rows are added, and sequences padded where the model allows it, so that few
//! graphs serve all shapes. What is added is cut off the outputs again.

use girandole_core::{Batch, BatchInput, DType, Shape};

use super::{buckets::Buckets, lines::Lines, rows, transfer};
use crate::{
    error::{OpError, Result},
    padding::{Padding, Place},
    plan::Plan,
};

/// What a session may do to batches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Growth {
    /// Whether the model takes batches, so that rows may be added to one.
    pub(crate) batches: bool,
    /// Which dimension may be padded.
    pub(crate) padding: Option<Padding>,
    /// To which lengths.
    pub(crate) buckets: Buckets,
}

/// How one batch is made larger.
#[derive(Debug)]
pub(crate) struct Grown<'a> {
    /// Its rows, and those that are computed.
    pub(crate) rows: Change,
    /// The length of its sequences, and the one that is computed.
    sequence: Option<(&'a Padding, Change)>,
}

/// A size as it came, and as it is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) came: usize,
    pub(crate) computed: usize,
}

impl Growth {
    /// What sessions of `plan` may do, and says so where buckets were asked for and cannot be had.
    pub(crate) fn new(plan: &Plan, batches: bool, buckets: Buckets) -> Self {
        // What is gathered for the host comes as it is, and strings have no size to be cut by.
        let gathered =
            plan.inputs().all(|info| info.fact.elem.is_some_and(|elem| transfer::raw(elem).is_ok()));
        let sized =
            plan.outputs().all(|info| info.fact.elem.is_some_and(|elem| elem.wire().size().is_some()));
        let grows = gathered && sized;
        let padding = plan.padding().and_then(|verdict| verdict.as_ref().ok()).cloned();
        if let (Some(Err(obstacle)), true) = (plan.padding(), buckets.listed().is_some()) {
            tracing::warn!(dimension = &*obstacle.dimension, %obstacle, "sequences cannot be padded");
        }
        Self { batches: batches && grows, padding: padding.filter(|_| grows), buckets }
    }

    /// The lengths that the configuration lists and the model allows.
    pub(crate) fn listed(&self) -> Option<girandole_core::Buckets> {
        let (padding, sizes) = (self.padding.as_ref()?, self.buckets.listed()?);
        let fits = |&size: &usize| padding.longest.is_none_or(|longest| size <= longest);
        let sizes = sizes.iter().copied().filter(fits).collect();
        Some(girandole_core::Buckets { dimension: padding.dimension.clone(), sizes })
    }

    /// How `batch` is made larger.
    pub(crate) fn of(&self, batch: &Batch) -> Grown<'_> {
        let computed = if self.batches { rows::padded(batch.rows) } else { batch.rows };
        let sequence =
            self.padding.as_ref().and_then(|padding| Some((padding, self.length(padding, batch)?)));
        Grown { rows: Change { came: batch.rows, computed }, sequence }
    }

    /// The length that all inputs agree on, where it may be padded.
    fn length(&self, padding: &Padding, batch: &Batch) -> Option<Change> {
        let mut lengths =
            padding.inputs.iter().map(|place| input(batch, *place)?.shape.get(place.axis).copied());
        let came = lengths.next()??;
        if !lengths.all(|length| length == Some(came)) {
            return None;
        }
        let computed = self.buckets.padded(came, padding.longest)?;
        is_anchored(padding, batch, came).then_some(Change { came, computed })
    }
}

fn input(batch: &Batch, place: Place) -> Option<&BatchInput> {
    batch.inputs.iter().find(|input| input.index == place.index)
}

/// Whether all masks are 1 at one place in every row. Where a row's are 0 everywhere, its padding would count as much
/// as the row itself.
fn is_anchored(padding: &Padding, batch: &Batch, length: usize) -> bool {
    let masks: Option<Vec<Mask<'_>>> =
        padding.masks.iter().map(|place| Mask::new(input(batch, *place)?, place.axis)).collect();
    masks.is_some_and(|masks| (0..length).any(|at| masks.iter().all(|mask| mask.is_one_at(at))))
}

/// A mask's bytes.
struct Mask<'a> {
    input: &'a BatchInput,
    /// Bytes of a row.
    line: usize,
    /// Bytes of a place in it.
    place: usize,
    /// The number 1.
    one: &'static [u8],
}

impl<'a> Mask<'a> {
    fn new(input: &'a BatchInput, axis: usize) -> Option<Self> {
        let one = one(input.dtype)?;
        let place = input.shape.get(axis + 1..)?.iter().product::<usize>() * one.len();
        Some(Self { input, line: place * input.shape.get(axis)?, place, one })
    }

    fn is_one_at(&self, at: usize) -> bool {
        let place = at * self.place..(at + 1) * self.place;
        let is_one = |line: &[u8]| {
            line.get(place.clone())
                .is_some_and(|bytes| bytes.chunks(self.one.len()).all(|bytes| bytes == self.one))
        };
        self.place > 0 && self.input.parts.iter().all(|part| part.chunks(self.line).all(is_one))
    }
}

/// The bytes of 1; `None` for types that no mask has.
const fn one(dtype: DType) -> Option<&'static [u8]> {
    match dtype {
        DType::I64 => Some(&[1, 0, 0, 0, 0, 0, 0, 0]),
        DType::I32 => Some(&[1, 0, 0, 0]),
        DType::Bool => Some(&[1]),
        DType::F32 => Some(&[0, 0, 0x80, 0x3f]),
        DType::F16 => Some(&[0, 0x3c]),
        DType::BF16 => Some(&[0x80, 0x3f]),
        _ => None,
    }
}

impl Grown<'_> {
    /// The shape that an input is computed with, and how its lines are stretched.
    ///
    /// # Errors
    /// `Invalid` where it does not have the batch's rows.
    pub(crate) fn input(&self, given: &BatchInput) -> Result<(Shape, Option<Lines>)> {
        let mut shape = given.shape.to_vec();
        change(&mut shape, 0, self.rows.came, self.rows.computed)
            .ok_or_else(|| misfit("it", "the batch's rows"))?;
        let Some((padding, length)) = self.sequence else { return Ok((shape.into(), None)) };
        let place = padding.inputs.iter().find(|place| place.index == given.index);
        let Some(&Place { axis, .. }) = place else { return Ok((shape.into(), None)) };
        change(&mut shape, axis, length.came, length.computed)
            .ok_or_else(|| misfit("it", "the sequence's length"))?;
        let behind = given.shape.get(axis + 1..).unwrap_or_default().iter().product::<usize>();
        let bytes = |length: usize| length * behind * given.dtype.size().unwrap_or(0);
        Ok((shape.into(), Some(Lines { came: bytes(length.came), computed: bytes(length.computed) })))
    }

    /// The shape of output `index` as it is handed out, of which `shape` was computed, and the shape in between, whose
    /// rows are the batch's and whose sequences are padded.
    ///
    /// # Errors
    /// `Invalid` where it does not have the batch's rows or the padded length.
    pub(crate) fn output(&self, index: usize, shape: &[usize]) -> Result<(Shape, Shape)> {
        let mut rows = shape.to_vec();
        change(&mut rows, 0, self.rows.computed, self.rows.came)
            .ok_or_else(|| misfit("an output", "the batch's rows"))?;
        let mut cut = rows.clone();
        let Some((padding, length)) = self.sequence else { return Ok((rows.into(), cut.into())) };
        for place in padding.outputs.iter().filter(|place| place.index == index) {
            change(&mut cut, place.axis, length.computed, length.came)
                .ok_or_else(|| misfit("an output", "the sequence's length"))?;
        }
        Ok((rows.into(), cut.into()))
    }
}

/// Makes a dimension `to` where it is `from`; `None` where it is something else.
fn change(shape: &mut [usize], axis: usize, from: usize, to: usize) -> Option<()> {
    if from != to {
        *shape.get_mut(axis).filter(|dim| **dim == from)? = to;
    }
    Some(())
}

fn misfit(what: &str, lacks: &str) -> OpError {
    OpError::invalid(format!("{what} does not have {lacks}"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn growth(masks: &[usize]) -> Growth {
        let place = |index| Place { index, axis: 1 };
        let padding = Padding {
            dimension: "sequence".into(),
            inputs: vec![place(0), place(1)],
            outputs: vec![Place { index: 0, axis: 1 }],
            masks: masks.iter().copied().map(place).collect(),
            longest: Some(20),
        };
        Growth { batches: true, padding: Some(padding), buckets: Buckets::Usual }
    }

    /// Two inputs `[rows, length]`, the second with these elements, a part for each row.
    fn batch(rows: &[&[i64]]) -> Batch {
        let bytes =
            |row: &[i64]| -> Bytes { row.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>().into() };
        let input = |index, parts| BatchInput {
            index,
            dtype: DType::I64,
            shape: Shape::new(&[rows.len(), rows[0].len()]),
            parts,
        };
        let mask = rows.iter().map(|row| bytes(row)).collect();
        let ids = rows.iter().map(|row| bytes(&vec![9; row.len()])).collect();
        Batch { rows: rows.len(), inputs: vec![input(0, ids), input(1, mask)], outputs: vec![0] }
    }

    fn computed(masks: &[usize], rows: &[&[i64]]) -> usize {
        growth(masks).of(&batch(rows)).sequence.map_or(0, |(_, change)| change.computed)
    }

    #[test]
    fn sequences_are_padded_where_masks_are_1_at_one_place_in_every_row() {
        assert_eq!(computed(&[1], &[&[1, 1, 1], &[1, 0, 0]]), 8);
        assert_eq!(computed(&[1], &[&[0, 0, 1], &[1, 0, 1]]), 8);
        assert_eq!(computed(&[1], &[&[1, 0, 0], &[0, 1, 0]]), 0, "no place of all rows");
        assert_eq!(computed(&[1], &[&[1, 1, 1], &[0, 0, 0]]), 0, "a row that is masked as a whole");
        assert_eq!(computed(&[1], &[&[2, 2, 2]]), 0, "numbers that masks do not have");
        assert_eq!(computed(&[], &[&[0, 0, 0]]), 8, "no mask is needed");
    }

    #[test]
    fn lengths_that_differ_or_fill_their_bucket_stay() {
        assert_eq!(computed(&[1], &[&[1; 17]]), 20, "no longer than the table");
        assert_eq!(computed(&[1], &[&[1; 20]]), 0);
        assert_eq!(computed(&[1], &[&[1; 8]]), 0);
        let mut differing = batch(&[&[1, 1, 1]]);
        differing.inputs[0].shape = Shape::new(&[1, 4]);
        assert!(growth(&[1]).of(&differing).sequence.is_none());
    }

    #[test]
    fn what_is_added_is_cut_off_again() {
        let rows: [&[i64]; 5] = [&[1, 1, 1]; 5];
        let batch = batch(&rows);
        let growth = growth(&[1]);
        let grown = growth.of(&batch);
        let (shape, lines) = grown.input(&batch.inputs[0]).unwrap();
        assert_eq!((shape, lines), (Shape::new(&[8, 8]), Some(Lines { came: 24, computed: 64 })));
        let (rows, cut) = grown.output(0, &[8, 8, 4]).unwrap();
        assert_eq!((rows, cut), (Shape::new(&[5, 8, 4]), Shape::new(&[5, 3, 4])));
        let (rows, cut) = grown.output(1, &[8, 4]).unwrap();
        assert_eq!((rows, cut), (Shape::new(&[5, 4]), Shape::new(&[5, 4])));
        assert!(grown.output(0, &[8, 7, 4]).is_err());
        assert!(grown.output(0, &[7, 8, 4]).is_err());
    }
}
