//! `MatMulNBits`: a product with weights of 4 or 8 bits in blocks along the depth. Weights of 4 bits are
//! multiplied as they are where all else is f32; others are unpacked once, when the model is loaded.
//!
//! Weights are `[columns, blocks, bytes of a block]`, the first of two elements in a byte's low half; scales
//! one for each block; zero points packed as the weights, or floats, or 2^(bits - 1).

use std::sync::Arc;

use girandole_kernels::{
    isa::Isa,
    nibbles::{Nibbles, Source},
};

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    onnx::NodeDef,
    ops::{
        Facts, Inputs, Op, Outputs, RunContext,
        function::{Body, FunctionDef},
        fused::nbits::NBits,
        one,
    },
    value::{ElemType, Tensor, checked_len},
};

pub(super) const FUNCTIONS: &[FunctionDef] = &[FunctionDef::microsoft("MatMulNBits", expand)];

/// The most columns, rows, and rows of a block: products of two of them can be counted in bits.
const MOST: usize = 1 << 28;

fn expand(node: &NodeDef<'_>, body: &mut Body<'_>) -> Result<()> {
    if node.has_input(4) {
        return Err(OpError::unsupported("MatMulNBits with g_idx is not supported"));
    }
    let size = |name: &str| {
        let value = node.required_int(name)?;
        let size = usize::try_from(value).ok().filter(|size| (1..=MOST).contains(size));
        size.ok_or_else(|| {
            OpError::invalid(format!("attribute '{name}' must be between 1 and {MOST}, got {value}"))
        })
    };
    let bits = match node.int_or("bits", 4)? {
        4 => 4,
        8 => 8,
        other => {
            return Err(OpError::unsupported(format!(
                "weights of {other} bits are not supported, 4 and 8 are"
            )));
        }
    };
    let unpack = Unpack { depth: size("K")?, columns: size("N")?, block: size("block_size")?, bits };
    let x = body.input(0)?;
    let weights = [&body.input(1)?[..], &body.input(2)?, &body.optional(3)];
    // The scales are of x's type, which is not known yet.
    let floats = node.input_elem(2)? == Some(ElemType::F32);
    let mut y = if floats && bits == 4 && unpack.block.is_multiple_of(2) {
        body.own("MatMulNBits", Product(unpack), &[&x, weights[0], weights[1], weights[2]])
    } else {
        let weights = body.own("UnpackNBits", unpack, &weights);
        body.call("MatMul", &[&x, &weights])
    };
    if node.has_input(5) {
        y = body.call("Add", &[&y, &body.input(5)?]);
    }
    body.give(0, &y);
    Ok(())
}

/// `[x, weights, scales, zero points]` of 4 bits and f32 to the product.
#[derive(Debug)]
pub(crate) struct Product(Unpack);

impl Product {
    /// The weights packed for the kernel.
    ///
    /// # Errors
    /// `Invalid` where they do not fit the sizes.
    pub(crate) fn packed(&self, codes: &Tensor, scales: &Tensor, zeros: Option<&Tensor>) -> Result<Nibbles> {
        let Unpack { depth, columns, block, .. } = self.0;
        let zeros = zeros.map(|zeros| self.0.zeros(zeros)).transpose()?;
        let source = Source {
            k: depth,
            n: columns,
            block,
            codes: &codes.view::<u8>()?,
            scales: &scales.view::<f32>()?,
            zeros: zeros.as_deref(),
        };
        Ok(Nibbles::new(Isa::current(), &source)?)
    }
}

