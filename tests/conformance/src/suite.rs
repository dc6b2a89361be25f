//! The suites of the package's backend tests: where their cases lie and how one is run.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use crate::{
    case::{self, Failure},
    case_names,
    place::Place,
};

/// A suite of the package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// One operator a case.
    Node,
    /// Small models.
    Simple,
    /// PyTorch's operators, as an early exporter wrote them.
    PytorchOperator,
    /// PyTorch's modules, as an early exporter wrote them.
    PytorchConverted,
    /// Known networks whose weights the graph makes itself.
    Light,
}

impl Suite {
    /// Every suite.
    pub const ALL: [Self; 5] =
        [Self::Node, Self::Simple, Self::PytorchOperator, Self::PytorchConverted, Self::Light];

    /// The name of its folder.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Simple => "simple",
            Self::PytorchOperator => "pytorch-operator",
            Self::PytorchConverted => "pytorch-converted",
            Self::Light => "light",
        }
    }

    /// The suite of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name() == name)
    }

    /// Its folder, beside that of the node tests.
    pub fn folder(self, nodes: &Path) -> PathBuf {
        if self == Self::Node { nodes.to_owned() } else { nodes.with_file_name(self.name()) }
    }

    /// The names of all cases, sorted.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn cases(self, nodes: &Path) -> io::Result<Vec<String>> {
        let folder = self.folder(nodes);
        if self != Self::Light {
            return case_names(&folder);
        }
        let entries = folder.read_dir()?.collect::<io::Result<Vec<_>>>()?;
        let names = entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<_> =
            names.filter_map(|name| name.strip_suffix(".onnx").map(str::to_owned)).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Runs a case.
    ///
    /// # Errors
    /// How it failed.
    pub fn run(self, nodes: &Path, name: &str, place: Place) -> Result<(), Failure> {
        match self {
            Self::Light => case::run_network(&self.folder(nodes), name, place),
            _ => case::run(&self.folder(nodes).join(name), place),
        }
    }

    /// The committed list of cases that do not pass.
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Node => include_str!("../expected-failures.txt"),
            Self::Simple => include_str!("../expected-failures-simple.txt"),
            Self::PytorchOperator | Self::PytorchConverted | Self::Light => "",
        }
    }

    /// What passed when the list was last written; the list may only shrink.
    pub const fn at_least(self) -> usize {
        match self {
            Self::Node => 1_565,
            Self::Simple => 21,
            Self::PytorchOperator => 35,
            Self::PytorchConverted => 82,
            Self::Light => 9,
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
