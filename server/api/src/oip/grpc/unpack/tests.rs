//! What comes out for what goes in, however the network cut it.

use std::{convert::Infallible, io::Write, sync::Arc};

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use futures::{FutureExt, stream};
use girandole_core::mock::MockLoader;
use girandole_runtime::lifecycle::{Runtime, RuntimeHandle, RuntimeOptions};
use http_body_util::BodyExt;
use proptest::prelude::*;

use super::*;
use crate::{layers::Style, limits::Limits};

/// Bounds on what comes, and the runtime that they are part of.
fn intake(max_grpc_message_bytes: usize) -> (Intake, RuntimeHandle) {
    let repository = tempfile::tempdir().unwrap();
    let options =
        RuntimeOptions { repositories: vec![repository.path().to_owned()], ..RuntimeOptions::default() };
    let nothing = MockLoader(Arc::new(|_| Err(Error::internal("nothing is to be loaded"))));
    let (service, runtime) = Runtime::start(options, Arc::new(nothing)).unwrap();
    let limits = Limits { max_grpc_message_bytes, ..Limits::default() };
    (Intake { service, limits, style: Style::Grpc }, runtime)
}

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    [&[flag], &u32::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
}

fn packed(encoding: Encoding, message: &[u8]) -> Vec<u8> {
    let written = match encoding {
        Encoding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(message).and_then(|()| encoder.finish())
        }
        Encoding::Deflate => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(message).and_then(|()| encoder.finish())
        }
    };
    written.unwrap()
}

/// What a body in parts of so many bytes becomes.
fn unpacked(
    encoding: Encoding,
    intake: &Intake,
    body: &[u8],
    parts: usize,
) -> Result<Vec<u8>, tonic::Status> {
    let parts: Vec<_> =
        body.chunks(parts).map(|part| Ok::<_, Infallible>(Bytes::copy_from_slice(part))).collect();
    let body = Unpacking::new(Body::from_stream(stream::iter(parts)), encoding, intake.clone());
    let collected = body.collect().now_or_never().unwrap();
    collected
        .map(|body| body.to_bytes().to_vec())
        .map_err(|error| tonic::Status::from_error(error.into_inner()))
}

fn code(outcome: Result<Vec<u8>, tonic::Status>) -> tonic::Code {
    outcome.unwrap_err().code()
}

#[test]
fn messages_come_out_as_if_they_were_sent_uncompressed() {
    let (intake, _runtime) = intake(1 << 20);
    let message = prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..300);
    let messages = prop::collection::vec((message, any::<bool>()), 0..5);
    let encoding = prop_oneof![Just(Encoding::Gzip), Just(Encoding::Deflate)];
    proptest!(|(messages in messages, encoding in encoding, parts in 1_usize..100)| {
        let sent: Vec<_> = messages.iter().flat_map(|(message, is_packed)| match is_packed {
            true => framed(1, &packed(encoding, message)),
            false => framed(0, message),
        }).collect();
        let expected: Vec<_> = messages.iter().flat_map(|(message, _)| framed(0, message)).collect();
        prop_assert_eq!(unpacked(encoding, &intake, &sent, parts).unwrap(), expected);
    });
}

#[test]
fn what_does_not_unpack_is_the_callers_fault() {
    let (intake, _runtime) = intake(1 << 20);
    let whole = packed(Encoding::Gzip, &[7; 1000]);
    let cut = &whole[..whole.len() - 1];
    let mut damaged = whole.clone();
    damaged[whole.len() - 5] ^= 1;
    for wrong in [b"no gzip".as_slice(), b"", cut, &damaged, &[&*whole, b"more"].concat()] {
        let code = code(unpacked(Encoding::Gzip, &intake, &framed(1, wrong), 16));
        assert_eq!(code, tonic::Code::InvalidArgument, "{wrong:?}");
    }
    let ended = &framed(1, &whole)[..20];
    assert_eq!(code(unpacked(Encoding::Gzip, &intake, ended, 16)), tonic::Code::InvalidArgument);
}

#[test]
fn a_message_is_no_larger_than_the_limit_before_and_after() {
    let (intake, _runtime) = intake(1000);
    let of = |message: &[u8]| unpacked(Encoding::Deflate, &intake, &framed(1, message), 1 << 14);
    assert!(of(&packed(Encoding::Deflate, &[7; 1000])).is_ok());
    let after = of(&packed(Encoding::Deflate, &[7; 1001])).unwrap_err();
    assert_eq!(after.code(), tonic::Code::ResourceExhausted);
    assert_eq!(after.message(), "the message unpacks to more than the limit of 1000 bytes");
    let before = of(&[7; 1001]).unwrap_err();
    assert_eq!(before.message(), "the message is 1001 bytes, the limit is 1000");
}
