//! Class labels of an output: one a line, in the file that `label_filename` names.

use std::{collections::BTreeMap, path::Path};

use girandole_proto::config::ModelOutput;

use super::{files::read_within, mistakes::Mistakes};

const MAX_BYTES: u64 = 16 << 20;

/// The labels by output name.
pub(super) fn resolve(
    outputs: &[ModelOutput],
    dir: &Path,
    mistakes: &mut Mistakes,
) -> BTreeMap<String, Vec<String>> {
    let mut labels = BTreeMap::new();
    for (i, output) in outputs.iter().enumerate().filter(|(_, output)| !output.label_filename.is_empty()) {
        match read(dir, &output.label_filename) {
            Ok(lines) => drop(labels.insert(output.name.clone(), lines)),
            Err(what) => mistakes.add(format!("output[{i}].label_filename"), what),
        }
    }
    labels
}

fn read(dir: &Path, filename: &str) -> Result<Vec<String>, String> {
    let data = read_within(dir, filename, MAX_BYTES)?;
    let text = String::from_utf8(data).map_err(|_| format!("file '{filename}' is not UTF-8 text"))?;
    Ok(text.lines().map(str::to_owned).collect())
}
