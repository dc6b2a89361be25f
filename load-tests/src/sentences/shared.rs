//! Two models on the same device, asked by as many clients each: do they get the same?

use futures::future::try_join;

use super::{Encoder, NAME, closed};
use crate::{
    Options, Result,
    server::{self, Server},
};

const OTHER: &str = "other";

/// Prints a line.
pub(super) async fn run(options: &Options, encoder: &Encoder) -> Result {
    let repository = server::repository(NAME, &encoder.model, &encoder.config())?;
    server::add(repository.path(), OTHER, &encoder.model, &encoder.config())?;
    let server = Server::start(&options.girandole, repository.path()).await?;
    let clients = options.clients.iter().max().copied().unwrap_or(2).div_ceil(2);
    let each = |model| closed(options, encoder, (&server, model), clients);
    let (one, other) = try_join(each(NAME), each(OTHER)).await?;
    let (less, more) =
        (one.requests_per_s.min(other.requests_per_s), one.requests_per_s.max(other.requests_per_s));
    println!(
        "Two models side by side, {clients} clients each: {less:.0} and {more:.0} sentences/s, {:.2} of the other.",
        less / more
    );
    Ok(())
}
