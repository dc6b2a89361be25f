//! The layers that architectures share, each a module of PyTorch by the name that its tensors begin with.

use girandole_proto::onnx::AttributeProto;
use serde::Deserialize;

use super::network::{Network, Value};
use crate::{
    error::Result,
    ops::function::{float, int, string},
};

/// A function of each element, or of each row, as transformers and PyTorch name them.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Activation {
    Gelu,
    #[serde(alias = "gelu_new", alias = "gelu_fast", alias = "gelu_pytorch_tanh")]
    GeluTanh,
    Relu,
    LeakyRelu,
    Elu,
    #[serde(alias = "swish")]
    Silu,
    Tanh,
    Sigmoid,
    Softplus,
    Softmax,
    LogSoftmax,
}

impl Activation {
    /// The operator and its attributes; SiLU is spelled out.
    fn operator(self) -> (&'static str, Vec<AttributeProto>) {
        match self {
            Self::Gelu => ("Gelu", vec![string("approximate", "none")]),
            Self::GeluTanh => ("Gelu", vec![string("approximate", "tanh")]),
            Self::Relu => ("Relu", Vec::new()),
            Self::LeakyRelu => ("LeakyRelu", vec![float("alpha", 0.01)]),
            Self::Elu => ("Elu", vec![float("alpha", 1.0)]),
            Self::Tanh => ("Tanh", Vec::new()),
            Self::Silu | Self::Sigmoid => ("Sigmoid", Vec::new()),
            Self::Softplus => ("Softplus", Vec::new()),
            Self::Softmax => ("Softmax", vec![int("axis", -1)]),
            Self::LogSoftmax => ("LogSoftmax", vec![int("axis", -1)]),
        }
    }
}

/// The name of a module's tensor; a model that is one module has tensors without a beginning.
pub(super) fn within(module: &str, tensor: &str) -> String {
    if module.is_empty() { tensor.to_owned() } else { format!("{module}.{tensor}") }
}

impl Network<'_> {
    /// `nn.Linear` of weights `[out, in]`, with or without a bias: `[.., in]` to `[.., out]`.
    pub(super) fn linear(&mut self, module: &str, x: &Value, shape: [usize; 2]) -> Result<Value> {
        self.enter(module);
        let weights = self.transposed(&within(module, "weight"), shape)?;
        let product = self.call("MatMul", &[x, &weights]);
        let bias = within(module, "bias");
        if self.shape(&bias).is_none() {
            return Ok(product);
        }
        let bias = self.weight(&bias, &shape[..1])?;
        Ok(self.call("Add", &[&product, &bias]))
    }

    /// `nn.Embedding` of `[rows, width]`: indices to rows.
    pub(super) fn embedding(&mut self, module: &str, indices: &Value, shape: [usize; 2]) -> Result<Value> {
        self.enter(module);
        let table = self.weight(&within(module, "weight"), &shape)?;
        Ok(self.call("Gather", &[&table, indices]))
    }

    /// `nn.LayerNorm` over the last dimension; `gamma` and `beta` are what old files name its tensors.
    pub(super) fn layer_norm(&mut self, module: &str, x: &Value, width: usize, eps: f32) -> Result<Value> {
        self.enter(module);
        let old = self.shape(&within(module, "gamma")).is_some();
        let names = if old { ["gamma", "beta"] } else { ["weight", "bias"] };
        let [scale, shift] = names.map(|name| self.weight(&within(module, name), &[width]));
        Ok(self.call_with("LayerNormalization", &[x, &scale?, &shift?], vec![float("epsilon", eps)]))
    }

    /// `nn.BatchNorm1d` of `[batch, width]`.
    pub(super) fn batch_norm(&mut self, module: &str, x: &Value, width: usize, eps: f32) -> Result<Value> {
        self.enter(module);
        let [scale, shift, mean, variance] = ["weight", "bias", "running_mean", "running_var"]
            .map(|name| self.weight(&within(module, name), &[width]));
        let inputs = [x, &scale?, &shift?, &mean?, &variance?];
        Ok(self.call_with("BatchNormalization", &inputs, vec![float("epsilon", eps)]))
    }

    /// A function of `x`.
    pub(super) fn activate(&mut self, x: &Value, activation: Activation) -> Value {
        let (operator, attributes) = activation.operator();
        let y = self.call_with(operator, &[x], attributes);
        if activation == Activation::Silu { self.call("Mul", &[x, &y]) } else { y }
    }
}
