//! Compressed messages, unpacked while they come: tonic is given them as if they had been sent uncompressed.
//!
//! tonic unpacks a message at once, when all of it is there, and up to the largest message whatever came. Here a message
//! may not become more than so many times what came of it, and what it becomes is taken from the bytes that may be in
//! flight. Its answer is compressed by tonic, as before.

mod message;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, HttpBody},
    extract::Request,
};
use bytes::{Buf, Bytes, BytesMut};
use girandole_core::{Error, Result};
use http_body::{Frame, SizeHint};

use self::message::{Encoding, Packed};
use crate::{error::status, layers::intake::Intake};

/// A message's flag of compression and its length.
const HEAD: usize = 5;
/// What says how a call's messages are compressed.
const ENCODING: &str = "grpc-encoding";

/// A call whose messages are unpacked while they come.
pub(super) fn unpacked(request: Request, intake: &Intake) -> Request {
    let encoding = request.headers().get(ENCODING).and_then(|name| Encoding::named(name.as_bytes()));
    match encoding {
        None => request,
        // The header stays: whoever packs gets a packed answer.
        Some(encoding) => request.map(|body| Body::new(Unpacking::new(body, encoding, intake.clone()))),
    }
}

/// A body of messages, some of them compressed.
struct Unpacking {
    body: Body,
    messages: Messages,
}

/// What comes in turns into what goes out.
struct Messages {
    encoding: Encoding,
    intake: Intake,
    place: Place,
    out: VecDeque<Bytes>,
}

/// Where in the body it is.
enum Place {
    Head(BytesMut),
    Plain { left: usize },
    Packed(Box<Packed>),
}

impl Unpacking {
    fn new(body: Body, encoding: Encoding, intake: Intake) -> Self {
        let place = Place::Head(BytesMut::with_capacity(HEAD));
        Self { body, messages: Messages { encoding, intake, place, out: VecDeque::new() } }
    }
}

impl Messages {
    /// Takes a part of the body.
    ///
    /// # Errors
    /// `TooLarge` and `Overloaded` for a message that unpacks to more than it may, `InvalidArgument` for one that does
    /// not unpack.
    fn take(&mut self, mut part: Bytes) -> Result<()> {
        while part.has_remaining() {
            match &mut self.place {
                Place::Head(head) => {
                    let missing = (HEAD - head.len()).min(part.len());
                    head.extend_from_slice(&part.split_to(missing));
                    if head.len() == HEAD {
                        let head = head.split().freeze();
                        self.begin(head)?;
                    }
                }
                Place::Plain { left } => {
                    let some = part.split_to((*left).min(part.len()));
                    *left -= some.len();
                    let over = *left == 0;
                    self.out.push_back(some);
                    self.over_if(over);
                }
                Place::Packed(packed) => {
                    packed.take(&mut part)?;
                    self.end_packed()?;
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, head: Bytes) -> Result<()> {
        let (flag, length) = (head.clone().get_u8(), head.slice(1..).get_u32() as usize);
        if flag == 1 {
            self.place = Place::Packed(Box::new(Packed::new(self.encoding, length, &self.intake)?));
            return self.end_packed();
        }
        self.place = Place::Plain { left: length };
        self.out.push_back(head);
        self.over_if(length == 0);
        Ok(())
    }

    fn end_packed(&mut self) -> Result<()> {
        let Place::Packed(packed) = &mut self.place else { return Ok(()) };
        if let Some(message) = packed.finish()? {
            let length = u32::try_from(message.len()).map_err(|_| Error::internal("a message of 4 GiB"))?;
            self.out.push_back([&[0], &length.to_be_bytes()[..]].concat().into());
            self.out.push_back(message);
            self.over_if(true);
        }
        Ok(())
    }

    fn over_if(&mut self, over: bool) {
        if over {
            self.place = Place::Head(BytesMut::with_capacity(HEAD));
        }
    }

    /// The body is over.
    ///
    /// # Errors
    /// `InvalidArgument` in the middle of a compressed message; of others tonic knows.
    fn end(&self) -> Result<()> {
        match self.place {
            Place::Packed(_) => Err(Error::invalid("the body ends in the middle of a compressed message")),
            Place::Head(_) | Place::Plain { .. } => Ok(()),
        }
    }
}

impl HttpBody for Unpacking {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let refused = |error| Poll::Ready(Some(Err(axum::Error::new(status(error)))));
        loop {
            if let Some(some) = this.messages.out.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(some))));
            }
            let Some(frame) = ready!(Pin::new(&mut this.body).poll_frame(context)?) else {
                return this.messages.end().map_or_else(refused, |()| Poll::Ready(None));
            };
            match frame.into_data() {
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                Ok(part) => {
                    if let Err(error) = this.messages.take(part) {
                        return refused(error);
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.messages.out.is_empty() && self.body.is_end_stream() && self.messages.end().is_ok()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::new()
    }
}
