//! Convolutions by cuDNN's fused call (convolution, addend, bias and ReLU in one kernel).
//!
//! cuDNN's own search for the fastest algorithm picks worse ones for the fused call than `IMPLICIT_PRECOMP_GEMM`,
//! which also is the only one that it fuses with no activation: measured in `docs/performance.md`.

use std::{
    collections::{HashMap, hash_map::Entry},
    ffi::c_void,
    ptr::null_mut,
    sync::OnceLock,
};

use cudarc::{
    cudnn::sys::{self, cudnnDataType_t as Type, cudnnMathType_t as Math, cudnnTensorFormat_t as Format},
    driver::{result, sys::CUstream},
};

use crate::{Convolution, ConvolutionShape, Fault, Number, Pointer, Result, device::Device};

const ALGORITHM: sys::cudnnConvolutionFwdAlgo_t =
    sys::cudnnConvolutionFwdAlgo_t::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;

/// A handle and what it has been asked so far, for one stream.
pub(crate) struct Dnn {
    handle: sys::cudnnHandle_t,
    plans: HashMap<ConvolutionShape, Plan>,
    /// The last one is the largest. The others stay: graphs may have been captured with them.
    workspaces: Vec<(Pointer, usize)>,
}

// SAFETY: the handles are addresses of the library's; one thread at a time uses them.
unsafe impl Send for Dnn {}

/// Whether the library is on this machine.
pub(crate) fn is_present() -> bool {
    static PRESENT: OnceLock<bool> = OnceLock::new();
    // SAFETY: looking for a library runs only its own initialisers.
    *PRESENT.get_or_init(|| unsafe { sys::is_culib_present() })
}

struct Plan {
    input: sys::cudnnTensorDescriptor_t,
    output: sys::cudnnTensorDescriptor_t,
    bias: sys::cudnnTensorDescriptor_t,
    filters: sys::cudnnFilterDescriptor_t,
    convolution: sys::cudnnConvolutionDescriptor_t,
    activation: sys::cudnnActivationDescriptor_t,
    workspace: usize,
}

impl Dnn {
    /// For a stream of the current context.
    pub(crate) fn new(stream: CUstream) -> Result<Self> {
        if !is_present() {
            return Err(Fault::Missing("cuDNN (libcudnn.so.9) is not on this machine".into()));
        }
        let mut handle = null_mut();
        // SAFETY: the handle is written before it is used.
        unsafe {
            sys::cudnnCreate(&raw mut handle).result()?;
            sys::cudnnSetStream(handle, stream.cast()).result()?;
        }
        Ok(Self { handle, plans: HashMap::new(), workspaces: Vec::new() })
    }

    /// Bytes of all workspaces.
    pub(crate) fn workspaces(&self) -> usize {
        self.workspaces.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Puts a convolution into the stream.
    pub(crate) fn run(&mut self, device: &Device, convolution: &Convolution) -> Result<()> {
        let shape = &convolution.shape;
        let plan = match self.plans.entry(*shape) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Plan::new(self.handle, shape)?),
        };
        let (workspace, bytes) = workspace(device, &mut self.workspaces, plan.workspace)?;
        let (one, zero) = (1f32, 0f32);
        let number = |of: &f32| std::ptr::from_ref(of).cast::<c_void>();
        let at = |pointer: Pointer| pointer.0 as *mut c_void;
        // SAFETY: the plan's descriptors live as long as this value; the caller vouches for the pointers.
        let done = unsafe {
            sys::cudnnConvolutionBiasActivationForward(
                self.handle,
                number(&one),
                plan.input,
                at(convolution.input),
                plan.filters,
                at(convolution.filters),
                plan.convolution,
                ALGORITHM,
                at(workspace),
                bytes,
                number(if convolution.addend.is_some() { &one } else { &zero }),
                plan.output,
                at(convolution.addend.unwrap_or(convolution.output)),
                plan.bias,
                at(convolution.bias),
                plan.activation,
                plan.output,
                at(convolution.output),
            )
        };
        Ok(done.result()?)
    }
}

/// At least `bytes` to work in.
fn workspace(device: &Device, made: &mut Vec<(Pointer, usize)>, bytes: usize) -> Result<(Pointer, usize)> {
    match made.last() {
        Some(&last) if last.1 >= bytes => Ok(last),
        _ if bytes == 0 => Ok((Pointer::NULL, 0)),
        _ => {
            let new = (device.allocate(bytes)?, bytes);
            made.push(new);
            Ok(new)
        }
    }
}

