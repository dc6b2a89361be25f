//! A running server for black-box tests: the real binary on free ports over `model-repo`.
//!
//! Invariant: dropping it ends the process.

use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A server that is ready.
#[derive(Debug)]
pub struct Server {
    process: Child,
    /// The REST listener's address.
    pub rest: String,
    /// The gRPC listener's address.
    pub grpc: String,
    /// The metrics listener's address.
    pub metrics: String,
    /// The address of the listener for administration.
    pub admin: String,
}

impl Server {
    /// Starts the binary with `options` over the example models and waits until it is ready.
    ///
    /// # Errors
    /// Where it cannot be started, or does not become ready.
    pub fn start(options: &[&str]) -> io::Result<Self> {
        let mut process = Command::new(binary()?)
            .args(["serve", "--http-port", "0", "--grpc-port", "0", "--metrics-port", "0"])
            .args(["--admin-port", "0"])
            .args(["--model-repository".as_ref(), root().join("model-repo").as_os_str()])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let addresses = process.stdout.take().and_then(|out| addresses(BufReader::new(out)));
        let Some([rest, grpc, metrics, admin]) = addresses else {
            let _ = process.kill();
            return Err(io::Error::other(format!(
                "the server ended before it listened: {}",
                process.wait()?
            )));
        };
        let server = Self { process, rest, grpc, metrics, admin };
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&self) -> io::Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            let answer =
                self.talk(b"GET /v2/health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
            if answer.starts_with("HTTP/1.1 200") {
                return Ok(());
            }
            std::thread::yield_now();
        }
        Err(io::Error::other("the server did not become ready"))
    }

    /// A connection to a listener, with a limit on every wait.
    ///
    /// # Errors
    /// Where it is refused.
    pub fn connect(&self, address: &str) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// Everything that the REST listener answers to these bytes, until it closes.
    ///
    /// # Errors
    /// Where the connection breaks or nothing comes for long.
    pub fn talk(&self, bytes: &[u8]) -> io::Result<String> {
        let mut stream = self.connect(&self.rest)?;
        stream.write_all(bytes)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Whether the server still does its work: it answers the example of a model.
    ///
    /// # Errors
    /// Where it does not answer at all.
    pub fn serves(&self) -> io::Result<bool> {
        let body = std::fs::read(root().join("model-repo/churn/example.json"))?;
        let mut request = post("/v2/models/churn/infer", body.len(), "Connection: close\r\n").into_bytes();
        request.extend_from_slice(&body);
        Ok(self.talk(&request)?.starts_with("HTTP/1.1 200"))
    }

    /// Whether the process is still there.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn is_running(&mut self) -> io::Result<bool> {
        Ok(self.process.try_wait()?.is_none())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The head of a POST request with a body of `length` bytes.
pub fn post(path: &str, length: usize, headers: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{headers}\r\n")
}

/// The workspace's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The binary beside which the running test was built, or `GIRANDOLE_BINARY`.
fn binary() -> io::Result<PathBuf> {
    let built = || Some(env::current_exe().ok()?.parent()?.parent()?.join("girandole"));
    let path = env::var_os("GIRANDOLE_BINARY").map(PathBuf::from).or_else(built);
    path.filter(|path| path.is_file()).ok_or_else(|| {
        io::Error::other("the server is not built: tests/run does, or cargo build --workspace")
    })
}

/// The three addresses of the line that says where the server listens.
fn addresses(lines: impl BufRead) -> Option<[String; 4]> {
    let line = lines.lines().map_while(Result::ok).find(|line| line.contains("is listening:"))?;
    let value =
        |key: &str| line.split_whitespace().find_map(|word| word.strip_prefix(key).map(str::to_owned));
    Some([value("rest=")?, value("grpc=")?, value("metrics=")?, value("admin=")?])
}
