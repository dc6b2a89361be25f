//! The reserved parameters of requests and tensors, read into fields; the rest stays free-form.
//!
//! Reserved parameters that Girandole cannot honour are errors, never ignored.

use std::time::Duration;

use girandole_core::{Error, ErrorCode, InferRequest, Parameter, Parameters, Priority, Result};

/// What the parameters asked for that only the protocol's side acts on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// Binary data for every output that does not say otherwise.
    pub(crate) binary: bool,
    /// Mark the last response of a stream as such.
    pub(crate) mark_final: bool,
}

/// Reads a request's parameters into its fields.
///
/// # Errors
/// `InvalidArgument` for a wrong type or a reserved key, `Unimplemented` for what is not served.
pub(crate) fn apply(request: &mut InferRequest, mut parameters: Parameters) -> Result<Wishes> {
    refuse_sequences(&mut parameters)?;
    request.priority = Priority(integer(&mut parameters, "priority")?.unwrap_or(0));
    let timeout = integer(&mut parameters, "timeout")?.filter(|&timeout| timeout > 0);
    request.queue_timeout = timeout.map(Duration::from_micros);
    let wishes = Wishes {
        binary: boolean(&mut parameters, "binary_data_output")?,
        mark_final: boolean(&mut parameters, "triton_enable_empty_final_response")?,
    };
    let reserved = parameters.keys().find(|key| key.starts_with("triton_") || key.as_str() == "headers");
    if let Some(key) = reserved {
        return Err(Error::invalid(format!("the parameter '{key}' is reserved and cannot be set")));
    }
    request.parameters = parameters;
    Ok(wishes)
}

/// A requested output's parameters: its classification and whether it comes in binary form.
///
/// # Errors
/// As [`apply`].
pub(crate) fn output(name: &str, mut parameters: Parameters) -> Result<(Option<usize>, Option<bool>)> {
    refuse_shared_memory(name, &parameters)?;
    let classes = integer(&mut parameters, "classification")?.filter(|&classes| classes > 0);
    let classes = classes.map(|classes| usize::try_from(classes).unwrap_or(usize::MAX));
    let binary = parameters.contains_key("binary_data");
    let binary = binary.then(|| boolean(&mut parameters, "binary_data")).transpose()?;
    Ok((classes, binary))
}

/// Refuses tensors that lie in shared memory.
///
/// # Errors
/// `Unimplemented`.
pub(crate) fn refuse_shared_memory(name: &str, parameters: &Parameters) -> Result<()> {
    if !parameters.keys().any(|key| key.starts_with("shared_memory_")) {
        return Ok(());
    }
    let message = format!("tensor '{name}' refers to shared memory, which is not served: send its data");
    Err(Error::new(ErrorCode::Unimplemented, message))
}

/// A sequence identifier of nothing and flags that are false ask for nothing.
fn refuse_sequences(parameters: &mut Parameters) -> Result<()> {
    for key in ["sequence_id", "sequence_start", "sequence_end"] {
        let nothing = match parameters.remove(key) {
            None | Some(Parameter::Bool(false) | Parameter::I64(0) | Parameter::U64(0)) => true,
            Some(Parameter::String(id)) => id.is_empty(),
            Some(_) => false,
        };
        if !nothing {
            let message = format!("sequence batching is not served: leave out the parameter '{key}'");
            return Err(Error::new(ErrorCode::Unimplemented, message));
        }
    }
    Ok(())
}

fn integer(parameters: &mut Parameters, key: &str) -> Result<Option<u64>> {
    let value = match parameters.remove(key) {
        None => return Ok(None),
        Some(Parameter::I64(value)) => u64::try_from(value).ok(),
        Some(Parameter::U64(value)) => Some(value),
        Some(Parameter::String(text)) => text.parse().ok(),
        Some(Parameter::Bool(_) | Parameter::F64(_)) => None,
    };
    let wrong = || Error::invalid(format!("the parameter '{key}' must be an integer of 0 or more"));
    value.map(Some).ok_or_else(wrong)
}

fn boolean(parameters: &mut Parameters, key: &str) -> Result<bool> {
    match parameters.remove(key) {
        None => Ok(false),
        Some(Parameter::Bool(value)) => Ok(value),
        Some(_) => Err(Error::invalid(format!("the parameter '{key}' must be true or false"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(key: &str, value: Parameter) -> Result<(InferRequest, Wishes)> {
        let mut request = InferRequest::default();
        let wishes = apply(&mut request, Parameters::from([(key.to_owned(), value)]))?;
        Ok((request, wishes))
    }

    #[test]
    fn reserved_parameters_become_fields_and_others_stay() {
        assert_eq!(applied("priority", Parameter::I64(2)).unwrap().0.priority, Priority(2));
        let (request, _) = applied("timeout", Parameter::U64(1500)).unwrap();
        assert_eq!(request.queue_timeout, Some(Duration::from_micros(1500)));
        assert!(applied("binary_data_output", Parameter::Bool(true)).unwrap().1.binary);
        let (request, _) = applied("mine", Parameter::F64(0.5)).unwrap();
        assert_eq!(request.parameters["mine"], Parameter::F64(0.5));
        assert!(applied("sequence_id", Parameter::I64(0)).is_ok());
    }

    #[test]
    fn what_cannot_be_honoured_is_refused() {
        let table = [
            ("sequence_id", Parameter::I64(7), ErrorCode::Unimplemented),
            ("sequence_id", Parameter::String("a".into()), ErrorCode::Unimplemented),
            ("sequence_start", Parameter::Bool(true), ErrorCode::Unimplemented),
            ("priority", Parameter::I64(-1), ErrorCode::InvalidArgument),
            ("timeout", Parameter::Bool(true), ErrorCode::InvalidArgument),
            ("triton_final_response", Parameter::Bool(true), ErrorCode::InvalidArgument),
            ("headers", Parameter::String("a".into()), ErrorCode::InvalidArgument),
        ];
        for (key, value, code) in table {
            assert_eq!(applied(key, value).unwrap_err().code(), code, "{key}");
        }
        let region = Parameters::from([("shared_memory_region".to_owned(), Parameter::String("r".into()))]);
        assert_eq!(output("y", region).unwrap_err().code(), ErrorCode::Unimplemented);
    }

    #[test]
    fn an_outputs_parameters_say_classes_and_form() {
        let parameters = Parameters::from([
            ("classification".to_owned(), Parameter::I64(3)),
            ("binary_data".to_owned(), Parameter::Bool(false)),
        ]);
        assert_eq!(output("y", parameters).unwrap(), (Some(3), Some(false)));
        assert_eq!(output("y", Parameters::new()).unwrap(), (None, None));
    }
}
