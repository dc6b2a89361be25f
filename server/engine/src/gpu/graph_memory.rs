//! How much of a device's memory the CUDA graphs of one session may keep.

use std::collections::BTreeMap;

use girandole_core::{Error, Result};

/// The key among the configuration's parameters.
const PARAMETER: &str = "graph_memory_mb";

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum GraphMemory {
    /// A part of the device: enough for the shapes of most models, and beside it room for other sessions.
    #[default]
    Usual,
    /// So many MiB; with 0, nothing is captured.
    Mib(usize),
}

impl GraphMemory {
    /// What the parameter `graph_memory_mb` asks for.
    ///
    /// # Errors
    /// `InvalidArgument` for anything but a whole number.
    pub(crate) fn of(parameters: &BTreeMap<String, String>) -> Result<Self> {
        let Some(text) = parameters.get(PARAMETER) else { return Ok(Self::default()) };
        let wrong =
            |_| Error::invalid(format!("parameter '{PARAMETER}' must be MiB, 0 or more, got '{text}'"));
        text.parse().map(Self::Mib).map_err(wrong)
    }

    /// Bytes on a device that has `total`.
    pub(crate) const fn bytes(self, total: usize) -> usize {
        match self {
            Self::Usual => total / 16,
            Self::Mib(mib) => mib.saturating_mul(1 << 20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<GraphMemory> {
        GraphMemory::of(&[(PARAMETER.to_owned(), text.to_owned())].into())
    }

    #[test]
    fn the_parameter_says_mib_and_without_it_the_device_does() {
        assert_eq!(GraphMemory::of(&BTreeMap::new()).unwrap().bytes(80 << 30), 5 << 30);
        assert_eq!(of("256").unwrap().bytes(80 << 30), 256 << 20);
        assert_eq!(of("0").unwrap().bytes(80 << 30), 0);
        assert_eq!(of(&usize::MAX.to_string()).unwrap().bytes(80 << 30), usize::MAX);
        for wrong in ["", "-1", "1.5", "off"] {
            let message = of(wrong).unwrap_err().message().to_owned();
            assert!(message.contains(PARAMETER) && message.contains(&format!("got '{wrong}'")), "{message}");
        }
    }
}
