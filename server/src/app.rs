//! The wiring: listeners, metrics, runtime and protocols made into one server. The only place that knows
//! all of them.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use girandole_api::{
    AdminListener, ApiOptions, Ended, Metrics,
    security::{self, Access, Guard, Tokens},
};
use girandole_engine::Engine;
use girandole_runtime::{
    config::{Completion, Devices},
    lifecycle::{self, Runtime, RuntimeHandle, RuntimeOptions},
    service::Service,
    trace::TraceOptions,
};
use tokio::{net::TcpListener, time::Instant};

use crate::{
    audit::{Audit, WitnessedLog},
    commands::Failure,
    config::{Addresses, ControlMode, LoadPriority, ServeConfig},
    gpus,
    logging::LogSwitch,
    metrics::Registry,
    shutdown::StopSignals,
};

/// Serves until a signal asks to stop, and everything taken is answered.
///
/// # Errors
/// Where a port, a certificate or a repository cannot be used.
pub(crate) async fn serve(config: ServeConfig, log: LogSwitch) -> Result<(), Failure> {
    let signals = StopSignals::install()?;
    let listeners = Listeners::bind(&config.addresses).await?;
    let guard = guard(&config)?;
    let access = access(&config, &guard)?;
    config.trust.check()?;
    let tls = config.tls.clone().map(security::Tls::load).transpose()?;
    let metrics = Registry::install()?;
    if config.gpus.as_ref().is_ok_and(|count| *count > 0) {
        gpus::watch();
    }
    let audit = Audit::start(&config)?;
    girandole_engine::device::start_shared_threads();
    let options = RuntimeOptions { witness: audit.witness(), ..runtime_options(&config) };
    let (service, runtime) = Runtime::start(options, Arc::new(Engine))?;
    metrics.look_after(service.clone());
    let runtime = Arc::new(runtime);
    println!("{}", listeners.announce(tls.is_some())?);
    tokio::spawn(report_ready(runtime.clone(), service.clone()));

    let options = ApiOptions {
        http: Some(listeners.http),
        grpc: Some(listeners.grpc),
        metrics: Some(Metrics { listener: listeners.metrics, render: Arc::new(move || metrics.render()) }),
        admin: listeners.admin.map(|socket| AdminListener { socket, access, trail: audit.trail() }),
        tls,
        guard,
        limits: config.limits.requests,
        connections: config.limits.connections,
        ..ApiOptions::default()
    };
    let stop = stop(signals, runtime.clone(), config.shutdown_grace, config.exit_timeout);
    let log = Arc::new(WitnessedLog::new(log, audit.witness()));
    let ended = girandole_api::serve(options, service, log, stop).await?;
    let finished = finish(&runtime, ended).await;
    audit.stop();
    finished
}

/// Who may do what.
fn guard(config: &ServeConfig) -> Result<Guard, Failure> {
    Ok(config.access_file.as_deref().map_or_else(|| Ok(Guard::open()), Guard::load)?)
}

/// Who may administer: holders of tokens, else whom the policy lets, else whoever is on this machine.
fn access(config: &ServeConfig, guard: &Guard) -> Result<Access, Failure> {
    match (&config.admin_token_file, &config.access_file) {
        (Some(file), _) => {
            let tokens = Tokens::load(file);
            let tokens = tokens.map_err(|error| Failure::new(format!("--admin-token-file: {error}")))?;
            Ok(Access::Tokens(tokens))
        }
        (None, Some(_)) => Ok(Access::Policy(guard.clone())),
        (None, None) => Ok(Access::Loopback),
    }
}

/// Resolves when the protocols are to stop: readiness has failed for as long as balancers need to see it.
/// Gives the moment by which the process is to end, counted from the signal.
async fn stop(
    signals: StopSignals,
    runtime: Arc<RuntimeHandle>,
    grace: Duration,
    exit_timeout: Duration,
) -> Instant {
    let signal = signals.received().await;
    let deadline = Instant::now() + exit_timeout;
    tracing::info!(signal, "stopping: readiness fails, work that was taken is finished");
    runtime.withdraw_readiness();
    tokio::time::sleep(grace).await;
    deadline
}

