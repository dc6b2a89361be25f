//! Numbers in 0..1: of hashes, and of an even sequence.

/// 2^64 divided by the golden ratio, odd: multiples of it fill the circle evenly.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Number `turn` of a sequence of which any run fills 0..1 evenly (Kronecker's, with the golden ratio).
pub(super) fn even(turn: u64) -> f64 {
    unit(turn.wrapping_mul(GOLDEN))
}

/// A number in 0..1, never an end of it, from 64 bits.
pub(super) fn unit(bits: u64) -> f64 {
    ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}
