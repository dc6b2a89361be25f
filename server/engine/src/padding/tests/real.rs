//! The encoders of `tests/models`, where they were fetched: `GIRANDOLE_REAL_MODELS=target/real-models cargo test -p
//! girandole-engine padding::tests::real -- --ignored`.

use std::path::PathBuf;

use super::{
    exact::{assert_equal, both},
    net::plan_of,
    padding,
};
use crate::value::Tensor;

const ENCODERS: &[&str] = &[
    "minilm_torchscript",
    "minilm_dynamo",
    "minilm_dynamo20",
    "bert_torchscript",
    "bert_dynamo",
    "bert_dynamo20",
];

/// Token ids, a mask that is 0 at the end of the second row, and types.
fn inputs(length: usize) -> Vec<Tensor> {
    let of = |f: fn(usize, usize, usize) -> i64| {
        let all = (0..2).flat_map(|row| (0..length).map(move |place| f(row, place, length)));
        Tensor::from_vec(vec![2, length], all.collect()).unwrap()
    };
    let ids = of(|row, place, _| 1000 + (row * 4099 + place * 977) as i64 % 20000);
    let mask = of(|row, place, length| i64::from(row == 0 || place == 0 || place + 2 < length));
    vec![ids, mask, of(|_, _, _| 0)]
}

#[test]
#[ignore = "needs the real models"]
fn encoders_are_exact() {
    let folder =
        PathBuf::from(std::env::var_os("GIRANDOLE_REAL_MODELS").expect("GIRANDOLE_REAL_MODELS is not set"));
    for name in ENCODERS {
        let plan = plan_of(&folder.join(name).join("1/model.onnx"));
        let found = padding(&plan);
        assert_eq!((found.masks.len(), found.masks[0].index), (1, 1), "{name}");
        assert_eq!(found.longest, Some(512), "{name}");
        for (length, to) in [(1, 8), (5, 8), (13, 16), (30, 48)] {
            let (plain, padded) = both(&plan, &inputs(length), to);
            assert_equal(&plain, &padded, &format!("{name} {length} as {to}"));
        }
    }
}