impl Plan {
    fn new(handle: sys::cudnnHandle_t, shape: &ConvolutionShape) -> Result<Self> {
        let mut plan = Self {
            input: null_mut(),
            output: null_mut(),
            bias: null_mut(),
            filters: null_mut(),
            convolution: null_mut(),
            activation: null_mut(),
            workspace: 0,
        };
        let ConvolutionShape { batch, input, output, kernel, groups, .. } = *shape;
        let [channels, ..] = output;
        let [depth, ..] = input;
        let format = if shape.channels_last { Format::CUDNN_TENSOR_NHWC } else { Format::CUDNN_TENSOR_NCHW };
        let kind = type_of(shape.number);
        // SAFETY: every descriptor is made before it is set, and set before it is used.
        unsafe {
            images(&mut plan.input, format, kind, batch, input)?;
            images(&mut plan.output, format, kind, batch, output)?;
            images(&mut plan.bias, format, kind, 1, [channels, 1, 1])?;
            sys::cudnnCreateFilterDescriptor(&raw mut plan.filters).result()?;
            let [height, width] = kernel.map(int);
            let (channels, depth) = (int(channels), int(depth / groups.max(1)));
            sys::cudnnSetFilter4dDescriptor(plan.filters, kind, format, channels, depth, height, width)
                .result()?;
            plan.set_convolution(shape)?;
            plan.set_activation(shape.relu)?;
            sys::cudnnGetConvolutionForwardWorkspaceSize(
                handle,
                plan.input,
                plan.filters,
                plan.convolution,
                plan.output,
                ALGORITHM,
                &raw mut plan.workspace,
            )
            .result()?;
        }
        Ok(plan)
    }

    unsafe fn set_convolution(&mut self, shape: &ConvolutionShape) -> Result<()> {
        let ([top, left], [down, across]) = (shape.pads.map(int), shape.strides.map(int));
        let [tall, wide] = shape.dilations.map(int);
        let mode = sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION;
        let math = match shape.number {
            Number::F32 => Math::CUDNN_FMA_MATH,
            Number::Tf32 => Math::CUDNN_DEFAULT_MATH,
            Number::F16 | Number::Bf16 => Math::CUDNN_TENSOR_OP_MATH,
        };
        // SAFETY: the descriptor is made first.
        unsafe {
            sys::cudnnCreateConvolutionDescriptor(&raw mut self.convolution).result()?;
            sys::cudnnSetConvolution2dDescriptor(
                self.convolution,
                top,
                left,
                down,
                across,
                tall,
                wide,
                mode,
                Type::CUDNN_DATA_FLOAT,
            )
            .result()?;
            sys::cudnnSetConvolutionMathType(self.convolution, math).result()?;
            Ok(sys::cudnnSetConvolutionGroupCount(self.convolution, int(shape.groups)).result()?)
        }
    }

    unsafe fn set_activation(&mut self, relu: bool) -> Result<()> {
        let mode = if relu {
            sys::cudnnActivationMode_t::CUDNN_ACTIVATION_RELU
        } else {
            sys::cudnnActivationMode_t::CUDNN_ACTIVATION_IDENTITY
        };
        let nan = sys::cudnnNanPropagation_t::CUDNN_PROPAGATE_NAN;
        // SAFETY: the descriptor is made first.
        unsafe {
            sys::cudnnCreateActivationDescriptor(&raw mut self.activation).result()?;
            Ok(sys::cudnnSetActivationDescriptor(self.activation, mode, nan, 0.0).result()?)
        }
    }
}

/// Describes images of channels, height and width.
unsafe fn images(
    descriptor: &mut sys::cudnnTensorDescriptor_t,
    format: Format,
    kind: Type,
    batch: usize,
    [channels, height, width]: [usize; 3],
) -> Result<()> {
    // SAFETY: the descriptor is made first.
    unsafe {
        sys::cudnnCreateTensorDescriptor(descriptor).result()?;
        let (batch, channels, height, width) = (int(batch), int(channels), int(height), int(width));
        Ok(sys::cudnnSetTensor4dDescriptor(*descriptor, format, kind, batch, channels, height, width)
            .result()?)
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        // SAFETY: the descriptors are this value's own; those never made are null, which is refused.
        unsafe {
            let _ = sys::cudnnDestroyTensorDescriptor(self.input);
            let _ = sys::cudnnDestroyTensorDescriptor(self.output);
            let _ = sys::cudnnDestroyTensorDescriptor(self.bias);
            let _ = sys::cudnnDestroyFilterDescriptor(self.filters);
            let _ = sys::cudnnDestroyConvolutionDescriptor(self.convolution);
            let _ = sys::cudnnDestroyActivationDescriptor(self.activation);
        }
    }
}

impl Drop for Dnn {
    fn drop(&mut self) {
        self.plans.clear();
        // SAFETY: all of it is this value's own, and the stream's work has been waited for by its owner.
        unsafe {
            for (at, _) in &self.workspaces {
                let _ = result::free_sync(at.0);
            }
            let _ = sys::cudnnDestroy(self.handle);
        }
    }
}

const fn type_of(number: Number) -> Type {
    match number {
        Number::F32 | Number::Tf32 => Type::CUDNN_DATA_FLOAT,
        Number::F16 => Type::CUDNN_DATA_HALF,
        Number::Bf16 => Type::CUDNN_DATA_BFLOAT16,
    }
}

/// Sizes are `int` to the library; one that is too large is refused by it.
fn int(size: usize) -> i32 {
    i32::try_from(size).unwrap_or(-1)
}
