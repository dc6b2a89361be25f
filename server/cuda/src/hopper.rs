//! Products with GELU by the error function in their epilogue, on Hopper's own instructions
//! (`kernels/hopper/gemm_act.cu`): for many rows faster than cuBLASLt, which lacks that function, with a kernel after
//! it.

use std::ffi::c_void;

use cudarc::driver::sys::{
    self, CUtensorMap, CUtensorMapDataType_enum as Type, CUtensorMapFloatOOBfill_enum as Fill,
    CUtensorMapInterleave_enum as Interleave, CUtensorMapL2promotion_enum as Promotion,
    CUtensorMapSwizzle_enum as Swizzle,
};

use crate::{
    Argument, Epilogue, Fault, Grid, Kernel, Matmul, Matrix, Number, Pointer, Result, Struct, arguments,
};

/// Rows and columns of the tile that a block makes at a time, and how much of k it fetches at once.
const TILE: [usize; 2] = [128, 192];
const DEPTH: u32 = 64;
const THREADS: u32 = 384;
const SHARED_BYTES: u32 = 224_512;
/// Fewer tiles than this leave multiprocessors idle for too long.
const LEAST_TILES: usize = 96;

/// Whether the kernel takes this product, and gains.
pub(crate) fn takes(matmul: &Matmul) -> bool {
    const VECTOR: usize = 8;
    let Matmul { m, n, k, batch, number, wide, addend, epilogue, alpha, .. } = *matmul;
    let half = matches!(number, Number::F16 | Number::Bf16);
    let plain = batch == 1 && !wide && addend.is_none() && alpha == 1.0 && epilogue == Epilogue::Gelu;
    let laid = !matmul.a.turned && matmul.b.turned && !matmul.out.turned && matmul.out.stride == n;
    let strides = [n, k, matmul.a.stride, matmul.b.stride].iter().all(|size| size.is_multiple_of(VECTOR));
    let aligned = [matmul.a.at, matmul.b.at, matmul.out.at].iter().all(|at| at.alignment() >= 16);
    let tiles = m.div_ceil(TILE[0]) * n.div_ceil(TILE[1]);
    half && plain && laid && strides && aligned && tiles >= LEAST_TILES
}

/// The kernel of a product's type.
pub(crate) const fn kernel(number: Number) -> Kernel {
    Kernel::new("gemm_gelu", if matches!(number, Number::F16) { "f16" } else { "bf16" })
}

/// What the kernel is launched with, on a device of this many multiprocessors.
pub(crate) fn launch(matmul: &Matmul, multiprocessors: u32) -> Result<(Grid, [Argument; 7])> {
    let Matmul { m, n, k, number, .. } = *matmul;
    let x = map(number, &matmul.a, [k, m], TILE[0])?;
    let w = map(number, &matmul.b, [k, n], TILE[1])?;
    let grid = Grid::new([multiprocessors, 1, 1], THREADS).with_shared(SHARED_BYTES);
    Ok((grid, arguments![Struct::of(&x), Struct::of(&w), matmul.bias, matmul.out.at, m, n, k]))
}

/// How the copy engine sees a matrix: `[columns, rows]` numbers, of which it fetches `rows_at_once` rows at a time.
fn map(number: Number, matrix: &Matrix, dims: [usize; 2], rows_at_once: usize) -> Result<[u64; 16]> {
    let kind = match number {
        Number::F16 => Type::CU_TENSOR_MAP_DATA_TYPE_FLOAT16,
        _ => Type::CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
    };
    let Pointer(at) = matrix.at;
    let dims = dims.map(|size| size as u64);
    let strides = [(matrix.stride * number.size()) as u64];
    let boxed = [DEPTH, u32::try_from(rows_at_once).unwrap_or(u32::MAX)];
    let steps = [1u32; 2];
    let mut map = CUtensorMap { opaque: [0; 16] };
    // SAFETY: the arrays have as many elements as the rank says; the map is written before it is read.
    let done = unsafe {
        sys::cuTensorMapEncodeTiled(
            &raw mut map,
            kind,
            2,
            at as *mut c_void,
            dims.as_ptr(),
            strides.as_ptr(),
            boxed.as_ptr(),
            steps.as_ptr(),
            Interleave::CU_TENSOR_MAP_INTERLEAVE_NONE,
            Swizzle::CU_TENSOR_MAP_SWIZZLE_128B,
            Promotion::CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
            Fill::CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE,
        )
    };
    done.result().map_err(Fault::from)?;
    Ok(map.opaque)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(m: usize, n: usize, k: usize) -> Matmul {
        let matrix = |stride, turned| Matrix { at: Pointer(1 << 20), stride, turned, batch: 0 };
        Matmul {
            m,
            n,
            k,
            batch: 1,
            number: Number::F16,
            wide: false,
            a: matrix(k, false),
            b: matrix(k, true),
            out: matrix(n, false),
            addend: None,
            bias: None,
            epilogue: Epilogue::Gelu,
            alpha: 1.0,
        }
    }

    #[test]
    fn only_large_plain_products_of_half_precision_are_taken() {
        assert!(takes(&product(4096, 1536, 384)));
        assert!(!takes(&product(128, 1536, 384)), "too few tiles");
        assert!(!takes(&product(4096, 1537, 384)), "columns that are not 16 bytes apart");
        let whole = product(4096, 1536, 384);
        assert!(!takes(&Matmul { number: Number::F32, ..whole }));
        assert!(!takes(&Matmul { epilogue: Epilogue::Relu, ..whole }));
        assert!(!takes(&Matmul { addend: Some(Pointer(512)), ..whole }));
        assert!(!takes(&Matmul { a: Matrix { at: Pointer(8), ..whole.a }, ..whole }));
    }
}
