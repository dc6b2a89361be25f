//! Requests whose answers are known: whoever asks them sees at once whether an answer is its own.
//!
//! Invariant: what is expected was answered one at a time, with nobody else asking.

mod answer;

use std::{sync::Arc, time::Duration};

pub(crate) use self::answer::of_rest as numbers;
use crate::{
    Result,
    client::Protocol,
    grpc::{self, Ended, GrpcClient},
    rest::{self, RestClient},
    server::Server,
    workload::Workload,
};

/// How many different requests there are.
const VARIANTS: usize = 16;

/// A batch adds up in another order than a single row, and kernels differ by the size of a batch.
const TOLERANCE: f32 = 1e-4;

/// Whether all numbers are what they should be.
pub(crate) fn near(came: &[f32], expected: &[f32]) -> bool {
    within(TOLERANCE, came, expected)
}

fn within(tolerance: f32, came: &[f32], expected: &[f32]) -> bool {
    let near = |(came, expected): (&f32, &f32)| (came - expected).abs() <= tolerance;
    came.len() == expected.len() && came.iter().zip(expected).all(near)
}

/// How they are asked, and what passes as right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// How long a gRPC call may take.
    pub(crate) deadline: Option<Duration>,
    /// By how much a number may differ.
    pub(crate) tolerance: f32,
}

impl Default for Terms {
    fn default() -> Self {
        Self { deadline: None, tolerance: TOLERANCE }
    }
}

/// Requests of one protocol, and what they are answered.
pub(crate) struct Questions {
    protocol: Protocol,
    address: String,
    terms: Terms,
    /// As they travel.
    requests: Vec<Vec<u8>>,
    expected: Vec<Vec<f32>>,
}

/// What a request came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    Right,
    /// What came, and what should have.
    Wrong(String),
    /// An HTTP status, or a gRPC one.
    Refused(u16),
}

/// A connection over which questions are asked.
pub(crate) struct Asker {
    questions: Arc<Questions>,
    connection: Connection,
}

enum Connection {
    Rest(RestClient),
    Grpc(Box<GrpcClient>),
}

/// What came back, before it is known to be right.
enum Came {
    Numbers(Option<Vec<f32>>),
    Refused(u16),
}

impl Questions {
    /// Variants of a request, each asked once.
    pub(crate) async fn of(
        workload: &Workload,
        protocol: Protocol,
        server: &Server,
        terms: Terms,
    ) -> Result<Arc<Self>> {
        let address = if protocol == Protocol::Grpc { &server.grpc } else { &server.rest }.clone();
        let request = |variant: &Workload| match protocol {
            Protocol::RestJson => Ok(rest::request(&address, &variant.model, &variant.json(), None)),
            Protocol::RestBinary => {
                let (body, head) = variant.binary();
                Ok(rest::request(&address, &variant.model, &body, Some(head)))
            }
            Protocol::Grpc => grpc::body(&variant.grpc()),
        };
        let requests: Vec<_> = workload.variants(VARIANTS).iter().map(request).collect::<Result<_>>()?;
        // Who asks first may have to wait for the model.
        let patient = Terms { deadline: None, ..terms };
        let mut this = Self { protocol, address, terms: patient, requests, expected: Vec::new() };
        let mut connection = this.connect().await?;
        for request in &this.requests {
            match connection.exchange(request).await? {
                Came::Numbers(Some(numbers)) if !numbers.is_empty() => this.expected.push(numbers),
                Came::Numbers(_) => return Err("an answer without real numbers".into()),
                Came::Refused(status) => return Err(format!("the first request: status {status}").into()),
            }
        }
        Ok(Arc::new(Self { terms, ..this }))
    }

    /// A connection of one's own.
    pub(crate) async fn asker(self: &Arc<Self>) -> Result<Asker> {
        Ok(Asker { questions: self.clone(), connection: self.connect().await? })
    }

    async fn connect(&self) -> Result<Connection> {
        let nothing = Vec::new();
        Ok(match self.protocol {
            Protocol::RestJson | Protocol::RestBinary => {
                Connection::Rest(RestClient::connect_with(&self.address, nothing).await?)
            }
            Protocol::Grpc => Connection::Grpc(Box::new(
                GrpcClient::connect_with(&self.address, nothing, self.terms.deadline).await?,
            )),
        })
    }

    fn check(&self, which: usize, numbers: Option<Vec<f32>>) -> Reply {
        let Some(expected) = self.expected.get(which) else { return Reply::Wrong("no such question".into()) };
        match numbers {
            Some(came) if within(self.terms.tolerance, &came, expected) => Reply::Right,
            came => Reply::Wrong(format!("question {which}: expected {expected:?}, got {came:?}")),
        }
    }
}

impl Asker {
    /// Asks one of the questions, whatever the number.
    ///
    /// # Errors
    /// A connection that breaks, or bytes that are no response.
    pub(crate) async fn ask(&mut self, number: usize) -> Result<Reply> {
        let which = number % self.questions.requests.len().max(1);
        let request = self.questions.requests.get(which).ok_or("no questions")?;
        Ok(match self.connection.exchange(request).await? {
            Came::Numbers(numbers) => self.questions.check(which, numbers),
            Came::Refused(status) => Reply::Refused(status),
        })
    }
}

impl Connection {
    async fn exchange(&mut self, request: &[u8]) -> Result<Came> {
        Ok(match self {
            Self::Rest(client) => match client.exchange(request).await? {
                (200, response) => Came::Numbers(answer::of_rest(response)),
                (status, _) => Came::Refused(status),
            },
            Self::Grpc(client) => match client.exchange(request).await? {
                Ended::Message(message) => Came::Numbers(answer::of_grpc(message)),
                Ended::Status(status) => Came::Refused(status.ok_or("a call without a status")?.into()),
            },
        })
    }
}
