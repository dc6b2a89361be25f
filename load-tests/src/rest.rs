//! A client of one request after another over HTTP/1.1, with nothing between it and the socket, so that the
//! figures are the server's.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::Result;

/// A connection and the request that it repeats.
pub(crate) struct RestClient {
    stream: TcpStream,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

impl RestClient {
    /// `binary_head`: the length of the JSON before binary tensor data, if there is any.
    pub(crate) async fn connect(
        address: &str,
        model: &str,
        body: &[u8],
        binary_head: Option<usize>,
    ) -> Result<Self> {
        Self::connect_with(address, request(address, model, body, binary_head)).await
    }

    /// The same for a request that is made already.
    pub(crate) async fn connect_with(address: &str, request: Vec<u8>) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, request, buffer: Vec::with_capacity(16 << 10) })
    }

    pub(crate) async fn call(&mut self) -> Result {
        self.answer().await.map(drop)
    }

    /// The whole response.
    pub(crate) async fn answer(&mut self) -> Result<&[u8]> {
        self.stream.write_all(&self.request).await?;
        let status = read_response(&mut self.stream, &mut self.buffer).await?;
        match status {
            200 => Ok(&self.buffer),
            _ => Err(format!("status {status}: {}", String::from_utf8_lossy(&self.buffer)).into()),
        }
    }

    /// Another request over the same connection: the status and the whole response.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<(u16, &[u8])> {
        self.stream.write_all(request).await?;
        let status = read_response(&mut self.stream, &mut self.buffer).await?;
        Ok((status, &self.buffer))
    }
}

/// A request to a model as it travels.
pub(crate) fn request(address: &str, model: &str, body: &[u8], binary_head: Option<usize>) -> Vec<u8> {
    let binary = binary_head.map(|length| format!("Inference-Header-Content-Length: {length}\r\n"));
    let head = format!(
        "POST /v2/models/{model}/infer HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n{}\r\n",
        body.len(),
        binary.unwrap_or_default()
    );
    [head.as_bytes(), body].concat()
}

/// The status of one GET.
pub(crate) async fn get(address: &str, path: &str) -> Result<u16> {
    ask(address, "GET", path).await.map(|(status, _)| status)
}

/// One POST without a body, that must succeed.
pub(crate) async fn post(address: &str, path: &str) -> Result {
    match ask(address, "POST", path).await? {
        (200, _) => Ok(()),
        (status, response) => Err(format!("{path}: {status}: {}", String::from_utf8_lossy(&response)).into()),
    }
}

async fn ask(address: &str, method: &str, path: &str) -> Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut response = Vec::new();
    Ok((read_response(&mut stream, &mut response).await?, response))
}

/// Reads one whole response with a known length into the buffer and gives its status.
async fn read_response(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<u16> {
    buffer.clear();
    loop {
        if let Some((status, length)) = head(buffer)
            && buffer.len() >= length
        {
            return Ok(status);
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err("the server closed the connection".into());
        }
    }
}

/// Status and whole length of a response, once its head is there.
fn head(buffer: &[u8]) -> Option<(u16, usize)> {
    let end = buffer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&buffer[..end]).ok()?;
    let status = text.get(9..12)?.parse().ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    Some((status, end + length.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_gives_status_and_length_once_it_is_whole() {
        let response = b"HTTP/1.1 200 OK\r\nContent-length: 3\r\n\r\nabc";
        assert_eq!(head(response), Some((200, response.len())));
        assert_eq!(head(&response[..20]), None);
    }
}
