//! Products of matrices by cuBLASLt: how each shape is multiplied is found out once ([`choice`]) and kept.
//!
//! cuBLASLt thinks in columns. A row-major `[m, n]` is to it `[n, m]`, so it is asked for `out^T = b^T a^T`.

mod choice;

use std::{
    collections::{HashMap, hash_map::Entry},
    ffi::c_void,
};

use cudarc::{
    cublaslt::{
        result as lt,
        sys::{
            self, cublasComputeType_t as Compute, cublasLtEpilogue_t as LtEpilogue,
            cublasLtMatmulDescAttributes_t as Describes, cublasLtMatrixLayoutAttribute_t as Lays,
            cudaDataType_t as Type,
        },
    },
    driver::{result, sys::CUstream},
};

use crate::{Epilogue, Fault, Matmul, Matrix, Number, Pointer, Result, device::Device};

/// Memory for products that are split along k; what NVIDIA recommends for its newest devices.
pub(crate) const WORKSPACE: usize = 32 << 20;

/// The library's state for one device.
pub(crate) struct Handle(sys::cublasLtHandle_t);

// SAFETY: NVIDIA's documentation has the library's functions thread-safe, also with the same handle.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Handle {
    /// For the current context.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(lt::create_handle()?))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is this value's own.
        let _ = unsafe { lt::destroy_handle(self.0) };
    }
}

/// The plans made so far, for one stream.
pub(crate) struct Gemm {
    workspace: Pointer,
    stream: CUstream,
    plans: HashMap<Key, Plan>,
}

// SAFETY: the handles are addresses of the library's; one thread at a time uses them.
unsafe impl Send for Gemm {}

/// All that a plan depends on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    sizes: [usize; 4],
    number: Number,
    wide: bool,
    /// Stride, whether it is turned, and the batch's stride, of a, b and the result.
    matrices: [(usize, bool, usize); 3],
    has_addend: bool,
    has_bias: bool,
    epilogue: Epilogue,
    alignments: [u32; 4],
}

struct Plan {
    operation: sys::cublasLtMatmulDesc_t,
    /// Of b, a and the result, in that order.
    layouts: [sys::cublasLtMatrixLayout_t; 3],
    algorithm: sys::cublasLtMatmulAlgo_t,
}

impl Gemm {
    /// For a stream of the current context.
    pub(crate) fn new(stream: CUstream, device: &Device) -> Result<Self> {
        let workspace = device.allocate(WORKSPACE)?;
        Ok(Self { workspace, stream, plans: HashMap::new() })
    }

    /// Puts a product into the stream.
    pub(crate) fn run(&mut self, handle: &Handle, matmul: &Matmul) -> Result<()> {
        let on = On { handle, workspace: self.workspace, stream: self.stream };
        match self.plans.entry(Key::of(matmul)) {
            Entry::Occupied(plan) => plan.get().launch(&on, matmul, &plan.get().algorithm),
            Entry::Vacant(new) => {
                let plan = new.insert(plan(&on, matmul)?);
                plan.launch(&on, matmul, &plan.algorithm)
            }
        }
    }
}

/// Where products are put.
struct On<'a> {
    handle: &'a Handle,
    workspace: Pointer,
    stream: CUstream,
}

/// How a product is to be multiplied.
fn plan(on: &On<'_>, matmul: &Matmul) -> Result<Plan> {
    let Matmul { m, n, k, number, .. } = *matmul;
    let compute = match number {
        Number::Tf32 => Compute::CUBLAS_COMPUTE_32F_FAST_TF32,
        Number::F32 | Number::F16 | Number::Bf16 => Compute::CUBLAS_COMPUTE_32F,
    };
    let operation = lt::create_matmul_desc(compute, Type::CUDA_R_32F)?;
    let out_type = if matmul.wide { Type::CUDA_R_32F } else { type_of(number) };
    let layouts = [
        layout(type_of(number), [n, k], &matmul.b, matmul.batch)?,
        layout(type_of(number), [k, m], &matmul.a, matmul.batch)?,
        layout(out_type, [n, m], &matmul.out, matmul.batch)?,
    ];
    // SAFETY: zeros are a valid algorithm's bytes; it is overwritten before it is used.
    let mut plan = Plan { operation, layouts, algorithm: unsafe { std::mem::zeroed() } };
    plan.describe(Describes::CUBLASLT_MATMUL_DESC_TRANSA, &i32::from(matmul.b.turned))?;
    plan.describe(Describes::CUBLASLT_MATMUL_DESC_TRANSB, &i32::from(matmul.a.turned))?;
    plan.describe(Describes::CUBLASLT_MATMUL_DESC_EPILOGUE, &(epilogue(matmul) as u32))?;
    plan.algorithm = choice::fastest(on, &plan, matmul)?;
    Ok(plan)
}

impl Drop for Gemm {
    fn drop(&mut self) {
        // SAFETY: all of it is this value's own, and the stream's work has been waited for by its owner.
        unsafe {
            let _ = result::free_sync(self.workspace.0);
            for plan in self.plans.values() {
                let _ = lt::destroy_matmul_desc(plan.operation);
                for layout in plan.layouts {
                    let _ = lt::destroy_matrix_layout(layout);
                }
            }
        }
    }
}

