//! How many digits convolutions may lose for speed, as the model's configuration says it.

use std::collections::BTreeMap;

use girandole_core::{Error, Result};

/// The key among the configuration's parameters.
const PARAMETER: &str = "winograd";

/// What is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exactness {
    /// Only products and sums as the definition has them.
    Exact,
    /// Winograd's F(2,3), which rounds about as the definition does.
    Close,
    /// Winograd's F(4,3) too, which loses about one decimal digit.
    #[default]
    Fast,
}

impl Exactness {
    /// What the parameter `winograd` (`off`, `2`, `4`) asks for.
    ///
    /// # Errors
    /// `InvalidArgument` for another value.
    pub(crate) fn of(parameters: &BTreeMap<String, String>) -> Result<Self> {
        match parameters.get(PARAMETER).map(String::as_str) {
            None => Ok(Self::default()),
            Some("off") => Ok(Self::Exact),
            Some("2") => Ok(Self::Close),
            Some("4") => Ok(Self::Fast),
            Some(other) => {
                Err(Error::invalid(format!("parameter '{PARAMETER}' must be off, 2 or 4, got '{other}'")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameter_says_what_is_allowed() {
        let of = |value: &str| Exactness::of(&[(PARAMETER.into(), value.into())].into());
        assert_eq!(Exactness::of(&BTreeMap::new()).unwrap(), Exactness::Fast);
        assert_eq!(of("off").unwrap(), Exactness::Exact);
        assert_eq!(of("2").unwrap(), Exactness::Close);
        assert_eq!(of("4").unwrap(), Exactness::Fast);
        assert!(of("6").unwrap_err().message().contains("off, 2 or 4"));
    }
}
