//! A client of one request after another over gRPC, with nothing between it and the socket, so that the
//! figures are the server's: HTTP/2 frames (RFC 9113) made once and repeated, headers without compression
//! state (RFC 7541, 6.2.2).

mod status;

use std::time::Duration;

use bytes::Buf;
use girandole_proto::oip::ModelInferRequest;
use prost::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::Result;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const PATH: &str = "/inference.GRPCInferenceService/ModelInfer";

/// The largest frame that a server takes which has not said otherwise.
const MAX_FRAME: usize = 16 << 10;

/// Bytes before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// As much as a window may hold; what is left of the connection's is filled up below half.
const WINDOW: u32 = i32::MAX as u32;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// How a call ended.
#[derive(Debug)]
pub(crate) enum Ended<'a> {
    /// The answer's message.
    Message(&'a [u8]),
    /// No message: the status, where it can be read.
    Status(Option<u8>),
}

/// A connection and the request that it repeats.
pub(crate) struct GrpcClient {
    stream: TcpStream,
    headers: Vec<u8>,
    body: Vec<u8>,
    next: u32,
    /// What is to be sent next.
    sending: Vec<u8>,
    /// What came and was not read yet.
    came: Vec<u8>,
    /// The last answer's message, after its prefix of five bytes.
    message: Vec<u8>,
    /// Bytes received since the connection's window was last filled up.
    received: u32,
}

/// A request as it travels: its length before it.
pub(crate) fn body(request: &ModelInferRequest) -> Result<Vec<u8>> {
    let message = request.encode_to_vec();
    let length = u32::try_from(message.len())?;
    Ok([&[0], &length.to_be_bytes()[..], &message].concat())
}

impl GrpcClient {
    pub(crate) async fn connect(address: &str, request: &ModelInferRequest) -> Result<Self> {
        Self::connect_with(address, body(request)?, None).await
    }

    /// The same for a body that is made already, with the time that each call may take.
    pub(crate) async fn connect_with(
        address: &str,
        body: Vec<u8>,
        deadline: Option<Duration>,
    ) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut sending = PREFACE.to_vec();
        // No dynamic table for headers, and streams' windows that are never used up.
        let settings = [setting(1, 0), setting(4, WINDOW)].concat();
        frame(&mut sending, SETTINGS, 0, 0, &settings);
        frame(&mut sending, WINDOW_UPDATE, 0, 0, &(WINDOW - 0xffff).to_be_bytes());
        let headers = headers(address, deadline)?;
        let (came, message) = (Vec::new(), Vec::new());
        Ok(Self { stream, headers, body, next: 1, sending, came, message, received: 0 })
    }

    pub(crate) async fn call(&mut self) -> Result {
        let body = std::mem::take(&mut self.body);
        let ended = self.exchange(&body).await;
        let outcome = match ended? {
            Ended::Message(_) => Ok(()),
            Ended::Status(status) => Err(format!("the call failed with status {status:?}").into()),
        };
        self.body = body;
        outcome
    }

    /// Another request over the same connection.
    pub(crate) async fn exchange(&mut self, body: &[u8]) -> Result<Ended<'_>> {
        let stream = self.next;
        self.next += 2;
        frame(&mut self.sending, HEADERS, END_HEADERS, stream, &self.headers);
        let mut parts = body.chunks(MAX_FRAME).peekable();
        while let Some(part) = parts.next() {
            let flags = if parts.peek().is_none() { END_STREAM } else { 0 };
            frame(&mut self.sending, DATA, flags, stream, part);
        }
        self.stream.write_all(&self.sending).await?;
        self.sending.clear();
        self.answer().await
    }

    /// Reads until the answer has ended.
    async fn answer(&mut self) -> Result<Ended<'_>> {
        self.message.clear();
        let mut status = None;
        loop {
            while let Some((kind, flags, payload)) = next_frame(&self.came) {
                let length = payload.len();
                match kind {
                    DATA => {
                        self.message.extend_from_slice(payload);
                        self.received += u32::try_from(length)?;
                    }
                    SETTINGS if flags & ACK == 0 => frame(&mut self.sending, SETTINGS, ACK, 0, &[]),
                    PING if flags & ACK == 0 => {
                        let echo = payload.to_vec();
                        frame(&mut self.sending, PING, ACK, 0, &echo);
                    }
                    HEADERS if flags & END_STREAM != 0 => status = status::find(payload),
                    RESET | GO_AWAY => return Err("the server ended the call".into()),
                    _ => {}
                }
                let ended = matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0;
                self.came.drain(..9 + length);
                if ended {
                    self.fill_window();
                    return Ok(match self.message.get(PREFIX..) {
                        Some(message) => Ended::Message(message),
                        None => Ended::Status(status),
                    });
                }
            }
            if self.stream.read_buf(&mut self.came).await? == 0 {
                return Err("the server closed the connection".into());
            }
        }
    }

    fn fill_window(&mut self) {
        if self.received > WINDOW / 2 {
            frame(&mut self.sending, WINDOW_UPDATE, 0, 0, &self.received.to_be_bytes());
            self.received = 0;
        }
    }
}

/// Kind, flags and payload of the first frame, once it is whole.
fn next_frame(came: &[u8]) -> Option<(u8, u8, &[u8])> {
    let (mut head, rest) = came.split_first_chunk::<9>().map(|(head, rest)| (&head[..], rest))?;
    let length = usize::try_from(head.get_uint(3)).ok()?;
    Some((head.get_u8(), head.get_u8(), rest.get(..length)?))
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

fn setting(name: u16, value: u32) -> Vec<u8> {
    [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

/// The call's header block. Bytes before a value name it by its place in HPACK's static table.
fn headers(address: &str, deadline: Option<Duration>) -> Result<Vec<u8>> {
    let mut block = vec![0x83, 0x86]; // :method POST, :scheme http
    let mut put = |name: &[u8], value: &str| {
        let length = u8::try_from(value.len()).ok().filter(|&length| length < 0x7f);
        block.extend_from_slice(name);
        block.push(length.ok_or("an address too long for a header")?);
        block.extend_from_slice(value.as_bytes());
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    };
    put(&[0x04], PATH)?;
    put(&[0x01], address)?; // :authority
    put(&[0x0f, 0x10], "application/grpc")?; // content-type
    put(b"\0\x02te", "trailers")?;
    if let Some(deadline) = deadline {
        put(b"\0\x0cgrpc-timeout", &format!("{}m", deadline.as_millis()))?;
    }
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_back_once_it_is_whole() {
        let mut out = Vec::new();
        frame(&mut out, PING, ACK, 0, b"12345678");
        assert_eq!(next_frame(&out), Some((PING, ACK, &b"12345678"[..])));
        assert_eq!(next_frame(&out[..16]), None);
    }

    #[test]
    fn headers_name_what_is_called() {
        let block = headers("localhost:1", Some(Duration::from_millis(250))).unwrap();
        assert!(block.windows(PATH.len()).any(|part| part == PATH.as_bytes()));
        assert!(block.ends_with(b"grpc-timeout\x04250m"));
        assert!(headers(&"x".repeat(200), None).is_err());
    }
}
