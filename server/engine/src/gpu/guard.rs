//! Whether a model may be served with less than full precision: what it makes of a sample is compared with what
//! full precision makes of it, once, before it serves.

use std::collections::BTreeMap;

use girandole_core::{BatchOutputs, Difference, Error, PrecisionReport, Result};

use super::dtype::Precision;

/// The largest error that is served, as a part of an output's largest number.
const LIMIT: &str = "precision_limit";
/// What happens above it.
const ABOVE: &str = "precision_above_limit";

/// What the configuration says of errors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Guard {
    limit: f64,
    above: Above,
}

/// What becomes of a model whose error is above the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Above {
    /// It is served in full precision.
    Fp32,
    /// It is not served.
    Refuse,
    /// It is served as asked for.
    Serve,
}

impl Guard {
    /// What the parameters ask for.
    ///
    /// # Errors
    /// `InvalidArgument` for values that make no sense.
    pub(crate) fn of(parameters: &BTreeMap<String, String>, precision: Precision) -> Result<Self> {
        let limit = match parameters.get(LIMIT) {
            None => usual(precision),
            Some(text) => text.parse().ok().filter(|limit| *limit >= 0.0).ok_or_else(|| {
                Error::invalid(format!("parameter '{LIMIT}' must be a number of 0 or more, got '{text}'"))
            })?,
        };
        let above = match parameters.get(ABOVE).map(String::as_str) {
            None | Some("fp32") => Above::Fp32,
            Some("refuse") => Above::Refuse,
            Some("serve") => Above::Serve,
            Some(other) => {
                let expected = "must be fp32, refuse or serve";
                return Err(Error::invalid(format!("parameter '{ABOVE}' {expected}, got '{other}'")));
            }
        };
        Ok(Self { limit, above })
    }

    /// What the model is served with, of which this error was measured.
    ///
    /// # Errors
    /// `InvalidArgument` where it is not to be served.
    pub(crate) fn decide(
        self,
        asked: Precision,
        error: std::result::Result<f64, String>,
    ) -> Result<(Precision, PrecisionReport)> {
        let exceeds = error.as_ref().is_ok_and(|error| *error > self.limit);
        let serves = match self.above {
            Above::Refuse if exceeds => {
                let (asked, error, limit) = (asked.name(), error.unwrap_or_default(), self.limit);
                return Err(Error::invalid(format!(
                    "with precision {asked} its outputs are off by {error:.1e} of their largest number, more than the \
                     {limit:.1e} of '{LIMIT}'; use another precision, or allow more"
                )));
            }
            Above::Fp32 if exceeds => Precision::Fp32,
            _ => asked,
        };
        let report = PrecisionReport { asked: asked.name(), serves: serves.name(), error, limit: self.limit };
        Ok((serves, report))
    }
}

/// What networks that are fit for a precision stay below.
const fn usual(precision: Precision) -> f64 {
    match precision {
        Precision::Fp32 => 0.0,
        Precision::Tf32 => 0.01,
        Precision::Fp16 => 0.02,
        Precision::Bf16 => 0.1,
    }
}

/// How far outputs of floats are from those in full precision; those of integers, such as the class of a tie, say
/// nothing.
///
/// # Errors
/// Where there is nothing to compare.
pub(crate) fn error_of(came: &BatchOutputs, expected: &BatchOutputs) -> Result<f64> {
    let pairs = came.tensors.iter().zip(&expected.tensors);
    let floats: Vec<_> = pairs.filter(|(_, expected)| expected.dtype().is_float()).collect();
    if floats.is_empty() {
        return Err(Error::invalid("no output is of floats"));
    }
    let mut worst = Difference::default();
    for (came, expected) in floats {
        worst = worst.and(Difference::of(came, expected)?);
    }
    Ok(worst.relative)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(pairs: &[(&str, &str)]) -> Result<Guard> {
        let parameters = pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        Guard::of(&parameters, Precision::Fp16)
    }

    #[test]
    fn what_is_above_the_limit_is_served_in_full_precision_or_refused() {
        let fp16 = Precision::Fp16;
        for (above, error, serves) in [
            ("fp32", 0.01, Some("fp16")),
            ("fp32", 0.03, Some("fp32")),
            ("fp32", f64::INFINITY, Some("fp32")),
            ("refuse", 0.01, Some("fp16")),
            ("refuse", 0.03, None),
            ("serve", 0.03, Some("fp16")),
        ] {
            let guard = guard(&[(ABOVE, above)]).unwrap();
            let decided = guard.decide(fp16, Ok(error));
            assert_eq!(decided.ok().map(|(_, report)| report.serves), serves, "{above} {error}");
        }
        let refused = guard(&[(ABOVE, "refuse"), (LIMIT, "0.001")]).unwrap().decide(fp16, Ok(0.002));
        let message = refused.unwrap_err().message().to_owned();
        assert!(message.contains("2.0e-3") && message.contains("1.0e-3"), "{message}");
        let unmeasured = guard(&[(ABOVE, "refuse")]).unwrap().decide(fp16, Err("no memory".into())).unwrap();
        assert_eq!(unmeasured.0, fp16);
    }

    #[test]
    fn parameters_that_make_no_sense_are_refused() {
        assert!(guard(&[(LIMIT, "-1")]).is_err());
        assert!(guard(&[(LIMIT, "NaN")]).is_err());
        assert!(guard(&[(ABOVE, "panic")]).is_err());
        assert_eq!(
            guard(&[(LIMIT, "0.5"), (ABOVE, "serve")]).unwrap(),
            Guard { limit: 0.5, above: Above::Serve }
        );
    }
}
