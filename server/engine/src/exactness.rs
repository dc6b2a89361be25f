//! How many digits convolutions may lose for speed.

use std::sync::OnceLock;

/// What is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exactness {
    /// Only products and sums as the definition has them.
    Exact,
    /// Winograd's F(2,3), which rounds about as the definition does.
    Close,
    /// Winograd's F(4,3) too, which loses about one decimal digit.
    Fast,
}

impl Exactness {
    /// What the variable `GIRANDOLE_WINOGRAD` (`off`, `2`, `4`) asks for.
    pub(super) fn current() -> Self {
        static CURRENT: OnceLock<Exactness> = OnceLock::new();
        *CURRENT.get_or_init(|| Self::parse(std::env::var("GIRANDOLE_WINOGRAD").ok().as_deref()))
    }

    fn parse(wanted: Option<&str>) -> Self {
        match wanted {
            Some("off") => Self::Exact,
            Some("2") => Self::Close,
            _ => Self::Fast,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Exactness;

    #[test]
    fn the_variable_says_what_is_allowed() {
        assert_eq!(Exactness::parse(Some("off")), Exactness::Exact);
        assert_eq!(Exactness::parse(Some("2")), Exactness::Close);
        assert_eq!(Exactness::parse(None), Exactness::Fast);
    }
}
