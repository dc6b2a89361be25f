//! A server on free ports with a few mock models, and clients for it.
//!
//! Models: `identity` answers FP32 `y` with `x`; `every` answers each element type with itself; `text` does
//! BYTES; `scores` has labels; `gated` answers when told to, with a queue of one that keeps
//! callers' timeouts; `broken` does not load.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use bytes::Bytes;
use girandole_api::{
    AdminListener, ApiOptions, AuditQuery, AuditTrail, Ended, Limits, LogControl, LogSettings,
    security::Access, serve,
};
use girandole_core::{
    DType, Error, LoadRequest, ModelSpec, Result, TensorSpec,
    mock::{MockLoader, MockModel, identity},
};
use girandole_proto::oip::grpc_inference_service_client::GrpcInferenceServiceClient;
use girandole_runtime::{
    lifecycle::{ControlMode, Runtime, RuntimeHandle, RuntimeOptions},
    service::Service,
};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle, time::Instant};
use tonic::transport::Channel;

/// A running server; it ends with this value.
pub(crate) struct Server {
    pub(crate) service: Service,
    pub(crate) gate: Arc<Gate>,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    admin: SocketAddr,
    runtime: RuntimeHandle,
    end: Option<End>,
    _repository: tempfile::TempDir,
}

/// Tells the server to end by a moment, and what it answers.
type End = (oneshot::Sender<Instant>, JoinHandle<Result<Ended>>);

/// What came back over REST.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The message of an error, whose body must have the protocol's form.
    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().expect("a message").to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Holds the model `gated` until it is opened.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Gate {
    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 += 1;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |state| !state.1).unwrap());
    }

    /// Waits until a batch stands before the gate.
    pub(crate) async fn entered(self: &Arc<Self>) {
        let gate = self.clone();
        let waiting = move || drop(gate.changed.wait_while(gate.state.lock().unwrap(), |state| state.0 == 0));
        tokio::task::spawn_blocking(waiting).await.unwrap();
    }

    pub(crate) fn open(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.gate.open();
    }
}

/// A log that only remembers its settings.
#[derive(Default)]
pub(crate) struct Log(Mutex<LogSettings>);

impl LogControl for Log {
    fn settings(&self) -> LogSettings {
        *self.0.lock().unwrap()
    }

    fn update(&self, settings: LogSettings) -> Result<()> {
        *self.0.lock().unwrap() = settings;
        Ok(())
    }
}

/// An audit log of one entry.
struct Trail;

