//! Rust types of tensor elements, and where each is stored: in candle where it has the type, beside it else.

use std::sync::Arc;

use bytemuck::{Pod, Zeroable};
use bytes::Bytes;
use candle_core::{CpuStorage, Device, WithDType};
use girandole_core::Shape;
use half::{bf16, f16};

use super::{ElemType, tensor::Data, view::View};
use crate::error::Result;

/// A boolean as a byte that is 0 or 1, so that candle's `u8` storage can hold it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug, Pod, Zeroable)]
#[repr(transparent)]
pub struct Bool(u8);

impl Bool {
    /// The byte of `value`.
    pub const fn new(value: bool) -> Self {
        Self(value as u8)
    }

    /// The boolean; any byte but 0 is true.
    pub const fn get(self) -> bool {
        self.0 != 0
    }
}

/// A string of ONNX: bytes, shared.
pub type Text = Bytes;

/// A type that a tensor can hold.
pub trait Element: Clone + Default + PartialEq + Send + Sync + 'static {
    /// Its name in ONNX.
    const ELEM: ElemType;

    /// Storage over `data`, which fits `shape`.
    ///
    /// # Errors
    /// Where candle refuses.
    fn store(shape: &Shape, data: Vec<Self>) -> Result<Data>;

    /// The elements of `data` in row-major order, `None` where it holds another type.
    fn view(data: &Data) -> Option<View<'_, Self>>;
}

macro_rules! in_candle {
    ($($type:ty => $elem:ident),*) => {$(
        impl Element for $type {
            const ELEM: ElemType = ElemType::$elem;

            fn store(shape: &Shape, data: Vec<Self>) -> Result<Data> {
                Ok(Data::Candle(candle_core::Tensor::from_vec(data, shape.to_vec(), &Device::Cpu)?))
            }

            fn view(data: &Data) -> Option<View<'_, Self>> {
                match data {
                    Data::Candle(tensor) => View::of_candle(tensor, <Self as CandleSlice>::slice),
                    _ => None,
                }
            }
        }
    )*};
}

macro_rules! beside_candle {
    ($($type:ty => $elem:ident, $variant:ident);*) => {$(
        impl Element for $type {
            const ELEM: ElemType = ElemType::$elem;

            fn store(_shape: &Shape, data: Vec<Self>) -> Result<Data> {
                Ok(Data::$variant(Arc::new(data)))
            }

            fn view(data: &Data) -> Option<View<'_, Self>> {
                match data {
                    Data::$variant(elements) => Some(View::of_slice(elements)),
                    _ => None,
                }
            }
        }
    )*};
}

in_candle!(u8 => U8, u32 => U32, i16 => I16, i32 => I32, i64 => I64, f16 => F16, bf16 => BF16, f32 => F32, f64 => F64);
beside_candle!(i8 => I8, I8; u16 => U16, U16; u64 => U64, U64; Text => String, Text);

impl Element for Bool {
    const ELEM: ElemType = ElemType::Bool;

    fn store(shape: &Shape, data: Vec<Self>) -> Result<Data> {
        u8::store(shape, bytemuck::allocation::cast_vec(data))
    }

    fn view(data: &Data) -> Option<View<'_, Self>> {
        match data {
            Data::Candle(tensor) => View::of_candle(tensor, |storage| {
                <u8 as CandleSlice>::slice(storage).map(bytemuck::cast_slice)
            }),
            _ => None,
        }
    }
}

trait CandleSlice: Sized {
    fn slice(storage: &CpuStorage) -> Option<&[Self]>;
}

impl<T: WithDType> CandleSlice for T {
    fn slice(storage: &CpuStorage) -> Option<&[Self]> {
        T::cpu_storage_as_slice(storage).ok()
    }
}
