//! A client of any protocol.

use clap::ValueEnum;

use crate::{Result, grpc::GrpcClient, rest::RestClient, server::Server, workload::Workload};

/// How requests travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    RestJson,
    RestBinary,
    Grpc,
}

impl Protocol {
    pub(crate) const ALL: [Self; 3] = [Self::RestJson, Self::RestBinary, Self::Grpc];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::RestJson => "REST JSON",
            Self::RestBinary => "REST binary",
            Self::Grpc => "gRPC",
        }
    }
}

/// Repeats one request.
pub(crate) enum Client {
    Rest(RestClient),
    Grpc(Box<GrpcClient>),
}

impl Client {
    pub(crate) async fn connect(server: &Server, protocol: Protocol, workload: &Workload) -> Result<Self> {
        let rest =
            async |body: Vec<u8>, head| RestClient::connect(&server.rest, &workload.model, &body, head).await;
        Ok(match protocol {
            Protocol::RestJson => Self::Rest(rest(workload.json(), None).await?),
            Protocol::RestBinary => {
                let (body, head) = workload.binary();
                Self::Rest(rest(body, Some(head)).await?)
            }
            Protocol::Grpc => {
                Self::Grpc(Box::new(GrpcClient::connect(&server.grpc, &workload.grpc()).await?))
            }
        })
    }

    pub(crate) async fn call(&mut self) -> Result {
        match self {
            Self::Rest(client) => client.call().await,
            Self::Grpc(client) => client.call().await,
        }
    }
}