impl Plan {
    /// Puts the product into the stream, multiplied by `algorithm`.
    fn launch(&self, on: &On<'_>, matmul: &Matmul, algorithm: &sys::cublasLtMatmulAlgo_t) -> Result<()> {
        if let Some(Pointer(bias)) = matmul.bias {
            self.describe(Describes::CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias)?;
        }
        let beta = f32::from(u8::from(matmul.addend.is_some()));
        let [b, a, out] = self.layouts;
        let at = |pointer: Pointer| pointer.0 as *mut c_void;
        // SAFETY: the plan's handles live as long as this value; the caller vouches for the pointers.
        unsafe {
            lt::matmul(
                on.handle.0,
                self.operation,
                std::ptr::from_ref(&matmul.alpha).cast(),
                std::ptr::from_ref(&beta).cast(),
                at(matmul.b.at),
                b,
                at(matmul.a.at),
                a,
                at(matmul.addend.unwrap_or(matmul.out.at)),
                out,
                at(matmul.out.at),
                out,
                algorithm,
                at(on.workspace),
                WORKSPACE,
                on.stream.cast(),
            )?;
        }
        Ok(())
    }

    fn describe<T>(&self, attribute: Describes, value: &T) -> Result<()> {
        // SAFETY: each attribute is set with the type that it takes.
        unsafe {
            lt::set_matmul_desc_attribute(
                self.operation,
                attribute,
                std::ptr::from_ref(value).cast(),
                size_of::<T>(),
            )?;
        }
        Ok(())
    }
}

impl Key {
    fn of(matmul: &Matmul) -> Self {
        let of = |matrix: &Matrix| (matrix.stride, matrix.turned, matrix.batch);
        let addend = matmul.addend.unwrap_or(matmul.out.at);
        Self {
            sizes: [matmul.m, matmul.n, matmul.k, matmul.batch],
            number: matmul.number,
            wide: matmul.wide,
            matrices: [of(&matmul.a), of(&matmul.b), of(&matmul.out)],
            has_addend: matmul.addend.is_some(),
            has_bias: matmul.bias.is_some(),
            epilogue: matmul.epilogue,
            alignments: [matmul.a.at, matmul.b.at, addend, matmul.out.at].map(Pointer::alignment),
        }
    }
}

/// The layout of a row-major matrix, which in columns is `[rows, columns]`, of a turned one the other way round.
fn layout(
    kind: Type,
    [rows, columns]: [usize; 2],
    matrix: &Matrix,
    batch: usize,
) -> Result<sys::cublasLtMatrixLayout_t> {
    let (rows, columns) = if matrix.turned { (columns, rows) } else { (rows, columns) };
    let layout = lt::create_matrix_layout(kind, rows as u64, columns as u64, matrix.stride as i64)?;
    if batch > 1 {
        let count = i32::try_from(batch).map_err(|_| Fault::Failed("too many products at once".into()))?;
        let stride = matrix.batch as i64;
        // SAFETY: each attribute is set with the type that it takes.
        unsafe {
            let count = std::ptr::from_ref(&count).cast();
            lt::set_matrix_layout_attribute(
                layout,
                Lays::CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT,
                count,
                size_of::<i32>(),
            )?;
            let stride = std::ptr::from_ref(&stride).cast();
            let attribute = Lays::CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET;
            lt::set_matrix_layout_attribute(layout, attribute, stride, size_of::<i64>())?;
        }
    }
    Ok(layout)
}

const fn type_of(number: Number) -> Type {
    match number {
        Number::F32 | Number::Tf32 => Type::CUDA_R_32F,
        Number::F16 => Type::CUDA_R_16F,
        Number::Bf16 => Type::CUDA_R_16BF,
    }
}

const fn epilogue(matmul: &Matmul) -> LtEpilogue {
    match (matmul.epilogue, matmul.bias.is_some()) {
        (Epilogue::None, false) => LtEpilogue::CUBLASLT_EPILOGUE_DEFAULT,
        (Epilogue::None, true) => LtEpilogue::CUBLASLT_EPILOGUE_BIAS,
        (Epilogue::Relu, false) => LtEpilogue::CUBLASLT_EPILOGUE_RELU,
        (Epilogue::Relu, true) => LtEpilogue::CUBLASLT_EPILOGUE_RELU_BIAS,
        (Epilogue::GeluTanh, false) => LtEpilogue::CUBLASLT_EPILOGUE_GELU,
        (Epilogue::GeluTanh, true) => LtEpilogue::CUBLASLT_EPILOGUE_GELU_BIAS,
        // The library has no such function: a queue does not say that it applies it.
        (Epilogue::Gelu, false) => LtEpilogue::CUBLASLT_EPILOGUE_DEFAULT,
        (Epilogue::Gelu, true) => LtEpilogue::CUBLASLT_EPILOGUE_BIAS,
    }
}
