//! The service's codec: prost's, but for messages whose fields would take many times their size in memory.

use std::marker::PhantomData;

use prost::{Message, bytes::Buf};
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder},
};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

use crate::bounds;

/// Encodes `E`, decodes `D`.
#[derive(Debug)]
pub struct Bounded<E, D>(PhantomData<(E, D)>);

/// Decodes messages within [`bounds`].
#[derive(Debug)]
pub struct BoundedDecoder<D>(ProstDecoder<D>);

impl<E, D> Default for Bounded<E, D> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<E: Message + 'static, D: Message + Default + 'static> Codec for Bounded<E, D> {
    type Encode = E;
    type Decode = D;
    type Encoder = ProstEncoder<E>;
    type Decoder = BoundedDecoder<D>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<E, D>::default().encoder()
    }

    fn decoder(&mut self) -> Self::Decoder {
        BoundedDecoder(ProstCodec::<E, D>::default().decoder())
    }
}

impl<D: Message + Default + 'static> Decoder for BoundedDecoder<D> {
    type Item = D;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<D>, Status> {
        let bytes = message.chunk();
        debug_assert_eq!(bytes.len(), message.remaining(), "tonic gives a message in one piece");
        bounds::check::<D>(bytes).map_err(|error| Status::resource_exhausted(error.to_string()))?;
        self.0.decode(message)
    }
}
