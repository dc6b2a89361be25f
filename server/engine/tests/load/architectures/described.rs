//! A model in safetensors told as text, so that a change of the text is a change of the model and not only of its
//! bytes: parts between lines of `---`, which are its configuration, its modules, its pooling (either may be empty)
//! and a line for each tensor, of its name, type and shape. Offsets follow from these; elements are made up.
//!
//! A text that begins with a line `raw` is its configuration and the bytes of its file.

use std::{
    io::{self, Cursor, ErrorKind},
    path::Path,
};

use girandole_core::{Files, Source};

const BETWEEN: &[u8] = b"\n---\n";
const RAW: &[u8] = b"raw\n";

/// The most bytes of all tensors.
const MOST: usize = 1 << 20;

/// What every byte of a tensor is: small numbers, as f32, f16 and bf16.
const FILL: u8 = 0x3c;

/// A model's files, held in memory.
#[derive(Debug)]
pub(crate) struct Held {
    model: Vec<u8>,
    beside: Vec<(&'static str, Vec<u8>)>,
}

impl Held {
    /// The files that a text describes; `None` where it is no such text, or describes too much.
    pub(crate) fn of(text: &[u8]) -> Option<Self> {
        if let Some(text) = text.strip_prefix(RAW) {
            let (config, model) = split(text)?;
            return Some(Self { model: model.to_vec(), beside: vec![("config.json", config.to_vec())] });
        }
        let (config, rest) = split(text)?;
        let (modules, rest) = split(rest)?;
        let (pooling, tensors) = split(rest)?;
        let files = [("config.json", config), ("modules.json", modules), ("1_Pooling/config.json", pooling)];
        let there = files.into_iter().filter(|(_, contents)| !contents.is_empty());
        let beside = there.map(|(name, contents)| (name, contents.to_vec())).collect();
        Some(Self { model: file(std::str::from_utf8(tensors).ok()?)?, beside })
    }
}

impl Files for Held {
    fn name(&self) -> &str {
        "model.safetensors"
    }

    fn model(&self) -> io::Result<Box<dyn Source>> {
        Ok(Box::new(Cursor::new(self.model.clone())))
    }

    fn beside(&self, path: &Path) -> io::Result<Box<dyn Source>> {
        let found = self.beside.iter().find(|(name, _)| Path::new(name) == path);
        let (_, contents) = found.ok_or_else(|| io::Error::from(ErrorKind::NotFound))?;
        Ok(Box::new(Cursor::new(contents.clone())))
    }
}

fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = text.windows(BETWEEN.len()).position(|part| part == BETWEEN)?;
    Some((&text[..at], &text[at + BETWEEN.len()..]))
}

/// A file of the tensors of these lines.
fn file(lines: &str) -> Option<Vec<u8>> {
    let (mut entries, mut end) = (Vec::new(), 0usize);
    for line in lines.lines() {
        let mut words = line.split(' ');
        let (name, dtype, shape) = (words.next()?, words.next()?, words.next().unwrap_or_default());
        let bytes = match dtype {
            "F16" | "BF16" => 2,
            "F64" | "I64" => 8,
            _ => 4,
        };
        let sizes: Option<Vec<usize>> =
            shape.split(',').filter(|size| !size.is_empty()).map(|size| size.parse().ok()).collect();
        let begin = end;
        let size = sizes?.into_iter().try_fold(bytes, |all: usize, size| all.checked_mul(size))?;
        end = end.checked_add(size).filter(|&end| end <= MOST)?;
        entries.push(format!(
            r#""{name}":{{"dtype":"{dtype}","shape":[{shape}],"data_offsets":[{begin},{end}]}}"#
        ));
    }
    let header = format!("{{{}}}", entries.join(","));
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.into_bytes());
    file.resize(file.len() + end, FILL);
    Some(file)
}
