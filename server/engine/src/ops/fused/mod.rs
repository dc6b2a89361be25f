//! Operators of the engine's own, which no file names: passes put them in the place of several of ONNX's.
//! They hold their weights packed for the kernels, or, those for a GPU (`convolution`, `embed`, `product`), take
//! them as the file has them. One file each; their answers are those of the pattern
//! that they stand for.

pub(crate) mod activation;
pub(crate) mod attention;
pub(crate) mod by_image;
pub(crate) mod convolution;
pub(crate) mod embed;
pub(crate) mod linear;
pub(crate) mod nbits;
pub(crate) mod nhwc;
pub(crate) mod norm;
pub(crate) mod product;
pub(crate) mod recurrent;
pub(crate) mod rotary;
