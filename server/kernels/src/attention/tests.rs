//! Against the definition in `f64`, for every instruction set.

use super::*;

/// Numbers that look random, between -1 and 1.
fn values(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn element(heads: &Heads<'_>, [b, h, r, c]: [usize; 4]) -> f64 {
    f64::from(heads.data[heads.start + b * heads.batch + h * heads.head + r * heads.row + c])
}

fn exact(a: &Attention<'_>) -> Vec<f64> {
    let Sizes { batch, heads, key_heads, queries, keys, depth, width } = a.sizes;
    let mut out = vec![0.0; batch * heads * queries * width];
    for (b, h, q) in
        (0..batch * heads * queries).map(|i| (i / (heads * queries), i / queries % heads, i % queries))
    {
        let kh = h / (heads / key_heads);
        let score = |k: usize| {
            let dot: f64 =
                (0..depth).map(|c| element(&a.query, [b, h, q, c]) * element(&a.key, [b, kh, k, c])).sum();
            let scaled = dot * f64::from(a.scale);
            let masked = a.mask.map_or(scaled, |mask| {
                let place: usize = [b, h, q, k].iter().zip(mask.strides).map(|(i, stride)| i * stride).sum();
                let number = f64::from(mask.data[place]);
                match mask.masking {
                    Masking::Add => scaled + number,
                    Masking::Replace if number < 0.0 => number,
                    Masking::Replace => scaled,
                }
            });
            let last = a.causal.map_or(isize::MAX, |offset| q.cast_signed().saturating_add(offset));
            if k.cast_signed() <= last { masked } else { f64::NEG_INFINITY }
        };
        let scores: Vec<f64> = (0..keys).map(score).collect();
        let max = scores.iter().fold(f64::NEG_INFINITY, |max, &s| max.max(s));
        let all: Vec<f64> = scores.iter().map(|s| (s - max).exp()).collect();
        let sum: f64 = all.iter().sum();
        for c in 0..width {
            let answer: f64 = (0..keys).map(|k| all[k] * element(&a.value, [b, kh, k, c])).sum();
            let unseen = max == f64::NEG_INFINITY && a.unseen == Unseen::Zeros;
            out[a.place(b, h, q) + c] = if unseen { 0.0 } else { answer / sum };
        }
    }
    out
}

fn assert_close(came: &[f32], exact: &[f64], what: &str) {
    assert_eq!(came.len(), exact.len(), "{what}");
    for (i, (&came, &exact)) in came.iter().zip(exact).enumerate() {
        let both_nan = came.is_nan() && exact.is_nan();
        assert!(
            both_nan || (f64::from(came) - exact).abs() < 2e-6 + 1e-5 * exact.abs(),
            "{what} [{i}]: {came} {exact}"
        );
    }
}

/// Heads side by side in rows, as projections leave them.
fn rows_first(data: &[f32], heads: usize, rows: usize, width: usize) -> Heads<'_> {
    Heads { data, start: 0, batch: rows * heads * width, head: width, row: heads * width }
}

/// One head after the other.
fn heads_first(data: &[f32], heads: usize, rows: usize, width: usize) -> Heads<'_> {
    Heads { data, start: 0, batch: heads * rows * width, head: rows * width, row: width }
}

const BASE: Sizes = Sizes { batch: 2, heads: 3, key_heads: 3, queries: 5, keys: 7, depth: 8, width: 8 };

fn check(sizes: Sizes, mask: Option<Mask<'_>>, order: Order) {
    check_hidden(sizes, mask, order, (None, Unseen::Nan));
}

