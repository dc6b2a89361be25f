//! The acceptor against real sockets: TLS 1.3 only, certificates that change, bounds, and the drain.

use std::{fs, net::SocketAddr};

use axum::{Router, routing::get};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Notify,
    time::Instant,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;
use crate::{
    security::TlsFiles,
    stop::{self, Announcer},
};

struct Running {
    address: SocketAddr,
    end: Announcer,
    task: tokio::task::JoinHandle<usize>,
}

async fn start(router: Router, tls: Option<Tls>, limits: ConnectionLimits) -> Running {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let (end, stop) = stop::channel();
    let listener = Listener { socket, front: Front::bare(router), tls, limits, peers: false };
    let task = tokio::spawn(listener.serve(stop));
    Running { address, end, task }
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

/// One request over HTTP/1.1, and everything that comes back.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<String> {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

struct Certificate {
    folder: tempfile::TempDir,
    pair: CertifiedKey<KeyPair>,
}

impl Certificate {
    fn new() -> Self {
        let mut certificate = Self { folder: tempfile::tempdir().unwrap(), pair: pair() };
        certificate.replace();
        certificate
    }

    fn files(&self) -> TlsFiles {
        TlsFiles {
            cert: self.folder.path().join("cert.pem"),
            key: self.folder.path().join("key.pem"),
            clients: None,
        }
    }

    fn replace(&mut self) {
        self.pair = pair();
        fs::write(self.files().cert, self.pair.cert.pem()).unwrap();
        fs::write(self.files().key, self.pair.signing_key.serialize_pem()).unwrap();
    }

    async fn connect(&self, address: SocketAddr, alpn: &[u8]) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.pair.cert.der().to_vec())).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

fn pair() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

#[tokio::test]
async fn tls_is_1_3_with_both_protocols_and_the_newest_certificate() {
    let mut certificate = Certificate::new();
    let tls = Tls::load(certificate.files()).unwrap();
    let server = start(hello(), Some(tls.clone()), ConnectionLimits::default()).await;
    for alpn in [&b"h2"[..], b"http/1.1"] {
        let stream = certificate.connect(server.address, alpn).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn));
    }
    let stream = certificate.connect(server.address, b"http/1.1").await.unwrap();
    assert!(ask(stream).await.unwrap().ends_with("hello"));

    certificate.replace();
    assert!(certificate.connect(server.address, b"h2").await.is_err(), "the old one still serves");
    assert_eq!(tls.refresh(), Ok(true));
    assert!(certificate.connect(server.address, b"h2").await.is_ok());
}

