//! A REST body to a request, held against models, answered, and the answer read as a request again.

use bytes::Bytes;
use girandole_api::fuzzing::{RestBody, RestRequest};
use girandole_core::ModelSpec;

use crate::{echo, framed, memory, specs};

/// What stands in answers where it stands in requests, in no text, as quotes are escaped there.
const OUTPUTS: &[u8] = br#","outputs":["#;
const INPUTS: &[u8] = br#","inputs":["#;

/// A body that is JSON.
pub fn json(body: &[u8]) {
    memory::within(body.len(), memory::CLIENTS, || {
        answered(None, &Bytes::copy_from_slice(body), &specs::all()[0])
    });
}

/// A body of JSON and tensors, or of one tensor, behind what its header says.
pub fn binary(framed: &[u8]) {
    let Some((header, body)) = framed::split(framed) else { return };
    let body = Bytes::copy_from_slice(body);
    // Only a body of one tensor depends on the model while it is read.
    let specs = if header == 0 { specs::all() } else { &specs::all()[..1] };
    memory::within(framed.len(), memory::CLIENTS, || {
        specs.iter().for_each(|spec| answered(Some(header), &body, spec));
    });
}

/// Reads and answers the request. What is answered must be read again as what it was.
#[allow(clippy::expect_used)]
fn answered(header: Option<usize>, body: &Bytes, spec: &ModelSpec) {
    let Ok(read) = RestRequest::read(RestBody { header, body: body.clone() }, spec) else { return };
    echo::check(read.request());
    let Ok(answer) = read.answer(&echo::answer(read.request())) else { return };
    let (header, body) = (answer.header, answer.body.clone());
    let again = RestRequest::read(request(answer), spec).expect("an answer can be read");
    let again = read.answer(&echo::answer(again.request())).expect("an answer can be answered");
    assert_eq!((again.header, &again.body), (header, &body), "an answer says the same when it was read");
}

/// The answer as a request.
#[allow(clippy::expect_used)]
fn request(answer: RestBody) -> RestBody {
    let at = answer.body.windows(OUTPUTS.len()).position(|part| part == OUTPUTS).expect("it has outputs");
    let body = [&answer.body[..at], INPUTS, &answer.body[at + OUTPUTS.len()..]].concat();
    let header = answer.header.map(|length| length + INPUTS.len() - OUTPUTS.len());
    RestBody { header, body: body.into() }
}
