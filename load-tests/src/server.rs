//! The server under load: started on free ports, and how much processor time it has used.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::{Result, rest};

/// Clock ticks a second in `/proc`: 100 on every Linux that people run.
const TICKS: f64 = 100.0;

/// What a process holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holdings {
    pub(crate) resident_kib: usize,
    pub(crate) threads: usize,
    pub(crate) descriptors: usize,
}

/// A server that is ready. Dropping it ends the process.
pub(crate) struct Server {
    process: Child,
    pub(crate) rest: String,
    pub(crate) grpc: String,
}

impl Server {
    pub(crate) async fn start(binary: &Path, repository: &Path) -> Result<Self> {
        Self::start_with(binary, repository, &[]).await
    }

    /// The same with more arguments.
    pub(crate) async fn start_with(binary: &Path, repository: &Path, arguments: &[&str]) -> Result<Self> {
        Self::start_on(binary, repository, arguments, None).await
    }

    /// The same on these cores alone, as `taskset` lists them.
    pub(crate) async fn start_on(
        binary: &Path,
        repository: &Path,
        arguments: &[&str],
        cores: Option<&str>,
    ) -> Result<Self> {
        let mut process = command(binary, cores)
            .args(["serve", "--http-port", "0", "--grpc-port", "0", "--metrics-port", "0"])
            .args(["--admin-address", "off"])
            .args(["--repository-settle-ms", "0"])
            .arg("--model-repository")
            .arg(repository)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error} (cargo build --release makes it)", binary.display()))?;
        let out = process.stdout.take().map(BufReader::new);
        let line = out.and_then(|out| {
            out.lines().map_while(std::result::Result::ok).find(|line| line.contains("is listening:"))
        });
        let line = line.ok_or("the server ended before it listened")?;
        let address = |key: &str| {
            let found = line.split_whitespace().find_map(|word| word.strip_prefix(key).map(str::to_owned));
            found.ok_or_else(|| format!("no {key} in '{line}'"))
        };
        let server = Self { rest: address("rest=")?, grpc: address("grpc=")?, process };
        server.wait_until_ready().await?;
        Ok(server)
    }

    async fn wait_until_ready(&self) -> Result {
        for _ in 0..600 {
            if rest::get(&self.rest, "/v2/health/ready").await.is_ok_and(|status| status == 200) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err("the server did not become ready within a minute".into())
    }

    /// Seconds of processor time that the process has used so far.
    pub(crate) fn processor_seconds(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let fields = stat.rsplit_once(')').ok_or("an odd /proc/PID/stat")?.1.split_whitespace();
        let ticks = fields.skip(11).take(2).map(str::parse::<f64>).sum::<std::result::Result<f64, _>>()?;
        Ok(ticks / TICKS)
    }

    /// What the process holds now.
    pub(crate) fn holdings(&self) -> Result<Holdings> {
        let of = format!("/proc/{}", self.process.id());
        let status = fs::read_to_string(format!("{of}/status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
            line.and_then(|number| number.parse().ok())
                .ok_or_else(|| format!("no {name} in /proc/PID/status"))
        };
        let descriptors = fs::read_dir(format!("{of}/fd"))?.count();
        Ok(Holdings { resident_kib: field("VmRSS:")?, threads: field("Threads:")?, descriptors })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A command that runs on these cores alone; `taskset` becomes the program, so the process is the program's.
fn command(binary: &Path, cores: Option<&str>) -> Command {
    let Some(cores) = cores else { return Command::new(binary) };
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", cores]).arg(binary);
    command
}

/// Keeps this process to these cores from now on, as `taskset` lists them.
pub(crate) fn stay_on(cores: &str) -> Result {
    let id = std::process::id().to_string();
    let pinned = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid", cores, &id])
        .stdout(Stdio::null())
        .status()?;
    if pinned.success() { Ok(()) } else { Err(format!("taskset cannot keep to cores {cores}").into()) }
}

/// A repository with version 1 of a model under a configuration.
pub(crate) fn repository(name: &str, model: &Path, config: &str) -> Result<TempDir> {
    let repository = tempfile::tempdir()?;
    add(repository.path(), name, model, config)?;
    Ok(repository)
}

/// Adds version 1 of a model to a repository.
pub(crate) fn add(repository: &Path, name: &str, model: &Path, config: &str) -> Result {
    let version = repository.join(name).join("1");
    fs::create_dir_all(&version)?;
    fs::copy(model, version.join("model.onnx")).map_err(|error| format!("{}: {error}", model.display()))?;
    fs::write(version.with_file_name("config.pbtxt"), config)?;
    Ok(())
}
