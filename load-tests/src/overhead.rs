//! The server's own cost: an identity model over each protocol.

use std::path::Path;

use crate::{
    Options, Result,
    client::Protocol,
    measure::{Load, Measurement, median},
    server::Server,
    workload::Workload,
};

/// Prints a table: protocol and clients by requests a second, latency, and the server's processor time.
pub(crate) async fn run(options: &Options) -> Result {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let server = Server::start(&options.girandole, &repository).await?;
    let workload = Workload::identity();
    let mut rows: Vec<_> = Protocol::ALL
        .into_iter()
        .flat_map(|protocol| options.clients.iter().map(move |&clients| (protocol, clients, Vec::new())))
        .collect();
    for _ in 0..options.rounds {
        for (protocol, clients, found) in &mut rows {
            let load = Load {
                protocol: *protocol,
                workload: &workload,
                clients: *clients,
                duration: options.duration(),
            };
            found.push(load.measure(&server).await?);
        }
    }
    println!("| protocol | clients | requests/s | p50 µs | p99 µs | server CPU µs a request |");
    println!("|---|---|---|---|---|---|");
    for (protocol, clients, found) in rows {
        if let Some(row) = median(found) {
            print(protocol, clients, &row);
        }
    }
    Ok(())
}

fn print(protocol: Protocol, clients: usize, row: &Measurement) {
    let name = protocol.name();
    let (p50, p99, cpu) = (row.p50.as_micros(), row.p99.as_micros(), row.server_cpu.as_micros());
    println!("| {name} | {clients} | {:.0} | {p50} | {p99} | {cpu} |", row.requests_per_s);
}
