//! Memory for what is written once and read for long: packed weights. They lie side by side in regions that the system
//! is asked to back with huge pages, since a product that walks through all of them would else wait for page tables
//! (a single client of MiniLM gets a fifth more answers a second). Nothing else of the process needs such pages, which
//! take memory wherever they are not filled.
//!
//! Invariants: a piece of a region is given out once, zero, from a cache line's beginning on; what was given back is
//! the system's again at once, but is not given out anew, so that a region ends with the last of its pieces.

use std::{
    ops::{Deref, Range},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use memmap2::{MmapMut, MmapRaw};

/// What begins at a multiple of it begins with a cache line, and with a vector.
const LINE: usize = 64;

/// What a huge page holds.
const HUGE_PAGE: usize = 2 << 20;

/// Bytes of address space that a region takes; memory, as far as it is filled.
const REGION: usize = 16 * HUGE_PAGE;

/// Less than this is the allocator's: a page table's entry or few.
const LEAST: usize = 256 << 10;

/// Pages of no machine are larger.
const LARGEST_PAGE: usize = 64 << 10;

/// The region that pieces are taken of.
static CURRENT: Mutex<Weak<Region>> = Mutex::new(Weak::new());

/// Numbers of which zero bytes are one.
///
/// # Safety
/// Zero bytes are a value, dropping one does nothing, and [`LINE`] is a multiple of the alignment.
pub(crate) unsafe trait Plain: Copy + Default {}

// SAFETY: zero is zero.
unsafe impl Plain for f32 {}
// SAFETY: as above.
unsafe impl Plain for i8 {}
// SAFETY: as above.
unsafe impl Plain for u8 {}

/// A slice that is never written again, beginning with a cache line.
#[derive(Debug)]
pub(crate) enum Huge<T> {
    /// The allocator's, from an element on.
    Small(Vec<T>, Range<usize>),
    /// Bytes of a region.
    Large(Piece, usize),
}

/// Bytes of a region.
#[derive(Debug)]
pub(crate) struct Piece {
    region: Arc<Region>,
    bytes: Range<usize>,
}

#[derive(Debug)]
struct Region {
    memory: MmapRaw,
    taken: AtomicUsize,
}

impl<T: Plain> Huge<T> {
    /// `len` numbers: `write` gets them all zero.
    pub(crate) fn new(len: usize, write: impl FnOnce(&mut [T])) -> Self {
        let bytes = len.saturating_mul(size_of::<T>());
        match (bytes >= LEAST).then(|| Piece::of(bytes)).flatten() {
            Some(piece) => {
                // SAFETY: the piece has room for them, zero and aligned, and nobody else knows of it yet.
                write(unsafe { std::slice::from_raw_parts_mut(piece.start().cast_mut().cast(), len) });
                Self::Large(piece, len)
            }
            None => Self::small(len, write),
        }
    }

    fn small(len: usize, write: impl FnOnce(&mut [T])) -> Self {
        let spare = LINE / size_of::<T>();
        let mut data = vec![T::default(); len.saturating_add(spare)];
        let start = data.as_ptr().align_offset(LINE).min(spare);
        write(&mut data[start..start + len]);
        Self::Small(data, start..start + len)
    }
}

impl<T: Plain> Deref for Huge<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::Small(data, range) => &data[range.clone()],
            // SAFETY: the piece holds so many, and nobody writes to them any more.
            Self::Large(piece, len) => unsafe { std::slice::from_raw_parts(piece.start().cast(), *len) },
        }
    }
}

impl<T: Plain> Default for Huge<T> {
    fn default() -> Self {
        Self::Small(Vec::new(), 0..0)
    }
}

impl<T: Plain> Clone for Huge<T> {
    fn clone(&self) -> Self {
        Self::new(self.len(), |to| to.copy_from_slice(self))
    }
}

impl Piece {
    /// So many bytes of the current region, or of a new one; `None` where the system gives none.
    fn of(bytes: usize) -> Option<Self> {
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(piece) = current.upgrade().and_then(|region| region.take(bytes)) {
            return Some(piece);
        }
        let region = Arc::new(Region::new(bytes)?);
        *current = Arc::downgrade(&region);
        region.take(bytes)
    }

    fn start(&self) -> *const u8 {
        self.region.memory.as_ptr().wrapping_add(self.bytes.start)
    }
}

