//! The table of RPCs: each is one call into its resource's file. What is not served says so.

use girandole_access::Action;
use girandole_core::{Error, ErrorCode};
use girandole_proto::oip::{grpc_inference_service_server::GrpcInferenceService, *};
use tonic::{Request, Response, Status, Streaming};

use super::{config, infer, logging, metadata, repository, statistics, trace};
use crate::{
    error::status,
    oip::{Oip, convert},
    stop::Stop,
};

/// The inference service.
pub(super) struct Inference {
    pub(super) oip: Oip,
    pub(super) stop: Stop,
}

type Answer<T> = Result<Response<T>, Status>;

fn answer<T>(outcome: Result<T, Error>) -> Answer<T> {
    let mut response = outcome.map(Response::new).map_err(status)?;
    response.disable_compression();
    Ok(response)
}

fn no_shared_memory<T>() -> Answer<T> {
    answer(Err(Error::new(ErrorCode::Unimplemented, "shared memory is not served: send the data")))
}

impl Inference {
    /// Whether the caller may do something to the model that the message names.
    fn permit<T>(&self, request: &Request<T>, action: Action, model: &str) -> Result<(), Error> {
        self.oip.guard.permits(request.extensions().get(), action, model)
    }
}

#[tonic::async_trait]
impl GrpcInferenceService for Inference {
    type ModelStreamInferStream = infer::Answers;

    async fn server_live(&self, _: Request<ServerLiveRequest>) -> Answer<ServerLiveResponse> {
        answer(Ok(ServerLiveResponse { live: self.oip.service.is_live() }))
    }

    async fn server_ready(&self, _: Request<ServerReadyRequest>) -> Answer<ServerReadyResponse> {
        answer(Ok(ServerReadyResponse { ready: self.oip.service.is_ready() }))
    }

    async fn model_ready(&self, request: Request<ModelReadyRequest>) -> Answer<ModelReadyResponse> {
        let message = request.get_ref();
        let ready = self
            .permit(&request, Action::Describe, &message.name)
            .and_then(|()| convert::model(&message.name, &message.version))
            .and_then(|(name, version)| self.oip.service.model_ready(name, &version));
        // As Triton has it: a model that is not there is not ready, so that clients can wait for it.
        let ready = ready.or_else(|error| match error.code() {
            ErrorCode::NotFound => Ok(false),
            _ => Err(error),
        });
        answer(ready.map(|ready| ModelReadyResponse { ready }))
    }

    async fn server_metadata(&self, _: Request<ServerMetadataRequest>) -> Answer<ServerMetadataResponse> {
        answer(Ok(metadata::server()))
    }

    async fn model_metadata(&self, request: Request<ModelMetadataRequest>) -> Answer<ModelMetadataResponse> {
        let permitted = self.permit(&request, Action::Describe, &request.get_ref().name);
        answer(permitted.and_then(|()| metadata::model(&self.oip, request.get_ref())))
    }

    async fn model_infer(&self, request: Request<ModelInferRequest>) -> Answer<ModelInferResponse> {
        infer::unary(&self.oip, request).await
    }

    async fn model_stream_infer(
        &self,
        request: Request<Streaming<ModelInferRequest>>,
    ) -> Answer<infer::Answers> {
        Ok(infer::stream(&self.oip, request, self.stop.clone()))
    }

    async fn model_config(&self, request: Request<ModelConfigRequest>) -> Answer<ModelConfigResponse> {
        let permitted = self.permit(&request, Action::Describe, &request.get_ref().name);
        answer(permitted.and_then(|()| config::model(&self.oip, request.get_ref())))
    }

    async fn model_statistics(
        &self,
        request: Request<ModelStatisticsRequest>,
    ) -> Answer<ModelStatisticsResponse> {
        answer(statistics::model(&self.oip, request.get_ref(), request.extensions().get()))
    }

    async fn repository_index(
        &self,
        request: Request<RepositoryIndexRequest>,
    ) -> Answer<RepositoryIndexResponse> {
        answer(repository::index(&self.oip, request.get_ref(), request.extensions().get()))
    }

    async fn repository_model_load(
        &self,
        request: Request<RepositoryModelLoadRequest>,
    ) -> Answer<RepositoryModelLoadResponse> {
        answer(self.permit(&request, Action::Administer, &request.get_ref().model_name))?;
        answer(repository::load(&self.oip, request.into_inner()).await)
    }

    async fn repository_model_unload(
        &self,
        request: Request<RepositoryModelUnloadRequest>,
    ) -> Answer<RepositoryModelUnloadResponse> {
        answer(self.permit(&request, Action::Administer, &request.get_ref().model_name))?;
        answer(repository::unload(&self.oip, request.into_inner()).await)
    }

    async fn trace_setting(&self, request: Request<TraceSettingRequest>) -> Answer<TraceSettingResponse> {
        answer(self.permit(&request, Action::Administer, &request.get_ref().model_name))?;
        answer(trace::setting(&self.oip, request.into_inner()))
    }

    async fn log_settings(&self, request: Request<LogSettingsRequest>) -> Answer<LogSettingsResponse> {
        answer(logging::update(&self.oip, request.into_inner()))
    }

    async fn system_shared_memory_status(
        &self,
        _: Request<SystemSharedMemoryStatusRequest>,
    ) -> Answer<SystemSharedMemoryStatusResponse> {
        no_shared_memory()
    }

    async fn system_shared_memory_register(
        &self,
        _: Request<SystemSharedMemoryRegisterRequest>,
    ) -> Answer<SystemSharedMemoryRegisterResponse> {
        no_shared_memory()
    }

    async fn system_shared_memory_unregister(
        &self,
        _: Request<SystemSharedMemoryUnregisterRequest>,
    ) -> Answer<SystemSharedMemoryUnregisterResponse> {
        no_shared_memory()
    }

    async fn cuda_shared_memory_status(
        &self,
        _: Request<CudaSharedMemoryStatusRequest>,
    ) -> Answer<CudaSharedMemoryStatusResponse> {
        no_shared_memory()
    }

    async fn cuda_shared_memory_register(
        &self,
        _: Request<CudaSharedMemoryRegisterRequest>,
    ) -> Answer<CudaSharedMemoryRegisterResponse> {
        no_shared_memory()
    }

    async fn cuda_shared_memory_unregister(
        &self,
        _: Request<CudaSharedMemoryUnregisterRequest>,
    ) -> Answer<CudaSharedMemoryUnregisterResponse> {
        no_shared_memory()
    }
}
