//! How much the tests do: under Miri, which takes ten thousand times as long, a little of everything.

/// Random cases of a property, of which `usual` are tried elsewhere.
pub(crate) const fn cases(usual: u32) -> u32 {
    if cfg!(miri) { 1 } else { usual }
}

/// Every how many-th of many points is looked at.
pub(crate) const fn sparsely(usual: usize) -> usize {
    if cfg!(miri) { 4_001 * usual } else { usual }
}
