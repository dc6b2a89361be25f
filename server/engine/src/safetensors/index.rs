//! The index of a model in several files: which tensor lies in which.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::error::{OpError, Result};

/// The most files of a model.
const MAX_FILES: usize = 1024;

/// An index as it is written; what else it says (the size of all tensors) is not needed.
#[derive(Deserialize)]
pub(super) struct Index {
    /// The file of each tensor.
    weight_map: BTreeMap<String, String>,
}

impl Index {
    /// # Errors
    /// `Invalid` where it is none.
    pub(super) fn parse(json: &str) -> Result<Self> {
        let index: Self = serde_json::from_str(json)
            .map_err(|error| OpError::invalid(format!("the index is not as safetensors have it: {error}")))?;
        let files = index.files().len();
        if files <= MAX_FILES {
            return Ok(index);
        }
        Err(OpError::invalid(format!("the index names {files} files, at most {MAX_FILES} are read")))
    }

    /// The files, each once.
    pub(super) fn files(&self) -> BTreeSet<&str> {
        self.weight_map.values().map(String::as_str).collect()
    }

    /// Holds the index against the tensors that were found, each with the file that it lies in.
    ///
    /// # Errors
    /// `Invalid` naming the tensor that lies elsewhere, nowhere, or that the index does not know.
    pub(super) fn check<'a>(&self, found: impl Iterator<Item = (&'a str, &'a str)>) -> Result<()> {
        let mut missing: BTreeSet<&str> = self.weight_map.keys().map(String::as_str).collect();
        for (name, file) in found {
            match self.weight_map.get(name) {
                Some(indexed) if indexed == file => missing.remove(name),
                Some(indexed) => {
                    return Err(OpError::invalid(format!(
                        "tensor '{name}' lies in '{file}', the index says '{indexed}'"
                    )));
                }
                None => {
                    return Err(OpError::invalid(format!("tensor '{name}' of '{file}' is not in the index")));
                }
            };
        }
        match missing.first() {
            Some(name) => Err(OpError::invalid(format!(
                "tensor '{name}' is not in '{}', where the index says it is",
                self.weight_map[*name]
            ))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tensor_lies_where_the_index_says() {
        let index = Index::parse(r#"{"metadata":{"total_size":8},"weight_map":{"a":"1","b":"2"}}"#).unwrap();
        assert_eq!(index.files().into_iter().collect::<Vec<_>>(), ["1", "2"]);
        let check = |found: &[(&str, &str)]| index.check(found.iter().copied()).map_err(|e| e.to_string());
        assert_eq!(check(&[("b", "2"), ("a", "1")]), Ok(()));
        assert!(check(&[("a", "1")]).unwrap_err().contains("'b' is not in '2'"));
        assert!(
            check(&[("a", "2"), ("b", "2")]).unwrap_err().contains("'a' lies in '2', the index says '1'")
        );
        assert!(check(&[("a", "1"), ("b", "2"), ("c", "2")]).unwrap_err().contains("'c' of '2' is not in"));
    }

    #[test]
    fn what_is_no_index_is_refused() {
        assert!(Index::parse("{}").is_err_and(|error| error.to_string().contains("weight_map")));
        let many: Vec<_> = (0..=MAX_FILES).map(|i| format!(r#""t{i}":"f{i}""#)).collect();
        let many = format!(r#"{{"weight_map":{{{}}}}}"#, many.join(","));
        assert!(Index::parse(&many).is_err_and(|error| error.to_string().contains("1025 files")));
    }
}
