//! The discrete Fourier transform of any length in n log n steps: by halves where the length is a power of
//! two, else as a convolution of such a length (Bluestein, 1970).

use std::{f64::consts::PI, ops};

/// A complex number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Complex {
    pub(super) re: f64,
    pub(super) im: f64,
}

impl Complex {
    /// e to the power of `angle` times the imaginary unit.
    fn turn(angle: f64) -> Self {
        Self { re: angle.cos(), im: angle.sin() }
    }

    fn conjugate(self) -> Self {
        Self { im: -self.im, ..self }
    }
}

impl ops::Add for Complex {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { re: self.re + other.re, im: self.im + other.im }
    }
}

impl ops::Sub for Complex {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { re: self.re - other.re, im: self.im - other.im }
    }
}

impl ops::Mul for Complex {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self { re: self.re * other.re - self.im * other.im, im: self.re * other.im + self.im * other.re }
    }
}

/// Transforms of one length.
pub(super) enum Fft {
    /// Of a power of two: the turns of half a circle.
    Halves(Vec<Complex>),
    /// Of any other length.
    Chirp {
        /// The factor of each number before and after.
        chirp: Vec<Complex>,
        /// The transform of the conjugate chirp.
        filter: Vec<Complex>,
        inner: Box<Fft>,
    },
}

impl Fft {
    pub(super) fn new(len: usize) -> Self {
        if len <= 1 || len.is_power_of_two() {
            let turn = |i: usize| Complex::turn(-2.0 * PI * i as f64 / len as f64);
            return Self::Halves((0..len / 2).map(turn).collect());
        }
        // Squares are taken modulo a full turn, so that the angles stay exact.
        let square = |i: usize| (i as u128 * i as u128 % (2 * len) as u128) as f64;
        let chirp: Vec<Complex> = (0..len).map(|i| Complex::turn(-PI * square(i) / len as f64)).collect();
        let size = (2 * len - 1).next_power_of_two();
        let inner = Self::new(size);
        let mut filter = vec![Complex::default(); size];
        for (i, value) in chirp.iter().enumerate() {
            filter[i] = value.conjugate();
            filter[(size - i) % size] = value.conjugate();
        }
        inner.forward(&mut filter);
        Self::Chirp { chirp, filter, inner: Box::new(inner) }
    }

    /// Transforms numbers of this length in place.
    pub(super) fn forward(&self, data: &mut [Complex]) {
        match self {
            Self::Halves(turns) => halves(data, turns),
            Self::Chirp { chirp, filter, inner } => {
                let mut padded = vec![Complex::default(); filter.len()];
                padded.iter_mut().zip(data.iter().zip(chirp)).for_each(|(to, (&v, &c))| *to = v * c);
                inner.forward(&mut padded);
                padded.iter_mut().zip(filter).for_each(|(v, &f)| *v = *v * f);
                inner.inverse(&mut padded);
                data.iter_mut().zip(padded.iter().zip(chirp)).for_each(|(to, (&v, &c))| *to = v * c);
            }
        }
    }

    /// The inverse transform, in place.
    pub(super) fn inverse(&self, data: &mut [Complex]) {
        let scale = 1.0 / data.len().max(1) as f64;
        data.iter_mut().for_each(|v| *v = v.conjugate());
        self.forward(data);
        data.iter_mut().for_each(|v| *v = Complex { re: v.re * scale, im: -v.im * scale });
    }
}

/// By halves, bottom up; `turns` are those of half a circle in `data.len()` steps.
fn halves(data: &mut [Complex], turns: &[Complex]) {
    let len = data.len();
    if len < 2 {
        return;
    }
    let shift = usize::BITS - len.trailing_zeros();
    for i in 0..len {
        let mirrored = i.reverse_bits() >> shift;
        if i < mirrored {
            data.swap(i, mirrored);
        }
    }
    let mut size = 2;
    while size <= len {
        let step = len / size;
        for block in data.chunks_exact_mut(size) {
            let (even, odd) = block.split_at_mut(size / 2);
            for ((a, b), &turn) in even.iter_mut().zip(odd).zip(turns.iter().step_by(step)) {
                (*a, *b) = (*a + *b * turn, *a - *b * turn);
            }
        }
        size *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naive(data: &[Complex]) -> Vec<Complex> {
        let turn =
            |k: usize, n: usize| Complex::turn(-2.0 * PI * (k * n % data.len()) as f64 / data.len() as f64);
        let sum = |k| data.iter().enumerate().fold(Complex::default(), |sum, (n, &v)| sum + v * turn(k, n));
        (0..data.len()).map(sum).collect()
    }

    #[test]
    fn every_length_is_what_the_definition_says_and_comes_back() {
        for len in [1, 2, 3, 4, 5, 7, 8, 12, 31, 64, 100] {
            let data: Vec<Complex> = (0..len)
                .map(|i| Complex { re: ((i * 37) % 11) as f64 - 5.0, im: ((i * 13) % 7) as f64 })
                .collect();
            let fft = Fft::new(len);
            let mut came = data.clone();
            fft.forward(&mut came);
            let near = |a: &Complex, b: &Complex| (a.re - b.re).abs() < 1e-9 && (a.im - b.im).abs() < 1e-9;
            assert!(came.iter().zip(&naive(&data)).all(|(a, b)| near(a, b)), "{len}");
            fft.inverse(&mut came);
            assert!(came.iter().zip(&data).all(|(a, b)| near(a, b)), "{len} back");
        }
    }
}
