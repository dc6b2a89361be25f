//! The instruction set that kernels use, found once.

use std::sync::OnceLock;

/// What the processor can do, from least to most on each kind of processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// Plain Rust on any processor.
    Portable,
    /// 64-bit ARM, all of which has NEON.
    Neon,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ and VL.
    Avx512,
}

impl Isa {
    /// The best of this processor, or less where the variable `GIRANDOLE_ISA` (`portable`, `avx2`, …) asks
    /// for it.
    pub fn current() -> Self {
        static CURRENT: OnceLock<Isa> = OnceLock::new();
        *CURRENT.get_or_init(|| {
            let wanted = std::env::var("GIRANDOLE_ISA").ok().and_then(|name| Self::parse(&name));
            wanted.map_or(Self::supported(), |wanted| wanted.min(Self::supported()))
        })
    }

    /// The best that this processor has.
    pub fn supported() -> Self {
        static SUPPORTED: OnceLock<Isa> = OnceLock::new();
        *SUPPORTED.get_or_init(Self::detect)
    }

    /// Every instruction set that this processor has, for tests that compare them.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::OF_THIS_KIND.iter().copied().filter(|isa| *isa <= Self::supported())
    }

    /// The instruction sets that processors of this kind may have.
    const OF_THIS_KIND: &[Self] = match () {
        #[cfg(target_arch = "x86_64")]
        () => &[Self::Portable, Self::Avx2, Self::Avx512],
        #[cfg(target_arch = "aarch64")]
        () => &[Self::Portable, Self::Neon],
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        () => &[Self::Portable],
    };

    fn parse(name: &str) -> Option<Self> {
        match name {
            "portable" => Some(Self::Portable),
            "neon" => Some(Self::Neon),
            "avx2" => Some(Self::Avx2),
            "avx512" => Some(Self::Avx512),
            _ => None,
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn detect() -> Self {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        match (avx2, avx512) {
            (true, true) => Self::Avx512,
            (true, false) => Self::Avx2,
            _ => Self::Portable,
        }
    }

    #[cfg(target_arch = "aarch64")]
    const fn detect() -> Self {
        Self::Neon
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    const fn detect() -> Self {
        Self::Portable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_is_available() {
        assert!(Isa::available().any(|isa| isa == Isa::current()));
        assert_eq!(Isa::available().next(), Some(Isa::Portable));
        assert_eq!(Isa::parse("avx2"), Some(Isa::Avx2));
        assert_eq!(Isa::parse("sse"), None);
    }
}