impl AuditTrail for Trail {
    fn entries(&self, query: &AuditQuery) -> Result<Vec<String>> {
        Ok(vec![r#"{"seq":1}"#.to_owned()].into_iter().take(query.limit).collect())
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(Limits::default()).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        Self::within(limits, RuntimeOptions::default()).await
    }

    /// A server with these bounds, those of its runtime among them.
    pub(crate) async fn within(limits: Limits, options: RuntimeOptions) -> Self {
        let repository = repository();
        let gate = Arc::new(Gate::default());
        let options = RuntimeOptions {
            repositories: vec![repository.path().to_owned()],
            control_mode: ControlMode::Explicit { load_models: vec!["*".to_owned()] },
            default_warmup: false,
            ..options
        };
        let loading = gate.clone();
        let loader = MockLoader(Arc::new(move |request| model(request, &loading)));
        let (service, runtime) = Runtime::start(options, Arc::new(loader)).unwrap();
        runtime.initial_load().await;
        let (http, grpc, admin) = (bind().await, bind().await, bind().await);
        let addresses = [&http, &grpc, &admin].map(|listener| listener.local_addr().unwrap());
        let admin = AdminListener { socket: admin, access: Access::Loopback, trail: Some(Arc::new(Trail)) };
        let (stop, stopped) = oneshot::channel();
        let api = ApiOptions {
            http: Some(http),
            grpc: Some(grpc),
            admin: Some(admin),
            limits,
            ..ApiOptions::default()
        };
        let shutdown = async { stopped.await.unwrap_or_else(|_| Instant::now()) };
        let serving = tokio::spawn(serve(api, service.clone(), Arc::new(Log::default()), shutdown));
        Self {
            service,
            gate,
            http: addresses[0],
            grpc: addresses[1],
            admin: addresses[2],
            runtime,
            end: Some((stop, serving)),
            _repository: repository,
        }
    }

    /// Tells the server to stop, with so long for what is in work; the answer is how that went.
    pub(crate) fn stop(&mut self, within: Duration) -> JoinHandle<Result<Ended>> {
        let (end, serving) = self.end.take().unwrap();
        end.send(Instant::now() + within).unwrap();
        serving
    }

    pub(crate) fn withdraw_readiness(&self) {
        self.runtime.withdraw_readiness();
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.send(Method::POST, path, &[], body.into()).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Answer {
        send(self.http, method, path, headers, body).await
    }

    /// A request to the listener for administration.
    pub(crate) async fn administer(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        send(self.admin, method, path, headers, Bytes::copy_from_slice(body.as_bytes())).await
    }
    pub(crate) async fn channel(&self) -> Channel {
        let address = format!("http://{}", self.grpc);
        Channel::from_shared(address).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn client(&self) -> GrpcInferenceServiceClient<Channel> {
        GrpcInferenceServiceClient::new(self.channel().await)
    }
}

async fn send(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Answer {
    let mut request = Request::builder().method(method).uri(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    exchange(request.body(Full::new(body)).unwrap()).await
}

/// What a GET of this address answers.
pub(crate) async fn fetch(address: &str) -> Answer {
    exchange(Request::get(address).body(Full::default()).unwrap()).await
}

async fn exchange(request: Request<Full<Bytes>>) -> Answer {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let (parts, body) = client.request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}

async fn bind() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let add = |name: &str, config: &str| add(folder.path(), name, config);
    add("identity", "max_batch_size: 8");
    add("every", "max_batch_size: 8");
    add("text", "max_batch_size: 8");
    add(
        "gated",
        "max_batch_size: 1 dynamic_batching {
            default_queue_policy { max_queue_size: 1 allow_timeout_override: true } }",
    );
    add("broken", "");
    add(
        "scores",
        r#"max_batch_size: 8 output { name: "y" data_type: TYPE_FP32 dims: 3 label_filename: "labels.txt" }"#,
    );
    fs::write(folder.path().join("scores/labels.txt"), "cat\ndog\nfox\n").unwrap();
    folder
}

fn add(root: &Path, name: &str, config: &str) {
    fs::create_dir_all(root.join(name).join("1")).unwrap();
    fs::write(root.join(name).join("1/model.onnx"), "").unwrap();
    fs::write(root.join(name).join("config.pbtxt"), config).unwrap();
}

fn model(request: &LoadRequest, gate: &Arc<Gate>) -> Result<MockModel> {
    match request.name.as_str() {
        "identity" => Ok(MockModel::identity(one(DType::F32, &[-1, -1]))),
        "text" => Ok(MockModel::identity(one(DType::Bytes, &[-1, 1]))),
        "scores" => Ok(MockModel::identity(one(DType::F32, &[-1, 3]))),
        "every" => Ok(MockModel::identity(every())),
        "gated" => {
            let gate = gate.clone();
            let run = move |batch: &_| {
                gate.pass();
                identity(batch)
            };
            Ok(MockModel::new(one(DType::F32, &[-1, 1]), Arc::new(run)))
        }
        _ => Err(Error::invalid("node 'conv1' has the unknown op 'Frobnicate'")),
    }
}

fn one(dtype: DType, dims: &[i64]) -> ModelSpec {
    ModelSpec {
        inputs: vec![TensorSpec::new("x", dtype, dims)],
        outputs: vec![TensorSpec::new("y", dtype, dims)],
        max_batch_size: 1,
    }
}

fn every() -> ModelSpec {
    let spec = |dtype: DType| TensorSpec::new(dtype.name(), dtype, &[-1, 2]);
    let specs: Vec<_> = DType::ALL.into_iter().map(spec).collect();
    ModelSpec { inputs: specs.clone(), outputs: specs, max_batch_size: 1 }
}

/// The bytes of FP32 values.
pub(crate) fn floats(values: &[f32]) -> Bytes {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}
