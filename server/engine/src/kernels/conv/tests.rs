//! Every strategy against the plain sum in f64.

use super::*;

fn axis(input: usize, kernel: usize, stride: usize, dilation: usize, pads: (usize, usize)) -> Axis {
    let output = (input + pads.0 + pads.1 - dilation * (kernel - 1) - 1) / stride + 1;
    Axis { input, output, kernel, stride, dilation, pad_begin: pads.0, pad_end: pads.1 }
}

fn values(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|i| (((i + seed) * 37 % 23) as f32 - 11.0) / 7.0).collect()
}

fn geometry(batch: usize, groups: usize, channels: (usize, usize), window: Window) -> Geometry {
    Geometry { batch, groups, in_channels: channels.0, out_channels: channels.1, window }
}

/// Calls `visit` with (output, input, weight) indices of every multiplication.
fn walk(g: &Geometry, mut visit: impl FnMut(usize, usize, usize)) {
    let [d, h, w] = g.window;
    let (ci, co) = (g.group_inputs(), g.group_outputs());
    for n in 0..g.batch {
        for m in 0..g.out_channels {
            for c in 0..ci {
                for out in 0..window::outputs(&g.window) {
                    let (oz, oy, ox) = (out / w.output / h.output, out / w.output % h.output, out % w.output);
                    for tap in 0..window::taps(&g.window) {
                        let (z, y, x) = columns::split(&g.window, tap);
                        let place = (d.place(oz, z), h.place(oy, y), w.place(ox, x));
                        if let (Some(z), Some(y), Some(x)) = place {
                            let channel = m / co * ci + c;
                            let input = (z * h.input + y) * w.input + x;
                            visit(
                                (n * g.out_channels + m) * window::outputs(&g.window) + out,
                                (n * g.in_channels + channel) * window::inputs(&g.window) + input,
                                (m * ci + c) * window::taps(&g.window) + tap,
                            );
                        }
                    }
                }
            }
        }
    }
}

fn check(g: Geometry, expected: Strategy) {
    assert_eq!(strategy(&g), expected);
    let input = values(g.batch * g.in_channels * window::inputs(&g.window), 1);
    let weights = values(g.out_channels * g.group_inputs() * window::taps(&g.window), 5);
    let bias = values(g.out_channels, 9);
    let outputs = window::outputs(&g.window);
    let mut plain: Vec<f64> = (0..g.batch * g.out_channels * outputs)
        .map(|i| f64::from(bias[i / outputs % g.out_channels]))
        .collect();
    walk(&g, |o, i, w| plain[o] += f64::from(input[i]) * f64::from(weights[w]));
    let mut out = vec![7f32; plain.len()];
    let operands = Operands { input: &input, weights: &weights, bias: Some(&bias) };
    run(&g, operands, &mut out).unwrap();
    close(&out, &plain);
}

fn close(came: &[f32], expected: &[f64]) {
    for (i, (came, expected)) in came.iter().zip(expected).enumerate() {
        assert!(
            (f64::from(*came) - expected).abs() <= 1e-4 + 1e-4 * expected.abs(),
            "{i}: {came} {expected}"
        );
    }
}

fn windows() -> Vec<Window> {
    vec![
        [Axis::ONE, axis(7, 3, 1, 1, (1, 1)), axis(9, 3, 1, 1, (1, 1))],
        [Axis::ONE, axis(7, 3, 2, 1, (0, 1)), axis(90, 5, 3, 2, (4, 2))],
        [axis(4, 2, 1, 1, (1, 0)), axis(5, 3, 2, 2, (2, 2)), axis(6, 2, 2, 1, (0, 0))],
        [Axis::ONE, Axis::ONE, axis(200, 4, 1, 3, (5, 5))],
    ]
}

#[test]
fn columns_match_the_plain_sum() {
    for window in windows() {
        check(geometry(2, 1, (3, 5), window), Strategy::Columns);
        check(geometry(1, 2, (4, 6), window), Strategy::Columns);
        check(geometry(1, 3, (3, 6), window), Strategy::Columns);
    }
}

#[test]
fn channels_that_do_not_mix_match_the_plain_sum() {
    windows().into_iter().for_each(|window| check(geometry(2, 4, (4, 4), window), Strategy::Depthwise));
}

#[test]
fn single_taps_match_the_plain_sum() {
    let window = [Axis::ONE, axis(6, 1, 1, 1, (0, 0)), axis(17, 1, 1, 1, (0, 0))];
    check(geometry(2, 2, (4, 6), window), Strategy::Pointwise);
}

#[test]
fn work_that_is_split_over_threads_gives_the_same() {
    let pool = girandole_kernels::pool::Pool::new(3).unwrap();
    let window = [Axis::ONE, axis(40, 3, 1, 1, (1, 1)), axis(41, 3, 1, 1, (1, 1))];
    pool.enter(|| {
        check(geometry(1, 1, (3, 16), window), Strategy::Columns);
        check(geometry(2, 8, (8, 8), window), Strategy::Depthwise);
    });
}

#[test]
fn a_transposed_convolution_undoes_the_window() {
    for window in windows() {
        // What it undoes has 6 input and 4 output channels in 2 groups; it itself goes from 4 to 6.
        let undone = geometry(2, 2, (6, 4), window);
        let g = Geometry { in_channels: 4, out_channels: 6, ..undone };
        let input = values(2 * 4 * window::outputs(&window), 3);
        let weights = values(4 * 3 * window::taps(&window), 8);
        let mut plain = vec![0f64; 2 * 6 * window::inputs(&window)];
        walk(&undone, |o, i, w| plain[i] += f64::from(input[o]) * f64::from(weights[w]));
        let mut out = vec![7f32; plain.len()];
        run_transpose(&g, Operands { input: &input, weights: &weights, bias: None }, &mut out).unwrap();
        close(&out, &plain);
    }
}
