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
