//! `girandole serve`: the server, until a signal asks it to stop.

use std::process::ExitCode;

use girandole_engine::device;

use super::{Failure, Outcome};
use crate::{
    app,
    config::{self, Machine, ServeOptions},
    logging,
};

pub(crate) fn run(options: ServeOptions) -> Outcome {
    let machine = Machine { cores: device::default_threads(), gpus: device::gpus() };
    let config = config::read_file(&options)
        .and_then(|file| config::resolve(options, &file, machine))
        .map_err(|mistakes| Failure::new(format!("cannot serve:\n  {mistakes}")))?;
    let log = logging::start(config.log_format, &config.log_level).map_err(Failure::new)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("io").build()?;
    runtime.block_on(app::serve(config, log))?;
    Ok(ExitCode::SUCCESS)
}
