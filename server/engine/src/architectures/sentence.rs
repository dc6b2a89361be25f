//! The modules that sentence-transformers puts behind an encoder: one vector for a text, by default of length 1.
//!
//! They are listed in `modules.json` beside the model; the pooling has a `config.json` in a folder of its own.
//! <https://sbert.net/docs/package_reference/sentence_transformer/models.html>

use girandole_core::Files;
use girandole_proto::onnx::tensor_proto::DataType;
use serde::Deserialize;

use super::{
    document::{self, MAX_BYTES},
    heads::{self, Encoded},
    network::{Network, Value},
};
use crate::{
    error::{OpError, Result},
    ops::function::int,
    safetensors::text_beside,
};

const MODULES: &str = "modules.json";

/// What is done with the states of a text's tokens.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sentence {
    pooling: Pooling,
    /// Whether vectors get length 1.
    normalize: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pooling {
    /// The first token's.
    First,
    /// The mean of those that are seen.
    Mean,
    /// The largest of those that are seen, number by number.
    Max,
}

/// An entry of `modules.json`.
#[derive(Deserialize)]
struct Module {
    path: String,
    r#type: String,
}

/// The pooling's `config.json`: which of its kinds are on, or, from newer versions, a name.
#[derive(Default, Deserialize)]
#[serde(default)]
struct PoolingConfig {
    pooling_mode: Option<String>,
    pooling_mode_cls_token: bool,
    pooling_mode_mean_tokens: bool,
    pooling_mode_max_tokens: bool,
    pooling_mode_mean_sqrt_len_tokens: bool,
    pooling_mode_weightedmean_tokens: bool,
    pooling_mode_lasttoken: bool,
}

impl PoolingConfig {
    /// The only kind that is on.
    fn kind(&self) -> Option<Pooling> {
        let others = self.pooling_mode_mean_sqrt_len_tokens
            || self.pooling_mode_weightedmean_tokens
            || self.pooling_mode_lasttoken;
        let flags =
            [self.pooling_mode_cls_token, self.pooling_mode_mean_tokens, self.pooling_mode_max_tokens];
        match (self.pooling_mode.as_deref(), flags, others) {
            (Some("cls"), ..) | (None, [true, false, false], false) => Some(Pooling::First),
            (Some("mean"), ..) | (None, [false, true, false], false) => Some(Pooling::Mean),
            (Some("max"), ..) | (None, [false, false, true], false) => Some(Pooling::Max),
            _ => None,
        }
    }
}

impl Sentence {
    /// The modules behind the encoder; `None` where the model is the encoder alone.
    ///
    /// # Errors
    /// `Unsupported` for modules that are not known, `Invalid` for files that are none.
    pub(super) fn read(files: &dyn Files) -> Result<Option<Self>> {
        let Some(text) = text_beside(files, MODULES, MAX_BYTES)? else { return Ok(None) };
        let modules: Vec<Module> = document::parse(MODULES, &text)?;
        let kinds: Vec<_> = modules.iter().map(|module| (module.kind(), module.path.as_str())).collect();
        let (pooling, normalize) = match kinds[..] {
            [("Transformer", "")] => return Ok(None),
            [("Transformer", ""), ("Pooling", path)] => (path, false),
            [("Transformer", ""), ("Pooling", path), ("Normalize", _)] => (path, true),
            _ => {
                let found: Vec<_> = kinds.iter().map(|(kind, path)| format!("{kind} in '{path}'")).collect();
                return Err(OpError::unsupported(format!(
                    "{MODULES}: expected a Transformer beside it, a Pooling, and perhaps a Normalize; got {}",
                    found.join(", ")
                )));
            }
        };
        Ok(Some(Self { pooling: Pooling::read(files, pooling)?, normalize }))
    }

    /// States `[batch, sequence, width]` to `[batch, width]`.
    pub(super) fn build(&self, network: &mut Network<'_>, encoded: &Encoded) -> Value {
        let pooled = self.pooling.build(network, encoded);
        if !self.normalize {
            return pooled;
        }
        network.enter("Normalize");
        let last = network.ints(&[-1]);
        let length = network.call("ReduceL2", &[&pooled, &last]);
        let least = network.float(1e-12);
        let length = network.call("Max", &[&length, &least]);
        network.call("Div", &[&pooled, &length])
    }
}

impl Module {
    /// The class, without the package that it is from.
    fn kind(&self) -> &str {
        self.r#type.rsplit('.').next().unwrap_or_default()
    }
}

impl Pooling {
    fn read(files: &dyn Files, folder: &str) -> Result<Self> {
        let name = format!("{folder}/config.json");
        let text = text_beside(files, &name, MAX_BYTES)?
            .ok_or_else(|| OpError::invalid(format!("'{name}' is missing, which {MODULES} names")))?;
        let config: PoolingConfig = document::parse(&name, &text)?;
        config.kind().ok_or_else(|| {
            OpError::unsupported(format!("{name}: expected exactly one pooling mode of cls, mean and max"))
        })
    }

    fn build(self, network: &mut Network<'_>, encoded: &Encoded) -> Value {
        if self == Self::First {
            return heads::first(network, encoded);
        }
        network.enter("Pooling");
        let (last, sequence) = (network.ints(&[-1]), network.ints(&[1]));
        let seen = network.call("Unsqueeze", &[&encoded.attention_mask, &last]);
        let whole = vec![int("keepdims", 0)];
        if self == Self::Max {
            let seen = network.call_with("Cast", &[&seen], vec![int("to", DataType::Bool as i64)]);
            let least = network.float(-1e9);
            let states = network.call("Where", &[&seen, &encoded.states, &least]);
            return network.call_with("ReduceMax", &[&states, &sequence], whole);
        }
        let seen = network.call_with("Cast", &[&seen], vec![int("to", DataType::Float as i64)]);
        let states = network.call("Mul", &[&encoded.states, &seen]);
        let sum = network.call_with("ReduceSum", &[&states, &sequence], whole.clone());
        let count = network.call_with("ReduceSum", &[&seen, &sequence], whole);
        let least = network.float(1e-9);
        let count = network.call("Max", &[&count, &least]);
        network.call("Div", &[&sum, &count])
    }
}
