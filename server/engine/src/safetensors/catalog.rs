//! The tensors of a model by name, wherever among its files they lie.

use std::{cell::RefCell, collections::BTreeMap, path::Path};

use ::safetensors::tensor::{Dtype, TensorInfo};
use girandole_core::{Files, Format, Source};

use super::{
    header,
    index::Index,
    read::{self, Layout, text},
};
use crate::{
    error::{OpError, Result, unreadable},
    value::{ElemType, Tensor},
};

/// The most bytes of an index.
const MAX_INDEX_BYTES: u64 = 64 << 20;

/// A model's tensors, still in their files.
pub(crate) struct Catalog {
    files: Vec<RefCell<Box<dyn Source>>>,
    tensors: BTreeMap<String, Entry>,
}

struct Entry {
    info: TensorInfo,
    /// Which of the files.
    file: usize,
    /// Where its bytes begin there.
    begin: u64,
}

impl Catalog {
    /// Reads the headers of a model's files.
    ///
    /// # Errors
    /// `Invalid` naming the file and what is wrong with it, `Placed` where one cannot be read.
    pub(crate) fn open(files: &dyn Files) -> Result<Self> {
        let model = files.model().map_err(|error| unreadable("the model's file", &error))?;
        let mut catalog = Self { files: Vec::new(), tensors: BTreeMap::new() };
        if !files.name().ends_with(Format::INDEX) {
            catalog.add(files.name(), model)?;
            return Ok(catalog);
        }
        let index = Index::parse(&text(model, files.name(), MAX_INDEX_BYTES)?)
            .map_err(|error| error.of(files.name()))?;
        let names: Vec<&str> = index.files().into_iter().collect();
        for name in &names {
            let file = files.beside(Path::new(name));
            catalog.add(name, file.map_err(|error| unreadable(&format!("'{name}'"), &error))?)?;
        }
        let found = catalog.tensors.iter().map(|(name, entry)| (name.as_str(), names[entry.file]));
        index.check(found).map_err(|error| error.of(files.name()))?;
        Ok(catalog)
    }

    fn add(&mut self, name: &str, mut file: Box<dyn Source>) -> Result<()> {
        let header = header::read(&mut *file).map_err(|error| error.of(name))?;
        let number = self.files.len();
        self.files.push(RefCell::new(file));
        for (tensor, info) in header.tensors {
            let begin = header.data + info.data_offsets.0 as u64;
            let entry = Entry { info, file: number, begin };
            if self.tensors.contains_key(&tensor) {
                return Err(OpError::invalid(format!("tensor '{tensor}' lies in two files")).of(name));
            }
            self.tensors.insert(tensor, entry);
        }
        Ok(())
    }

    /// The shape of a tensor, where there is one of this name.
    pub(crate) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|entry| &entry.info.shape[..])
    }

    /// The type of a tensor's numbers and how many they are, where they are floats that are read.
    pub(crate) fn floats(&self, name: &str) -> Option<(ElemType, usize)> {
        let info = &self.tensors.get(name)?.info;
        let elem = match info.dtype {
            Dtype::F16 => ElemType::F16,
            Dtype::BF16 => ElemType::BF16,
            Dtype::F32 => ElemType::F32,
            _ => return None,
        };
        Some((elem, info.shape.iter().product()))
    }

    /// The names of all tensors, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// A tensor as `f32`.
    ///
    /// # Errors
    /// `Invalid` where there is none of this name, its elements are no floats, or it cannot be read.
    pub(crate) fn read(&self, name: &str, layout: Layout) -> Result<Tensor> {
        let named = |error: OpError| error.of(format_args!("tensor '{name}'"));
        let missing = || named(OpError::invalid("the file has none of this name"));
        let entry = self.tensors.get(name).ok_or_else(missing)?;
        let mut file = self.files[entry.file].borrow_mut();
        read::floats(&mut **file, entry.begin, &entry.info)
            .and_then(|tensor| layout.of(tensor))
            .map_err(named)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use girandole_core::Folder;

    use super::*;

    /// A file of tensors of two `f32`, each the number given.
    fn file(tensors: &[(&str, f32)]) -> Vec<u8> {
        let entry = |(i, (name, _)): (usize, &(&str, f32))| {
            format!(r#""{name}":{{"dtype":"F32","shape":[2,1],"data_offsets":[{},{}]}}"#, 8 * i, 8 * i + 8)
        };
        let entries: Vec<_> = tensors.iter().enumerate().map(entry).collect();
        let header = format!("{{{}}}", entries.join(","));
        let data = tensors.iter().flat_map(|(_, number)| [number.to_le_bytes(); 2].concat());
        (header.len() as u64).to_le_bytes().into_iter().chain(header.into_bytes()).chain(data).collect()
    }

    #[test]
    fn tensors_are_found_in_any_of_the_files_that_an_index_names() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join("v").join(name);
        fs::create_dir(path("")).unwrap();
        fs::write(path("1.safetensors"), file(&[("a", 1.0), ("b", 2.0)])).unwrap();
        fs::write(path("2.safetensors"), file(&[("c", 3.0)])).unwrap();
        let weights = r#"{"weight_map":{"a":"1.safetensors","b":"1.safetensors","c":"2.safetensors"}}"#;
        let index = path("model.safetensors.index.json");
        fs::write(&index, weights).unwrap();
        let catalog = Catalog::open(&Folder::of(&index)).unwrap();
        assert_eq!(catalog.names().collect::<Vec<_>>(), ["a", "b", "c"]);
        let read = |name| catalog.read(name, Layout::AsStored).unwrap().to_vec::<f32>().unwrap();
        assert_eq!((read("a"), read("b"), read("c")), (vec![1.0; 2], vec![2.0; 2], vec![3.0; 2]));
        assert_eq!(catalog.shape("c"), Some(&[2, 1][..]));

        fs::write(path("2.safetensors"), file(&[("a", 3.0)])).unwrap();
        let error = Catalog::open(&Folder::of(&index)).err().unwrap().to_string();
        assert!(error.contains("2.safetensors: tensor 'a' lies in two files"), "{error}");
        fs::write(&index, r#"{"weight_map":{"a":"../secret"}}"#).unwrap();
        fs::write(path("../secret"), file(&[("a", 1.0)])).unwrap();
        let error = Catalog::open(&Folder::of(&index)).err().unwrap().to_string();
        assert!(error.contains("outside of the version's folder"), "{error}");
    }
}
