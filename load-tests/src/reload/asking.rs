//! One client that asks at a steady rate, and checks what it hears.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::{sync::watch, time::sleep_until};

use super::repository::{Answers, index};
use crate::{Result, rest::RestClient, workload::Workload};

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
    let (version, numbers) = parse(response).ok_or("an answer that cannot be read")?;
    let expected = &versions[index(version)];
    let near = |(came, expected): (&f32, &f32)| (came - expected).abs() <= 1e-4;
    if numbers.len() == expected.len() && numbers.iter().zip(expected).all(near) {
        return Ok(());
    }
    Err(format!("version {version} answered {numbers:?}, expected {expected:?}").into())
}

/// The version and the one output of a response with binary tensor data.
fn parse(response: &[u8]) -> Option<(u64, Vec<f32>)> {
    let end = response.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let (head, body) = response.split_at(end);
    let length = std::str::from_utf8(head).ok()?.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("inference-header-content-length").then(|| value.trim().parse().ok())?
    });
    let (json, data) = body.split_at_checked(length?)?;
    let json: Value = serde_json::from_slice(json).ok()?;
    let numbers = data.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    Some((json["model_version"].as_str()?.parse().ok()?, numbers))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(version: u64, number: f32) -> Vec<u8> {
        let json = format!(r#"{{"model_version":"{version}"}}"#);
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