impl Region {
    /// For at least so many bytes.
    fn new(bytes: usize) -> Option<Self> {
        let memory = MmapMut::map_anon(bytes.checked_next_multiple_of(HUGE_PAGE)?.max(REGION)).ok()?;
        // Where the system has none, small pages do.
        #[cfg(target_os = "linux")]
        let _ = memory.advise(memmap2::Advice::HugePage);
        Some(Self { memory: memory.into(), taken: AtomicUsize::new(0) })
    }

    /// So many bytes that nobody has had, if they are left; under the lock of [`CURRENT`].
    fn take(self: Arc<Self>, bytes: usize) -> Option<Piece> {
        let start = self.taken.load(Ordering::Relaxed);
        let end = start.checked_add(bytes)?.checked_next_multiple_of(LINE)?;
        if end > self.memory.len() {
            return None;
        }
        self.taken.store(end, Ordering::Relaxed);
        Some(Piece { region: self, bytes: start..end })
    }

    /// Gives bytes that nobody can read any more back to the system; else they go with the region.
    ///
    /// # Safety
    /// They are whole pages of a piece whose last reader is gone.
    #[cfg(target_os = "linux")]
    unsafe fn give_back(&self, pages: Range<usize>) {
        // SAFETY: by the contract, nobody sees that they are zero again.
        let _ = unsafe {
            self.memory.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, pages.start, pages.len())
        };
    }

    #[cfg(not(target_os = "linux"))]
    unsafe fn give_back(&self, _pages: Range<usize>) {}
}

impl Drop for Piece {
    fn drop(&mut self) {
        let pages = self.bytes.start.next_multiple_of(LARGEST_PAGE)..self.bytes.end & !(LARGEST_PAGE - 1);
        if !pages.is_empty() {
            // SAFETY: these pages are this piece's alone.
            unsafe { self.region.give_back(pages) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(len: usize) -> Huge<f32> {
        Huge::new(len, |to| {
            assert!(to.iter().all(|&v| v == 0.0), "zero at first");
            to.iter_mut().enumerate().for_each(|(i, to)| *to = number(i));
        })
    }

    fn is_counted(numbers: &[f32]) -> bool {
        numbers.iter().enumerate().all(|(i, &v)| v == number(i))
    }

    fn number(i: usize) -> f32 {
        (i % 1000) as f32
    }

    #[test]
    fn small_and_large_begin_with_a_line_and_keep_what_was_written() {
        for len in [0, 1, 15, 60_000] {
            let numbers = counted(len);
            assert_eq!(numbers.len(), len);
            assert!(numbers.as_ptr().addr().is_multiple_of(LINE) && is_counted(&numbers), "{len}");
        }
        assert!(matches!(counted(1), Huge::Small(..)));
        assert!(matches!(counted(LEAST / 4 + 3), Huge::Large(..)));
    }

    #[test]
    fn pieces_of_threads_share_regions_and_no_byte() {
        let lens = [LEAST / 4, LEAST / 4 + 1, LEAST, REGION / 8, REGION / 2];
        let all: Vec<Huge<f32>> = std::thread::scope(|scope| {
            let threads = lens.map(|len| scope.spawn(move || [counted(len), counted(len), counted(len)]));
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let mut spans: Vec<_> = all.iter().map(|numbers| numbers.as_ptr_range()).collect();
        spans.sort_by_key(|span| span.start);
        assert!(spans.windows(2).all(|pair| pair[0].end <= pair[1].start));
        // Of what is left, nothing changes when others are given back.
        let kept: Vec<_> = all.into_iter().step_by(2).collect();
        assert!(kept.iter().all(|numbers| is_counted(numbers)));
        assert!(kept.iter().all(|numbers| is_counted(&numbers.clone())));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_given_back_is_the_systems() {
        let Huge::Large(piece, _) = counted(LEAST) else { panic!("it is large") };
        let (region, at) = (piece.region.clone(), piece.bytes.start.next_multiple_of(LARGEST_PAGE) + 4);
        // SAFETY: the region is there, and nobody has these bytes any more.
        let byte = || unsafe { region.memory.as_ptr().add(at + 3).read_volatile() };
        assert_ne!(byte(), 0);
        drop(piece);
        assert_eq!(byte(), 0);
    }

    #[test]
    fn more_than_a_region_has_one_of_its_own() {
        let numbers: Huge<u8> = Huge::new(REGION + 1, |to| to[REGION] = 7);
        assert_eq!((numbers.len(), numbers[REGION]), (REGION + 1, 7));
    }
}
