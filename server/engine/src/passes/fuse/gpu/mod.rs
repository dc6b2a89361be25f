//! Rules for a GPU: products, convolutions and embeddings take in what follows them, their weights left as they
//! are.

pub(super) mod convolution;
pub(super) mod embed;
pub(super) mod product;
