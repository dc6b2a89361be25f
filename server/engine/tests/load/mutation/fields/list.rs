//! Lists of numbers, and the numbers that break things.

use super::Random;

/// Sizes that overflow, are negative or do not fit. Few between, which only make large tensors.
pub(super) const INTS: &[i64] = &[
    -1,
    0,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    -2,
    -3,
    64,
    -64,
    (1 << 32) + 1,
    1 << 40,
    1 << 60,
    1 << 62,
    i64::MIN,
    -(1 << 31),
    -(1 << 60),
    i64::MAX,
    i64::MAX - 1,
];

pub(super) const FLOATS: &[f32] =
    &[0.0, -1.0, 1.0, 0.5, 2.0, 1e-30, 1e10, 1e30, -1e30, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];

/// Changes a list that has something in it.
pub(super) fn change<T: Copy>(list: &mut Vec<T>, values: &[T], random: &mut Random) {
    if list.is_empty() {
        return;
    }
    let at = random.below(list.len());
    match random.below(8) {
        0 => drop(list.remove(at)),
        1 => list.insert(at, list[at]),
        2 => list.clear(),
        3 => list.iter_mut().for_each(|value| *value = random.pick(values)),
        4 => list.swap(at, 0),
        _ => list[at] = random.pick(values),
    }
}