/// Closes the models within what is left of the time.
async fn finish(runtime: &RuntimeHandle, ended: Ended) -> Result<(), Failure> {
    if ended.cut_off > 0 {
        return Err(Failure::new(format!(
            "stopped with requests unanswered: {} were cut off, --exit-timeout-secs was too short for them",
            ended.cut_off
        )));
    }
    match runtime.shutdown(ended.deadline.saturating_duration_since(Instant::now())).await {
        true => tracing::info!("stopped"),
        false => {
            tracing::warn!("stopped while models were still being loaded or closed; nobody waited for them")
        }
    }
    Ok(())
}

/// Says what serves once every model of the start was tried.
async fn report_ready(runtime: Arc<RuntimeHandle>, service: Service) {
    runtime.initial_load().await;
    let index = service.repository_index(false);
    let ready = index.iter().filter(|entry| entry.reason.is_empty()).count();
    tracing::info!(ready, not_ready = index.len() - ready, "the repository was loaded");
}

struct Listeners {
    http: TcpListener,
    grpc: TcpListener,
    metrics: TcpListener,
    admin: Option<TcpListener>,
}

impl Listeners {
    async fn bind(addresses: &Addresses) -> Result<Self, Failure> {
        Ok(Self {
            http: bind("REST", "--http-port", addresses.http).await?,
            grpc: bind("gRPC", "--grpc-port", addresses.grpc).await?,
            metrics: bind("metrics", "--metrics-port", addresses.metrics).await?,
            admin: match addresses.admin {
                Some(address) => Some(bind("administration", "--admin-port", address).await?),
                None => None,
            },
        })
    }

    /// The line that tells people and scripts where the server listens.
    fn announce(&self, tls: bool) -> Result<String, Failure> {
        let tls = if tls { "on" } else { "off" };
        let admin = self.admin.as_ref().map(TcpListener::local_addr).transpose()?;
        let admin = admin.map_or_else(|| "off".to_owned(), |address| address.to_string());
        Ok(format!(
            "girandole is listening: rest={} grpc={} metrics={} admin={admin} tls={tls}",
            self.http.local_addr()?,
            self.grpc.local_addr()?,
            self.metrics.local_addr()?
        ))
    }
}

async fn bind(name: &str, flag: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    let failure = |error| {
        Failure::new(format!("{name} cannot listen on {address}: {error}; choose another with {flag}"))
    };
    TcpListener::bind(address).await.map_err(failure)
}

fn runtime_options(config: &ServeConfig) -> RuntimeOptions {
    RuntimeOptions {
        repositories: config.repositories.clone(),
        control_mode: match config.control_mode {
            ControlMode::None => lifecycle::ControlMode::None,
            ControlMode::Poll => lifecycle::ControlMode::Poll,
            ControlMode::Explicit => {
                lifecycle::ControlMode::Explicit { load_models: config.load_models.clone() }
            }
        },
        poll_interval: config.poll_interval,
        settle_time: config.settle_time,
        completion: Completion { strict: config.strict_model_config, ..Completion::default() },
        state_dir: config.state_dir.clone(),
        trust: config.trust.clone(),
        load_threads: config.load_threads,
        load_priority: match config.load_priority {
            LoadPriority::Idle => lifecycle::LoadPriority::Idle,
            LoadPriority::Low => lifecycle::LoadPriority::Low,
        },
        cores: config.cores,
        devices: devices(&config.gpus),
        in_flight_bytes: config.limits.in_flight_bytes,
        trace: TraceOptions { file: config.trace_file.clone(), ..TraceOptions::default() },
        ..RuntimeOptions::default()
    }
}

/// The devices to serve on; says so in a line.
fn devices(gpus: &Result<usize, String>) -> Devices {
    match gpus {
        Ok(gpus) => tracing::info!(gpus, "GPUs to serve on"),
        Err(why) => tracing::info!(%why, "serving on the CPU"),
    }
    Devices { gpus: *gpus.as_ref().unwrap_or(&0) }
}
