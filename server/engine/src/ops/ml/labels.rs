//! The labels of a classifier: integers or strings, one for each class.

use crate::{
    error::Result,
    graph::{Fact, SymDim},
    onnx::NodeDef,
    ops::Facts,
    value::{ElemType, Tensor, Text},
};

/// The labels in the order of the classes.
#[derive(Debug)]
pub(super) enum Labels {
    Ints(Vec<i64>),
    Texts(Vec<Text>),
}

/// What a row is labelled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// The label of this class.
    Class(usize),
    /// The second of two strings, or 1.
    One,
    /// The first of two strings, or 0.
    Zero,
}

impl Labels {
    /// Reads one of two attributes.
    pub(super) fn parse(node: &NodeDef<'_>, ints: &str, texts: &str) -> Result<Self> {
        match node.texts(texts)?.filter(|all| !all.is_empty()) {
            Some(texts) => Ok(Self::Texts(texts)),
            None => Ok(Self::Ints(node.ints(ints)?.unwrap_or_default())),
        }
    }

    pub(super) const fn len(&self) -> usize {
        match self {
            Self::Ints(all) => all.len(),
            Self::Texts(all) => all.len(),
        }
    }

    pub(super) const fn elem(&self) -> ElemType {
        match self {
            Self::Ints(_) => ElemType::I64,
            Self::Texts(_) => ElemType::String,
        }
    }

    /// The labels of rows, `[rows]`. A class without a label gets its number.
    pub(super) fn tensor(&self, rows: &[Label]) -> Result<Tensor> {
        match self {
            Self::Ints(all) => {
                Tensor::from_vec(&[rows.len()][..], rows.iter().map(|&l| int(all, l)).collect())
            }
            Self::Texts(all) => {
                Tensor::from_vec(&[rows.len()][..], rows.iter().map(|&l| text(all, l)).collect())
            }
        }
    }

    /// The facts of a classifier's outputs: labels `[rows]`, scores `[rows, columns]`.
    pub(super) fn facts(&self, inputs: &Facts<'_>, columns: Option<usize>) -> Vec<Fact> {
        let rows = rows(inputs);
        let columns = columns.map_or(SymDim::Unknown, SymDim::Known);
        vec![
            Fact::tensor(Some(self.elem()), Some(vec![rows.clone()])),
            Fact::tensor(Some(ElemType::F32), Some(vec![rows, columns])),
        ]
    }
}

/// The rows of a feature matrix, as far as they are known.
pub(super) fn rows(inputs: &Facts<'_>) -> SymDim {
    match inputs.shape(0).map(Vec::as_slice) {
        Some([rows, _]) => rows.clone(),
        Some([_]) => SymDim::Known(1),
        _ => SymDim::Unknown,
    }
}

fn int(all: &[i64], label: Label) -> i64 {
    match label {
        Label::Class(class) => all.get(class).copied().unwrap_or(class.cast_signed() as i64),
        Label::One => 1,
        Label::Zero => 0,
    }
}

fn text(all: &[Text], label: Label) -> Text {
    match label {
        Label::Class(class) => all.get(class).cloned().unwrap_or_else(|| class.to_string().into()),
        Label::One => all.get(1).cloned().unwrap_or_else(|| Text::from_static(b"1")),
        Label::Zero => {
            all.first().filter(|_| all.len() > 1).cloned().unwrap_or_else(|| Text::from_static(b"0"))
        }
    }
}