/// A ClientHello of TLS 1.2, written by hand as the client library here speaks 1.3 only.
fn hello_of_tls_1_2() -> Vec<u8> {
    let mut extensions = Vec::new();
    extensions.extend_from_slice(&[0x00, 0x0a, 0, 4, 0, 2, 0x00, 0x1d]); // supported_groups: x25519
    extensions.extend_from_slice(&[0x00, 0x0d, 0, 6, 0, 4, 0x04, 0x03, 0x08, 0x04]); // signature_algorithms
    let mut body = vec![0x03, 0x03];
    body.extend_from_slice(&[7; 32]);
    body.extend_from_slice(&[0, 0, 4, 0xc0, 0x2f, 0xc0, 0x2b, 1, 0]); // no session, two suites, no compression
    body.extend_from_slice(&u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend_from_slice(&extensions);
    let mut handshake = vec![0x01, 0];
    handshake.extend_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
    handshake.extend_from_slice(&body);
    let mut record = vec![0x16, 0x03, 0x01];
    record.extend_from_slice(&u16::try_from(handshake.len()).unwrap().to_be_bytes());
    record.extend_from_slice(&handshake);
    record
}

#[tokio::test]
async fn tls_1_2_is_refused_with_a_protocol_version_alert() {
    let tls = Tls::load(Certificate::new().files()).unwrap();
    let server = start(hello(), Some(tls), ConnectionLimits::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&hello_of_tls_1_2()).await.unwrap();
    let mut alert = Vec::new();
    stream.read_to_end(&mut alert).await.unwrap();
    assert_eq!(alert, [0x15, 3, 3, 0, 2, 2, 70], "a fatal alert, protocol_version");
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_ends() {
    let tls = Tls::load(Certificate::new().files()).unwrap();
    let limits = ConnectionLimits { handshake_timeout: Duration::from_millis(20), ..Default::default() };
    let server = start(hello(), Some(tls), limits).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0, "the server hangs up");
}

#[tokio::test]
async fn silence_and_half_a_head_are_cut_off() {
    let limits = ConnectionLimits { header_timeout: Duration::from_millis(20), ..Default::default() };
    let server = start(hello(), None, limits).await;
    for said in ["", "PRI * HTTP/2.0", "GET / HTTP/1.1\r\nhost: a-long-enough-name\r\n"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{said}");
    }
}

#[tokio::test]
async fn connections_above_the_bound_wait_for_a_place() {
    let limits = ConnectionLimits { max_connections: 1, ..Default::default() };
    let server = start(hello(), None, limits).await;
    let first = TcpStream::connect(server.address).await.unwrap();
    let second = TcpStream::connect(server.address).await.unwrap();
    let mut second = tokio::spawn(ask(second));
    assert!(timeout(Duration::from_millis(50), &mut second).await.is_err(), "the first has the place");
    assert!(ask(first).await.unwrap().ends_with("hello"));
    assert!(second.await.unwrap().unwrap().ends_with("hello"));
}

/// A route that says when a request is in work, and waits to be told to answer.
/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// What the server says of so many streams that are opened and reset at once: its last frame's type and error.
async fn reset(limits: ConnectionLimits, streams: u32) -> Option<(u8, u32)> {
    const HEADERS: (u8, u8) = (1, 0b101);
    const RST_STREAM: u8 = 3;
    const CANCEL: [u8; 4] = [0, 0, 0, 8];
    let running = start(hello(), None, limits).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    // GET http://a/ by HPACK's static table, as one header block.
    let get = [0x82, 0x86, 0x84, 0x41, 1, b'a'];
    let opened = |id| [frame(HEADERS.0, HEADERS.1, id, &get), frame(RST_STREAM, 0, id, &CANCEL)].concat();
    let all: Vec<u8> = (0..streams).flat_map(|number| opened(2 * number + 1)).collect();
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    sent.extend([frame(4, 0, 0, &[]), all, frame(6, 0, 0, &[0; 8])].concat());
    stream.write_all(&sent).await.unwrap();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload).await.ok()?;
        match (head[3], head[4]) {
            (7, _) => return Some((7, u32::from_be_bytes(*payload[4..].first_chunk().unwrap()))),
            // The answer to the ping: the connection goes on.
            (6, 1) => return Some((6, 0)),
            _ => {}
        }
    }
}

#[tokio::test]
async fn streams_that_are_reset_at_once_end_the_connection() {
    const ENHANCE_YOUR_CALM: u32 = 11;
    let limits = ConnectionLimits { max_resets: 4, ..ConnectionLimits::default() };
    assert_eq!(reset(limits, 3).await, Some((6, 0)));
    assert_eq!(reset(limits, 40).await, Some((7, ENHANCE_YOUR_CALM)));
}

fn gated() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (entered, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inside, gate) = (entered.clone(), go.clone());
    let handler = move || {
        let (inside, gate) = (inside.clone(), gate.clone());
        async move {
            inside.notify_one();
            gate.notified().await;
            "late"
        }
    };
    (Router::new().route("/", get(handler)), entered, go)
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_work_and_takes_nothing_new() {
    let (router, entered, go) = gated();
    let server = start(router, None, ConnectionLimits::default()).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let request = tokio::spawn(ask(stream));
    entered.notified().await;
    server.end.announce(Instant::now() + Duration::from_secs(30));
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    go.notify_one();
    assert!(request.await.unwrap().unwrap().ends_with("late"));
    assert_eq!(server.task.await.unwrap(), 0);
}

#[tokio::test]
async fn a_drain_ends_at_its_deadline_and_counts_what_it_cuts_off() {
    let (router, entered, _go) = gated();
    let server = start(router, None, ConnectionLimits::default()).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let request = tokio::spawn(ask(stream));
    entered.notified().await;
    let _silent = TcpStream::connect(server.address).await.unwrap();
    server.end.announce(Instant::now() + Duration::from_millis(20));
    assert_eq!(server.task.await.unwrap(), 1);
    assert!(!request.await.unwrap().unwrap_or_default().contains("200 OK"));
}
