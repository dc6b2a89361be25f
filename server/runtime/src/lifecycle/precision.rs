//! Whether a model computes well enough with the precision that its configuration asks for: measured on a batch before
//! it serves, and said in the log, a gauge and its metadata.

use girandole_core::{Model, PrecisionReport, Result};
use tracing::{info, warn};

use super::warmup;
use crate::{metrics, settings::ModelSettings};

/// Lets the model compare; what it serves with from now on is in the report. Nothing where it computes in full
/// precision anyway.
///
/// # Errors
/// `InvalidArgument` where the error is above what the configuration allows, and it refuses that.
pub(super) fn check(
    model: &dyn Model,
    settings: &ModelSettings,
    (name, version): (&str, u64),
) -> Result<Option<PrecisionReport>> {
    let sample = warmup::sample(settings);
    let report = model.check_precision(sample.as_ref().map_err(Clone::clone))?;
    let Some(report) = report else { return Ok(None) };
    metrics::precision_error(name, version, &report);
    let (asked, serves, limit) = (report.asked, report.serves, report.limit);
    match &report.error {
        Ok(error) if asked == serves => {
            info!(model = name, version, precision = serves, error, limit, "precision measured")
        }
        Ok(error) => {
            warn!(
                model = name,
                version, asked, error, limit, "above the limit, so it is served with {serves}"
            );
        }
        Err(why) => {
            warn!(model = name, version, precision = serves, %why, "what the precision costs is not known")
        }
    }
    Ok(Some(report))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use girandole_core::{
        Batch, DType, Error, MemoryUse, ModelSpec, Session, SessionOptions, TensorSpec, mock::gather,
    };

    use super::*;
    use crate::settings::QueuePolicy;

    /// Takes the largest of the sample's 4 x 8 numbers for an error.
    struct Rounding(ModelSpec, f64);

    impl Model for Rounding {
        fn spec(&self) -> &ModelSpec {
            &self.0
        }

        fn session(&self, _options: &SessionOptions) -> Result<Box<dyn Session>> {
            Err(Error::internal("nothing is run"))
        }

        fn memory(&self) -> Vec<MemoryUse> {
            Vec::new()
        }

        fn check_precision(&self, sample: Result<&Batch>) -> Result<Option<PrecisionReport>> {
            let error = sample.map_err(|error| error.message().to_owned()).map(|sample| {
                let data = gather(&sample.inputs[0]).unwrap();
                let numbers = data.data().as_chunks::<4>().0;
                assert_eq!(numbers.len(), 4 * 8);
                numbers.iter().map(|&number| f64::from(f32::from_le_bytes(number))).fold(0.0, f64::max)
            });
            let limit = self.1;
            match error {
                Ok(error) if error > limit => Err(Error::invalid("too far off")),
                error => Ok(Some(PrecisionReport { asked: "fp16", serves: "fp16", error, limit })),
            }
        }
    }

    fn checked(dims: &[i64], limit: f64) -> Result<Option<PrecisionReport>> {
        let spec = ModelSpec {
            inputs: vec![TensorSpec::new("x", DType::F32, dims)],
            outputs: vec![TensorSpec::new("y", DType::F32, &[-1])],
            max_batch_size: 16,
        };
        let settings = ModelSettings {
            spec: spec.clone(),
            instances: Vec::new(),
            batching: None,
            default_queue_policy: QueuePolicy::default(),
            warmup: Vec::new(),
            circuit_breaker: Default::default(),
            class_labels: BTreeMap::new(),
            parameters: BTreeMap::new(),
        };
        check(&Rounding(spec, limit), &settings, ("m", 1))
    }

    #[test]
    fn a_model_is_measured_on_numbers_that_are_not_all_the_same() {
        let report = checked(&[-1, 8], 1.0).unwrap().unwrap();
        assert!(report.error.as_ref().is_ok_and(|&error| error > 0.5 && error <= 1.0), "{report:?}");
        let properties = report.properties();
        assert_eq!((&*properties["precision"], &*properties["precision_limit"]), ("fp16", "1"));
        assert_eq!(checked(&[-1, 8], 0.1).unwrap_err().message(), "too far off");
    }

    #[test]
    fn what_is_too_large_to_make_up_is_not_measured() {
        let report = checked(&[-1, 1 << 40], 1.0).unwrap().unwrap();
        assert!(report.properties()["precision_error"].contains("configure a model_warmup"));
    }
}
