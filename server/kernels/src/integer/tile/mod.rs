//! The sums of a tile of at most 6 rows and 64 columns over the whole depth.
//!
//! The right operand's panels of a tile are `steps * STEP` bytes apart.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use super::{PANELS, ROWS, WIDTH, right::STEP};
use crate::isa::Isa;

/// The sums of a tile's rows.
pub(super) type Sums = [[i32; WIDTH]; ROWS];

/// The operands of a tile. Invariants: `left` holds `rows` rows of at least `steps * 4` bytes, `stride`
/// apart; `right` holds `panels` panels of `steps` steps.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    left: &'a [u8],
    stride: usize,
    rows: usize,
    right: &'a [i8],
    panels: usize,
    steps: usize,
}

impl<'a> Tile<'a> {
    /// `None` where the slices are too short or the tile too large.
    pub(super) fn new(
        (left, stride, rows): (&'a [u8], usize, usize),
        (right, panels, steps): (&'a [i8], usize, usize),
    ) -> Option<Self> {
        let fits = (1..=ROWS).contains(&rows)
            && (1..=PANELS).contains(&panels)
            && steps * super::DEPTH <= stride
            && left.len() >= rows * stride
            && right.len() >= panels * steps * STEP;
        fits.then_some(Self { left, stride, rows, right, panels, steps })
    }

    /// Writes the sums of the tile's rows and columns; others are left as they are.
    pub(super) fn run(&self, kernel: Kernel, sums: &mut Sums) {
        match kernel {
            Kernel::Portable => portable::run(self, sums),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the kernel was chosen because the processor has AVX2.
            Kernel::Avx2 => unsafe { avx2::run(self, sums) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the kernel was chosen because the processor has AVX-512 F and VNNI.
            Kernel::Avx512 => unsafe { avx512::run(self, sums) },
        }
    }
}

/// How tiles are computed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernel {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 with VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Kernel {
    #[cfg(target_arch = "x86_64")]
    pub(super) fn of(isa: Isa) -> Self {
        match isa {
            Isa::Avx512 if is_x86_feature_detected!("avx512vnni") => Self::Avx512,
            Isa::Avx512 | Isa::Avx2 => Self::Avx2,
            Isa::Neon | Isa::Portable => Self::Portable,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    pub(super) const fn of(_isa: Isa) -> Self {
        Self::Portable
    }
}
