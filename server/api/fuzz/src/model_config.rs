//! A model's configuration to what the runtime acts on, held against models, and back to JSON.

use std::{fs, io, path::PathBuf, sync::OnceLock};

use girandole_proto::config::ModelConfig;
use girandole_runtime::config::{Completion, Context, Devices, parse_json, parse_text, resolve, to_json};

use crate::{memory, specs};

/// A `config.pbtxt`, or the JSON that a load request gives in its place.
pub fn configure(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let dir = folder();
    memory::within(text.len(), memory::CONFIGURATION, || {
        let parsed = if text.starts_with('{') { parse_json(text) } else { parse_text(text) };
        if let Ok(config) = parsed {
            printed(&config);
            specs::all().iter().for_each(|spec| {
                for (strict, gpus) in [(false, 0), (true, 2)] {
                    let completion = Completion { strict, ..Completion::default() };
                    let devices = Devices { gpus };
                    resolved(
                        &config,
                        &Context { name: "fuzz", dir, spec, devices, completion, filename: "model.onnx" },
                    );
                }
            });
        }
    });
}

/// What is printed must be read again as what it was.
#[allow(clippy::expect_used)]
fn printed(config: &ModelConfig) {
    let json = to_json(config).expect("a configuration can be printed");
    let again = parse_json(&json).expect("what is printed can be read");
    assert_eq!(to_json(&again).expect("and printed again"), json);
}

/// What is completed must be complete.
fn resolved(config: &ModelConfig, context: &Context<'_>) {
    let Ok(first) = resolve(config, context) else { return };
    printed(&first.config);
    match resolve(&first.config, context) {
        Ok(second) => assert_eq!(second.config, first.config, "a complete configuration stays as it is"),
        Err(error) => panic!("a complete configuration is refused: {error}"),
    }
}

/// A model's folder with a file of labels and one of data.
#[allow(clippy::expect_used)]
fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let make = || -> io::Result<PathBuf> {
            let folder = std::env::temp_dir().join(format!("girandole-fuzz-{}", std::process::id()));
            fs::create_dir_all(folder.join("warmup"))?;
            fs::write(folder.join("labels.txt"), "Yes\nNo\n")?;
            fs::write(folder.join("warmup").join("data"), [0; 64])?;
            Ok(folder)
        };
        // The message's description is made once, by whatever comes first.
        drop(parse_text(""));
        make().expect("a folder for a model")
    })
}
