//! One compressed message while it comes.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::{GzDecoder, ZlibDecoder};
use girandole_core::{Error, ErrorCode, Result};
use girandole_runtime::service::BytesHeld;

use crate::layers::intake::{FREE, Intake};

/// How messages are compressed, by gRPC's names: its deflate is zlib's format.
#[derive(Clone, Copy, Debug)]
pub(super) enum Encoding {
    Gzip,
    Deflate,
}

impl Encoding {
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"gzip" => Some(Self::Gzip),
            b"deflate" => Some(Self::Deflate),
            _ => None,
        }
    }
}

/// A message of which `left` bytes are still to come.
pub(super) struct Packed {
    decoder: Decoder,
    left: usize,
}

enum Decoder {
    Gzip(GzDecoder<Unpacked>),
    Deflate(ZlibDecoder<Unpacked>),
}

/// What a message has become so far.
struct Unpacked {
    bytes: Vec<u8>,
    held: BytesHeld,
    /// Bytes that came of it.
    came: usize,
    /// How many times as many it may become.
    max_expansion: usize,
    /// Bytes of a message at most.
    limit: usize,
    refused: Option<Error>,
}

impl Packed {
    /// # Errors
    /// `TooLarge` where what comes is more than a message may be once it is unpacked.
    pub(super) fn new(encoding: Encoding, length: usize, intake: &Intake) -> Result<Self> {
        let (limit, max_expansion) = (intake.limits.max_grpc_message_bytes, intake.limits.max_expansion);
        if length > limit {
            let message = format!("the message is {length} bytes, the limit is {limit}");
            return Err(Error::new(ErrorCode::TooLarge, message));
        }
        let held = intake.service.hold_bytes();
        let into = Unpacked { bytes: Vec::new(), held, came: 0, max_expansion, limit, refused: None };
        let decoder = match encoding {
            Encoding::Gzip => Decoder::Gzip(GzDecoder::new(into)),
            Encoding::Deflate => Decoder::Deflate(ZlibDecoder::new(into)),
        };
        Ok(Self { decoder, left: length })
    }

    /// Takes what is its own of a part of the body.
    ///
    /// # Errors
    /// As [`super::Messages::take`].
    pub(super) fn take(&mut self, part: &mut Bytes) -> Result<()> {
        let some = part.split_to(self.left.min(part.len()));
        self.left -= some.len();
        self.decoder.unpacked().came += some.len();
        let written = self.decoder.write_all(&some);
        written.map_err(|error| self.decoder.refusal(&error))
    }

    /// The message, once all of it has come.
    ///
    /// # Errors
    /// As [`super::Messages::take`].
    pub(super) fn finish(&mut self) -> Result<Option<Bytes>> {
        if self.left > 0 {
            return Ok(None);
        }
        let finished = self.decoder.finish();
        finished.map_err(|error| self.decoder.refusal(&error))?;
        Ok(Some(std::mem::take(&mut self.decoder.unpacked().bytes).into()))
    }
}

impl Decoder {
    fn unpacked(&mut self) -> &mut Unpacked {
        match self {
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Deflate(decoder) => decoder.get_mut(),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(decoder) => decoder.write_all(bytes),
            Self::Deflate(decoder) => decoder.write_all(bytes),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(decoder) => decoder.try_finish(),
            Self::Deflate(decoder) => decoder.try_finish(),
        }
    }

    /// Why it does not go on: what it would become, or what came.
    fn refusal(&mut self, error: &io::Error) -> Error {
        let refused = self.unpacked().refused.take();
        refused.unwrap_or_else(|| Error::invalid(format!("the message cannot be unpacked: {error}")))
    }
}

impl Unpacked {
    fn check(&mut self, more: usize) -> Result<()> {
        let bytes = self.bytes.len() + more;
        let too_large = |what: String| Err(Error::new(ErrorCode::TooLarge, what));
        if bytes > self.limit {
            return too_large(format!("the message unpacks to more than the limit of {} bytes", self.limit));
        }
        let times = self.max_expansion;
        if bytes > self.came.saturating_mul(times).max(FREE) {
            return too_large(format!(
                "the message unpacks to more than {times} times its size, send it uncompressed"
            ));
        }
        self.held.add(more)
    }
}

impl Write for Unpacked {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.check(more.len()) {
            self.refused = Some(error);
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