fn check_hidden(
    sizes: Sizes,
    mask: Option<Mask<'_>>,
    order: Order,
    (causal, unseen): (Option<isize>, Unseen),
) {
    let Sizes { batch, heads, key_heads, queries, keys, depth, width } = sizes;
    let q = values(batch * heads * queries * depth, 1);
    let k = values(batch * key_heads * keys * depth, 2);
    let v = values(batch * key_heads * keys * width, 3);
    let attention = Attention {
        sizes,
        query: rows_first(&q, heads, queries, depth),
        key: heads_first(&k, key_heads, keys, depth),
        value: rows_first(&v, key_heads, keys, width),
        scale: 1.7,
        mask,
        causal,
        unseen,
        order,
    };
    let exact = exact(&attention);
    for isa in Isa::available() {
        let came = attention.with(isa).unwrap();
        assert_close(&came, &exact, &format!("{isa:?} {sizes:?}"));
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long")]
fn sizes_of_every_remainder_match_the_definition() {
    for queries in [1, 2, 3, 6, 11, 12, 13, 29] {
        check(Sizes { queries, ..BASE }, None, Order::RowsFirst);
    }
    for keys in [1, 15, 16, 63, 64, 65, 130] {
        check(Sizes { keys, ..BASE }, None, Order::RowsFirst);
    }
    for (depth, width) in [(1, 1), (32, 32), (64, 64), (40, 48), (80, 96), (7, 130)] {
        check(Sizes { depth, width, ..BASE }, None, Order::HeadsFirst);
    }
    check(Sizes { heads: 6, key_heads: 2, ..BASE }, None, Order::RowsFirst);
    check(
        Sizes { batch: 1, heads: 1, key_heads: 1, queries: 200, keys: 150, ..BASE },
        None,
        Order::RowsFirst,
    );
}

#[test]
fn a_size_with_remainders_matches_the_definition() {
    check(
        Sizes { batch: 1, heads: 1, key_heads: 1, queries: 13, keys: 17, depth: 7, width: 18 },
        None,
        Order::RowsFirst,
    );
}

#[test]
fn masks_repeat_where_their_strides_are_0() {
    let data = values(2 * 3 * 5 * 7, 9);
    for strides in [[105, 35, 7, 1], [35, 0, 7, 1], [7, 0, 0, 1], [0, 0, 7, 1], [0, 0, 1, 0], [0; 4]] {
        for masking in [Masking::Add, Masking::Replace] {
            check(BASE, Some(Mask { masking, data: &data, strides }), Order::RowsFirst);
        }
    }
}

#[test]
fn later_keys_are_hidden() {
    for unseen in [Unseen::Nan, Unseen::Zeros] {
        for offset in [0, 2, 9, -3, -100, isize::MAX, isize::MIN] {
            check_hidden(BASE, None, Order::RowsFirst, (Some(offset), unseen));
        }
        let long = Sizes { queries: 70, keys: 150, ..BASE };
        check_hidden(long, None, Order::HeadsFirst, (Some(80), unseen));
        check_hidden(long, None, Order::RowsFirst, (Some(0), unseen));
    }
}

#[test]
fn a_query_whose_keys_are_all_masked_gives_what_is_asked_for() {
    let data = vec![f32::NEG_INFINITY; 7];
    for masking in [Masking::Add, Masking::Replace] {
        let mask = Mask { masking, data: &data, strides: [0, 0, 0, 1] };
        for unseen in [Unseen::Nan, Unseen::Zeros] {
            check_hidden(BASE, Some(mask), Order::RowsFirst, (Some(3), unseen));
        }
    }
}

#[test]
fn a_masked_key_has_no_weight() {
    let mut data = vec![0.0; 7];
    data[2] = f32::NEG_INFINITY;
    data[6] = f32::MIN;
    check(BASE, Some(Mask { masking: Masking::Add, data: &data, strides: [0, 0, 0, 1] }), Order::HeadsFirst);
}

#[test]
#[cfg_attr(miri, ignore = "too long")]
fn threads_share_the_rows() {
    let alone = values(100 * 64, 4);
    let sizes = Sizes { batch: 1, heads: 2, key_heads: 2, queries: 100, keys: 100, depth: 32, width: 32 };
    let heads = rows_first(&alone, 2, 100, 32);
    let attention = Attention {
        sizes,
        query: heads,
        key: heads,
        value: heads,
        scale: 0.2,
        mask: None,
        causal: None,
        unseen: Unseen::Nan,
        order: Order::RowsFirst,
    };
    let expected = attention.compute().unwrap();
    let shared = pool::Pool::new(3).unwrap().enter(|| attention.compute().unwrap());
    assert_eq!(shared, expected);
}

#[test]
fn slices_that_are_too_short_are_refused() {
    let data = values(2 * 3 * 7 * 8, 1);
    let heads = |rows| heads_first(&data, 3, rows, 8);
    let fit = Attention {
        sizes: BASE,
        query: heads(5),
        key: heads(7),
        value: heads(7),
        scale: 1.0,
        mask: None,
        causal: None,
        unseen: Unseen::Nan,
        order: Order::RowsFirst,
    };
    assert!(fit.compute().is_ok());
    let with = |sizes| Attention { sizes, ..fit }.compute();
    assert_eq!(with(Sizes { keys: 8, ..BASE }), Err(Misfit("the keys")));
    assert_eq!(with(Sizes { key_heads: 2, ..BASE }), Err(Misfit("the heads")));
    assert_eq!(with(Sizes { keys: 0, ..BASE }), Err(Misfit("the heads")));
    assert_eq!(with(Sizes { width: usize::MAX, ..BASE }), Err(Misfit("the answer")));
    assert_eq!(with(Sizes { batch: 0, ..BASE }), Ok(vec![]));
    let short = Mask { masking: Masking::Add, data: &data[..6], strides: [0, 0, 0, 1] };
    assert_eq!(Attention { mask: Some(short), ..fit }.compute(), Err(Misfit("the mask")));
    let wide = Mask { masking: Masking::Add, data: &data, strides: [0, 0, 0, 2] };
    assert_eq!(Attention { mask: Some(wide), ..fit }.compute(), Err(Misfit("the mask")));
}
