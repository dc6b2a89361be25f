//! A client of one request after another over gRPC.

use girandole_proto::oip::{ModelInferRequest, grpc_inference_service_client::GrpcInferenceServiceClient};
use tonic::transport::Channel;

use crate::Result;

/// A connection and the request that it repeats.
pub(crate) struct GrpcClient {
    client: GrpcInferenceServiceClient<Channel>,
    request: ModelInferRequest,
}

impl GrpcClient {
    pub(crate) async fn connect(address: &str, request: ModelInferRequest) -> Result<Self> {
        let client = GrpcInferenceServiceClient::connect(format!("http://{address}")).await?;
        Ok(Self { client, request })
    }

    pub(crate) async fn call(&mut self) -> Result {
        self.client.model_infer(self.request.clone()).await?;
        Ok(())
    }
}
