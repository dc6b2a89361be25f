//! How many rows a batch is given on a device: some more than it has, so that few graphs serve all sizes.

/// The least size of a graph that takes `rows` rows: at most a quarter of a large one is added.
pub(crate) const fn padded(rows: usize) -> usize {
    let step = match rows {
        0..=4 => 1,
        5..=32 => 4,
        33..=64 => 8,
        65..=256 => 16,
        _ => 64,
    };
    rows.next_multiple_of(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_grows_little_and_few_sizes_serve_all() {
        let sizes: std::collections::BTreeSet<usize> = (1..=256).map(padded).collect();
        assert!(sizes.len() < 32, "{sizes:?}");
        for rows in 1..=1024 {
            assert!(padded(rows) >= rows && padded(padded(rows)) == padded(rows));
            assert!(rows < 16 || (padded(rows) - rows) * 4 <= rows, "{rows} {}", padded(rows));
        }
        assert_eq!([1, 8, 32, 128].map(padded), [1, 8, 32, 128]);
    }
}
