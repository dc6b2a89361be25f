//! Kernels by name and what they are launched with.

use smallvec::SmallVec;

use crate::{Pointer, Walk1, Walk2, Walk3};

/// A kernel: what it does and the type that it does it for, which make its name, `stem_suffix`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kernel {
    /// What it does.
    pub stem: &'static str,
    /// The element type, or the bytes of an element.
    pub suffix: &'static str,
}

impl Kernel {
    /// The kernel `stem_suffix`.
    pub const fn new(stem: &'static str, suffix: &'static str) -> Self {
        Self { stem, suffix }
    }
}

impl std::fmt::Display for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}_{}", self.stem, self.suffix)
    }
}

/// Blocks, threads of a block, and bytes of shared memory that the launch adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Blocks along x, y and z.
    pub blocks: [u32; 3],
    /// Threads of a block along x, y and z.
    pub threads: [u32; 3],
    /// Dynamic shared memory of a block.
    pub shared_bytes: u32,
}

impl Grid {
    /// Threads of a block of the kernels that loop over elements.
    const THREADS: u32 = 256;
    /// The most blocks that such a kernel is worth: some for each multiprocessor of a large device.
    const MOST: usize = 132 * 16;

    /// `blocks` blocks of `threads` threads.
    pub const fn new(blocks: [u32; 3], threads: u32) -> Self {
        Self { blocks, threads: [threads, 1, 1], shared_bytes: 0 }
    }

    /// For a kernel that loops over `units` units of work, one for each thread at a time.
    pub fn over(units: usize) -> Self {
        let blocks = units.div_ceil(Self::THREADS as usize).clamp(1, Self::MOST);
        Self::new([u32::try_from(blocks).unwrap_or(1), 1, 1], Self::THREADS)
    }

    /// One block for each of `count`, up to what a grid may have.
    pub fn each(count: usize, threads: u32) -> Self {
        Self::new([u32::try_from(count.clamp(1, i32::MAX as usize)).unwrap_or(1), 1, 1], threads)
    }

    /// The same with dynamic shared memory.
    #[must_use]
    pub const fn with_shared(self, shared_bytes: u32) -> Self {
        Self { shared_bytes, ..self }
    }
}

/// One argument of a kernel. A few of them live on the stack for the time of a launch.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Argument {
    Pointer(Pointer),
    I32(i32),
    I64(i64),
    F32(f32),
    U8(u8),
    U16(u16),
    U64(u64),
    Struct(Struct),
}

/// The most bytes of a struct that a kernel takes by value.
const STRUCT_BYTES: usize = 256;

/// A struct of a kernel's, as it lies in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(16))]
pub struct Struct {
    bytes: [u8; STRUCT_BYTES],
}

impl Struct {
    /// The bytes of `value`, a `#[repr(C)]` struct of numbers with the layout of the kernel's.
    pub fn of<T: Copy>(value: &T) -> Self {
        const { assert!(size_of::<T>() <= STRUCT_BYTES && align_of::<T>() <= 16) };
        let mut bytes = [0u8; STRUCT_BYTES];
        // SAFETY: both are valid for the struct's bytes and do not overlap; padding is copied as it is, and only
        // ever read by the driver as that struct.
        unsafe {
            std::ptr::copy_nonoverlapping(
                std::ptr::from_ref(value).cast(),
                bytes.as_mut_ptr(),
                size_of::<T>(),
            )
        };
        Self { bytes }
    }
}

impl Argument {
    /// Where the driver reads it.
    pub(crate) fn address(&self) -> *mut std::ffi::c_void {
        let at: *const std::ffi::c_void = match self {
            Self::Pointer(pointer) => std::ptr::from_ref(&pointer.0).cast(),
            Self::I32(number) => std::ptr::from_ref(number).cast(),
            Self::I64(number) => std::ptr::from_ref(number).cast(),
            Self::F32(number) => std::ptr::from_ref(number).cast(),
            Self::U8(number) => std::ptr::from_ref(number).cast(),
            Self::U16(number) => std::ptr::from_ref(number).cast(),
            Self::U64(number) => std::ptr::from_ref(number).cast(),
            Self::Struct(bytes) => bytes.bytes.as_ptr().cast(),
        };
        at.cast_mut()
    }
}

macro_rules! from {
    ($($from:ty => $variant:ident),*) => {$(
        impl From<$from> for Argument {
            fn from(value: $from) -> Self {
                Self::$variant(value)
            }
        }
    )*};
}
from!(Pointer => Pointer, i32 => I32, i64 => I64, f32 => F32, u8 => U8, u16 => U16, u64 => U64, Struct => Struct);

impl From<usize> for Argument {
    /// Sizes are `int` in kernels; the host has checked that tensors have fewer than 2^31 elements.
    fn from(value: usize) -> Self {
        Self::I32(i32::try_from(value).unwrap_or(i32::MAX))
    }
}

impl From<bool> for Argument {
    fn from(value: bool) -> Self {
        Self::I32(i32::from(value))
    }
}

impl From<Option<Pointer>> for Argument {
    fn from(value: Option<Pointer>) -> Self {
        Self::Pointer(value.unwrap_or(Pointer::NULL))
    }
}

macro_rules! from_struct {
    ($($from:ty),*) => {$(
        impl From<$from> for Argument {
            fn from(value: $from) -> Self {
                Self::Struct(Struct::of(&value))
            }
        }
    )*};
}
from_struct!(Walk1, Walk2, Walk3);

/// The arguments of a launch.
#[macro_export]
macro_rules! arguments {
    ($($argument:expr),* $(,)?) => { [$($crate::Argument::from($argument)),*] };
}

/// The addresses of arguments, as a launch takes them.
pub(crate) fn addresses(arguments: &[Argument]) -> SmallVec<[*mut std::ffi::c_void; 16]> {
    arguments.iter().map(Argument::address).collect()
}