impl Op for Product {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = inputs.shape(0).map(|shape| {
            let rows = shape.iter().take(shape.len().saturating_sub(1)).cloned();
            rows.chain([SymDim::Known(self.0.columns)]).collect()
        });
        Ok(vec![Fact::tensor(Some(ElemType::F32), shape)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let weights = self.packed(inputs.tensor(1)?, inputs.tensor(2)?, inputs.opt_tensor(3)?)?;
        one(NBits { weights: Arc::new(weights), bias: None }.product(inputs.tensor(0)?)?)
    }
}

/// The weights `[depth, columns]`, in the type of the scales.
#[derive(Debug)]
struct Unpack {
    depth: usize,
    columns: usize,
    block: usize,
    bits: usize,
}

impl Op for Unpack {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = Fact::known(ElemType::F32, &[self.depth, self.columns]).shape;
        Ok(vec![Fact::tensor(inputs.elem(1), shape)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let codes = inputs.tensor(0)?.to_vec::<u8>()?;
        let scales = floats(inputs.tensor(1)?)?;
        let zeros = inputs.opt_tensor(2)?.map(|zeros| self.zeros(zeros)).transpose()?;
        let unpacked = self.unpack(&codes, &scales, zeros.as_deref())?;
        let shape = [self.depth, self.columns];
        match inputs.tensor(1)?.elem() {
            ElemType::F16 => {
                one(Tensor::from_vec(&shape[..], unpacked.into_iter().map(half::f16::from_f32).collect())?)
            }
            _ => one(Tensor::from_vec(&shape[..], unpacked)?),
        }
    }
}

impl Unpack {
    const fn blocks(&self) -> usize {
        self.depth.div_ceil(self.block)
    }

    /// One zero point for each block.
    fn zeros(&self, tensor: &Tensor) -> Result<Vec<f32>> {
        if tensor.elem() != ElemType::U8 {
            return floats(tensor);
        }
        let count = checked_len::<f32>(&[self.columns, self.blocks()])?;
        let packed = tensor.to_vec::<u8>()?;
        let row = (self.blocks() * self.bits).div_ceil(8);
        let place = |i: usize| (i / self.blocks() * row, i % self.blocks());
        let code = |i: usize| packed.get(place(i).0..).map_or(0, |row| self.code(row, place(i).1));
        Ok((0..count).map(|i| f32::from(code(i))).collect())
    }

    fn unpack(&self, codes: &[u8], scales: &[f32], zeros: Option<&[f32]>) -> Result<Vec<f32>> {
        let len = checked_len::<f32>(&[self.depth, self.columns])?;
        let (blocks, bytes) = (self.blocks(), (self.block * self.bits).div_ceil(8));
        let count = checked_len::<f32>(&[self.columns, blocks])?;
        let fits = Some(codes.len()) == count.checked_mul(bytes)
            && scales.len() == count
            && zeros.is_none_or(|zeros| zeros.len() == count);
        if !fits {
            return Err(OpError::invalid(format!(
                "weights, scales or zero points do not fit {} columns of {} in blocks of {}",
                self.columns, self.depth, self.block
            )));
        }
        let middle = (1u16 << (self.bits - 1)) as f32;
        let mut out = vec![0.0; len];
        for i in 0..count {
            let (column, first) = (i / blocks, i % blocks * self.block);
            let zero = zeros.map_or(middle, |zeros| zeros[i]);
            let codes = &codes[i * bytes..(i + 1) * bytes];
            for k in 0..self.block.min(self.depth - first) {
                out[(first + k) * self.columns + column] =
                    (f32::from(self.code(codes, k)) - zero) * scales[i];
            }
        }
        Ok(out)
    }

    /// Element `i` of a row of packed ones; 0 beyond its end.
    fn code(&self, packed: &[u8], i: usize) -> u8 {
        let byte = packed.get(i * self.bits / 8).copied().unwrap_or(0);
        match (self.bits, i % 2) {
            (8, _) => byte,
            (_, 0) => byte & 0x0f,
            _ => byte >> 4,
        }
    }
}

fn floats(tensor: &Tensor) -> Result<Vec<f32>> {
    match tensor.elem() {
        ElemType::F32 => tensor.to_vec(),
        ElemType::F16 => Ok(tensor.view::<half::f16>()?.iter().map(|v| v.to_f32()).collect()),
        other => Err(OpError::unsupported(format!("not supported for scales of {other}"))),
    }
}
