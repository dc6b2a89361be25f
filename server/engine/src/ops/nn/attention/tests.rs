use super::*;
use crate::value::{Bool, Tensor};

fn op() -> Attention {
    Attention {
        heads: (None, None),
        scale: Some(1.0),
        softcap: 0.0,
        causal: false,
        double: false,
        padded_mask: true,
        stage: None,
        cached: false,
    }
}

/// Queries of one feature; the value of key `j` of head `h` is `10 * h + j`, so that what comes out says what
/// was seen.
fn run(
    op: &Attention,
    heads: (usize, usize),
    queries: usize,
    keys: usize,
    rest: Vec<Option<Value>>,
) -> Vec<f32> {
    let tensor =
        |shape: [usize; 4], data: Vec<f32>| Some(Value::Tensor(Tensor::from_vec(&shape[..], data).unwrap()));
    let values = (0..heads.1).flat_map(|h| (0..keys).map(move |j| (10 * h + j) as f32)).collect();
    let mut inputs = vec![
        tensor([1, heads.0, queries, 1], vec![0.0; heads.0 * queries]),
        tensor([1, heads.1, keys, 1], vec![0.0; heads.1 * keys]),
        tensor([1, heads.1, keys, 1], values),
    ];
    inputs.extend(rest);
    op.run::<f32>(&Inputs::new(inputs)).unwrap()[0].tensor().unwrap().to_vec().unwrap()
}

#[test]
fn neighbouring_query_heads_share_a_key_head() {
    assert_eq!(run(&op(), (4, 2), 1, 1, vec![]), [0.0, 0.0, 10.0, 10.0]);
}

#[test]
fn a_causal_query_sees_the_past_and_itself() {
    let causal = Attention { causal: true, ..op() };
    assert_eq!(run(&causal, (1, 1), 3, 3, vec![]), [0.0, 0.5, 1.0]);
    let past = |value: f32| Some(Tensor::from_vec(&[1usize, 1, 1, 1][..], vec![value]).unwrap().into());
    // The past key's value is 6; the first query sees it and the first new one, 0.
    let out = run(&causal, (1, 1), 2, 2, vec![None, past(0.0), past(6.0)]);
    assert_eq!(out, [3.0, 7.0 / 3.0]);
}

#[test]
fn a_query_that_may_see_nothing_gives_zeros() {
    let mask = Tensor::from_bools(vec![2, 2], [false, false, false, true]).unwrap();
    assert_eq!(run(&op(), (1, 1), 2, 2, vec![Some(mask.clone().into())]), [0.0, 1.0]);
    let capped = Attention { softcap: 5.0, ..op() };
    assert_eq!(run(&capped, (1, 1), 2, 2, vec![Some(mask.into())]), [0.0, 1.0]);
}

#[test]
fn keys_behind_a_short_mask_or_beyond_the_valid_ones_are_hidden() {
    let mask = Tensor::from_vec(vec![1, 2], vec![Bool::new(true); 2]).unwrap();
    assert_eq!(run(&op(), (1, 1), 1, 4, vec![Some(mask.into())]), [0.5]);
    let valid = Tensor::from_vec(vec![1], vec![3i64]).unwrap();
    assert_eq!(run(&op(), (1, 1), 1, 4, vec![None, None, None, Some(valid.into())]), [1.0]);
}

#[test]
fn what_does_not_fit_is_an_error() {
    let tensor = |shape: &[usize]| {
        Some(Value::Tensor(Tensor::from_vec(shape, vec![0f32; shape.iter().product()]).unwrap()))
    };
    let misfits: [[&[usize]; 3]; 5] = [
        [&[1, 3, 2, 4], &[1, 2, 2, 4], &[1, 2, 2, 4]],
        [&[1, 2, 2, 4], &[1, 2, 2, 3], &[1, 2, 2, 4]],
        [&[1, 2, 2, 4], &[1, 2, 2, 4], &[1, 2, 3, 4]],
        [&[1, 2, 8], &[1, 2, 8], &[1, 2, 8]],
        [&[2, 1, 2, 4], &[1, 1, 2, 4], &[1, 1, 2, 4]],
    ];
    for [q, k, v] in misfits {
        assert!(op().run::<f32>(&Inputs::new(vec![tensor(q), tensor(k), tensor(v)])).is_err(), "{q:?}");
    }
}
