//! What requests are held against: models of every element type, of fixed and of shared dimensions.

use std::sync::{Arc, OnceLock};

use girandole_core::{DType, Dim, ModelSpec, TensorSpec};

/// The specifications; made once.
pub(crate) fn all() -> &'static [ModelSpec] {
    static ALL: OnceLock<Vec<ModelSpec>> = OnceLock::new();
    ALL.get_or_init(|| {
        let churn = [("tenure", DType::F32), ("contract", DType::Bytes)];
        let churn = churn.map(|(name, dtype)| TensorSpec::new(name, dtype, &[-1, 1]));
        let every = DType::ALL.map(|dtype| optional(TensorSpec::new(dtype.name(), dtype, &[-1, 2])));
        vec![
            spec(vec![TensorSpec::new("x", DType::F32, &[-1, -1])], 8),
            spec(churn.to_vec(), 4),
            spec(every.to_vec(), 2),
            spec(vec![TensorSpec::new("x", DType::Bytes, &[1])], 0),
            spec(vec![shared("x", &["n", "m"]), shared("y", &["m", "n"])], 0),
            spec(vec![TensorSpec { dims: None, ..TensorSpec::new("x", DType::I64, &[]) }], 0),
        ]
    })
}

fn spec(inputs: Vec<TensorSpec>, max_batch_size: usize) -> ModelSpec {
    ModelSpec { outputs: inputs.clone(), inputs, max_batch_size }
}

fn optional(spec: TensorSpec) -> TensorSpec {
    TensorSpec { optional: true, ..spec }
}

/// Dimensions by their symbols.
fn shared(name: &str, symbols: &[&str]) -> TensorSpec {
    let dims = symbols.iter().map(|&symbol| Dim::Free(Some(Arc::from(symbol)))).collect();
    TensorSpec { dims: Some(dims), ..TensorSpec::new(name, DType::F64, &[]) }
}
