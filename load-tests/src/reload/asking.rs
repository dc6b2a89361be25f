//! One client that asks at a steady rate, and checks what it hears.

use std::time::{Duration, Instant};

use tokio::{sync::watch, time::sleep_until};

use super::repository::{Answers, index};
use crate::{
    Result,
    questions::{self, near},
    rest::RestClient,
    workload::Workload,
};

/// What goes on while a request is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing counts yet.
    Settling,
    Reloading,
    Steady,
    Over,
}

/// Who asks what, and how often.
pub(super) struct Asking {
    pub(super) address: String,
    pub(super) workload: Workload,
    /// What the versions answer, where that is to be checked.
    pub(super) versions: Option<Answers>,
    pub(super) every: Duration,
    /// When the first request is due, from now: clients that ask in step would make bursts.
    pub(super) after: Duration,
    pub(super) phase: watch::Receiver<Phase>,
}

/// How long answers took, from when they were due.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) steady: Vec<Duration>,
    pub(super) reloading: Vec<Duration>,
}

impl Asking {
    /// Asks until it is over.
    ///
    /// # Errors
    /// The first request that failed, or whose answer is wrong.
    pub(super) async fn run(self) -> Result<Taken> {
        let (body, head) = self.workload.binary();
        let mut client = RestClient::connect(&self.address, &self.workload.model, &body, Some(head)).await?;
        let mut taken = Taken::default();
        let mut due = Instant::now() + self.after;
        loop {
            sleep_until(due.into()).await;
            let phase = *self.phase.borrow();
            if phase == Phase::Over {
                return Ok(taken);
            }
            let response = client.answer().await?;
            let took = due.elapsed();
            if let Some(versions) = &self.versions {
                check(response, versions)?;
            }
            // One that began in one phase and ended in another belongs to neither.
            match phase {
                _ if *self.phase.borrow() != phase => {}
                Phase::Reloading => taken.reloading.push(took),
                Phase::Steady => taken.steady.push(took),
                Phase::Settling | Phase::Over => {}
            }
            due += self.every;
        }
    }
}

/// The answer must be the one that the version it names gives.
fn check(response: &[u8], versions: &Answers) -> Result {
    let version = version(response).ok_or("an answer that names no version")?;
    let numbers = questions::numbers(response).ok_or("an answer that cannot be read")?;
    let expected = &versions[index(version)];
    if near(&numbers, expected) {
        return Ok(());
    }
    Err(format!("version {version} answered {numbers:?}, expected {expected:?}").into())
}

/// The version that a response names.
fn version(response: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(response);
    let (_, after) = text.split_once(r#""model_version":""#)?;
    after.split_once('"')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(version: u64, number: f32) -> Vec<u8> {
        let output = r#"{"datatype":"FP32","parameters":{"binary_data_size":4}}"#;
        let json = format!(r#"{{"model_version":"{version}","outputs":[{output}]}}"#);
        let head = format!("HTTP/1.1 200 OK\r\nInference-Header-Content-Length: {}\r\n\r\n", json.len());
        [head.as_bytes(), json.as_bytes(), &number.to_le_bytes()].concat()
    }

    #[test]
    fn an_answer_must_be_that_of_the_version_it_names() {
        let versions = Answers::new([vec![1.0], vec![2.0]]);
        assert!(check(&response(3, 1.0), &versions).is_ok());
        assert!(check(&response(4, 2.0), &versions).is_ok());
        assert!(check(&response(4, 1.0), &versions).is_err());
        assert!(check(b"HTTP/1.1 200 OK\r\n\r\n", &versions).is_err());
    }
}
