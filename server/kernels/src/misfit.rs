//! The only way in which a kernel fails.

/// An operand whose length does not fit the sizes that it is said to have; says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misfit(pub &'static str);

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the length of {} does not fit the sizes given", self.0)
    }
}

impl std::error::Error for Misfit {}
