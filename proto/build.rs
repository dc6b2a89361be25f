//! Compiles the `.proto` files with protox, so that nobody needs protoc. One module per feature, each into
//! its own folder, so that a crate that reads model files does not build a gRPC service.

use std::{env, error::Error, fs, path::PathBuf};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result {
    println!("cargo:rerun-if-changed=girandole");
    if env::var_os("CARGO_FEATURE_ONNX").is_some() {
        onnx()?;
    }
    if env::var_os("CARGO_FEATURE_CONFIG").is_some() {
        config()?;
    }
    if env::var_os("CARGO_FEATURE_OIP").is_some() {
        oip()?;
    }
    Ok(())
}

/// The folder that the code of one module goes to.
fn out(module: &str) -> Result<PathBuf> {
    let out = PathBuf::from(env::var("OUT_DIR")?).join(module);
    fs::create_dir_all(&out)?;
    Ok(out)
}

fn onnx() -> Result {
    let files = protox::compile(["girandole/onnx.proto"], ["girandole"])?;
    prost_build::Config::new().out_dir(out("onnx")?).bytes(["."]).compile_fds(files)?;
    Ok(())
}

fn config() -> Result {
    let out = out("config")?;
    let files = protox::compile(["girandole/model_config.proto"], ["girandole"])?;
    fs::write(out.join("descriptor.bin"), prost::Message::encode_to_vec(&files))?;
    prost_build::Config::new().out_dir(out).compile_fds(files)?;
    Ok(())
}

/// The service's own messages; the model configuration's come from the `config` module.
fn oip() -> Result {
    let out = out("oip")?;
    let files = protox::compile(["girandole/oip.proto"], ["girandole"])?;
    fs::write(out.join("descriptor.bin"), prost::Message::encode_to_vec(&files))?;
    let mut builder =
        tonic_prost_build::configure().out_dir(out).bytes(".").codec_path("crate::codec::Bounded");
    for file in files.file.iter().filter(|file| file.name() == "model_config.proto") {
        let messages = file.message_type.iter().map(|message| message.name());
        for name in messages.chain(file.enum_type.iter().map(|kind| kind.name())) {
            builder = builder.extern_path(format!(".inference.{name}"), format!("crate::config::{name}"));
        }
    }
    builder.compile_fds(files)?;
    Ok(())
}
