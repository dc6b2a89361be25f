//! Bytes of padded tensors: each line of an input is stretched on its way in, and those of an output are moved
//! together on their way out.

/// Bytes of a line as it came, and as it is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lines {
    pub(crate) came: usize,
    pub(crate) computed: usize,
}

impl Lines {
    /// Copies whole lines to the beginning of `to`, each with zeros behind, and gives what is left of it; `None` where
    /// there is no room.
    pub(crate) fn stretch<'a>(self, part: &[u8], mut to: &'a mut [u8]) -> Option<&'a mut [u8]> {
        for line in part.chunks(self.came.max(1)) {
            let (own, rest) = to.split_at_mut_checked(self.computed)?;
            let (true_part, added) = own.split_at_mut_checked(line.len())?;
            true_part.copy_from_slice(line);
            added.fill(0);
            to = rest;
        }
        Some(to)
    }
}

/// Moves what is left of a dense tensor of shape `from`, whose elements have `size` bytes, to its beginning, where
/// every axis is cut to that of `to`. Gives the number of bytes that are left.
pub(crate) fn cut(bytes: &mut [u8], size: usize, from: &[usize], to: &[usize]) -> usize {
    let behind = |axis: usize| from.get(axis + 1..).unwrap_or_default().iter().product::<usize>() * size;
    let mut kept = Kept { bytes, end: 0 };
    match from.iter().zip(to).rposition(|(from, to)| from != to) {
        Some(last) => kept.lines(&|axis| (from[axis], to[axis], behind(axis)), 0, last, 0),
        None => kept.end = kept.bytes.len(),
    }
    kept.end
}

/// What was moved together so far.
struct Kept<'a> {
    bytes: &'a mut [u8],
    end: usize,
}

impl Kept<'_> {
    /// Keeps what is to be kept of the axes from `axis` on, which begin at `begin`; behind `last` all is. An axis has
    /// its size, the one that is left, and the bytes of an index.
    fn lines(
        &mut self,
        sizes: &dyn Fn(usize) -> (usize, usize, usize),
        axis: usize,
        last: usize,
        begin: usize,
    ) {
        let (from, to, step) = sizes(axis);
        let left = to.min(from);
        if axis == last {
            let len = left * step;
            if begin + len <= self.bytes.len() {
                self.bytes.copy_within(begin..begin + len, self.end);
                self.end += len;
            }
            return;
        }
        (0..left).for_each(|index| self.lines(sizes, axis + 1, last, begin + index * step));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_get_zeros_behind() {
        let lines = Lines { came: 2, computed: 3 };
        let mut to = [7u8; 8];
        let left = lines.stretch(&[1, 2, 3, 4], &mut to).map(|left| left.len());
        assert_eq!((left, to), (Some(2), [1, 2, 0, 3, 4, 0, 7, 7]));
        assert!(lines.stretch(&[1, 2, 3, 4], &mut [0; 5]).is_none());
        assert!(Lines { came: 0, computed: 0 }.stretch(&[], &mut []).is_some());
    }

    #[test]
    fn what_was_added_is_cut_along_any_axes() {
        let cut = |from: &[usize], to: &[usize]| {
            let mut bytes: Vec<u8> = (0..from.iter().product::<usize>() as u8).collect();
            let left = super::cut(&mut bytes, 1, from, to);
            bytes[..left].to_vec()
        };
        assert_eq!(cut(&[2, 3, 2], &[2, 2, 2]), [0, 1, 2, 3, 6, 7, 8, 9]);
        assert_eq!(cut(&[2, 3, 3], &[2, 2, 2]), [0, 1, 3, 4, 9, 10, 12, 13]);
        assert_eq!(cut(&[3, 2], &[1, 2]), [0, 1]);
        assert_eq!(cut(&[2, 2], &[2, 2]), [0, 1, 2, 3]);
        assert_eq!(cut(&[], &[]), [0]);
        let mut wide = [0u8, 1, 2, 3, 4, 5, 6, 7];
        assert_eq!((super::cut(&mut wide, 2, &[2, 2], &[2, 1]), wide[..4].to_vec()), (4, vec![0, 1, 4, 5]));
    }
}
