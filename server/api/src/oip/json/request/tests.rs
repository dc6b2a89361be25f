//! What a request may look like, and what is said of those that may not.

use super::*;

fn input(fields: &str) -> Result<JsonInput> {
    let body = format!(r#"{{"inputs":[{{"name":"x",{fields}}}]}}"#);
    parse(body.as_bytes()).map(|mut request| request.inputs.remove(0))
}

fn message(fields: &str) -> String {
    input(fields).unwrap_err().message().to_owned()
}

#[test]
fn data_is_read_nested_or_flat_before_or_after_its_type() {
    let forms = [
        r#""datatype":"INT16","shape":[2,2],"data":[1,2,3,-4]"#,
        r#""datatype":"INT16","shape":[2,2],"data":[[1,2],[3,-4]]"#,
        r#""data":[[1,2],[3,-4]],"shape":[2,2],"datatype":"INT16""#,
        r#""shape":[2,2],"data":[1,2,3,-4],"datatype":"INT16","unknown":{"a":[{}]}"#,
    ];
    for form in forms {
        let input = input(form).unwrap();
        assert_eq!(input.data.unwrap(), [1i16, 2, 3, -4].map(i16::to_le_bytes).concat(), "{form}");
    }
}

#[test]
fn nonfinite_values_are_read_as_triton_and_python_write_them() {
    let input = input(r#""data":[NaN,-Infinity,Inf,1e3],"shape":[4],"datatype":"FP32""#).unwrap();
    let data = input.data.unwrap();
    let values: Vec<f32> = data.as_chunks().0.iter().map(|v| f32::from_le_bytes(*v)).collect();
    assert!(values[0].is_nan());
    assert_eq!(values[1..], [f32::NEG_INFINITY, f32::INFINITY, 1000.0]);
}

#[test]
fn a_scalar_and_an_empty_tensor_are_data_too() {
    let scalar = input(r#""datatype":"UINT8","shape":[],"data":7"#).unwrap();
    assert_eq!(scalar.data.unwrap(), [7u8][..]);
    let empty = input(r#""datatype":"UINT8","shape":[0,3],"data":[]"#).unwrap();
    assert!(empty.data.unwrap().is_empty());
    assert!(input(r#""datatype":"UINT8","shape":[2,0],"data":[[],[]]"#).is_ok());
}

#[test]
fn wrong_data_says_what_was_expected_and_what_came() {
    let table = [
        (r#""datatype":"INT8","shape":[1],"data":[200]"#, "must be an integer of -128..127 (INT8), got 200"),
        (r#""datatype":"UINT8","shape":[1],"data":[-1]"#, "must be an integer of 0..255 (UINT8), got -1"),
        (r#""datatype":"INT32","shape":[1],"data":[1.5]"#, "(INT32), got 1.5"),
        (r#""datatype":"FP32","shape":[1],"data":["a"]"#, "a number in range (FP32), got \"a\""),
        (r#""datatype":"FP32","shape":[1],"data":[1e39]"#, "a number in range (FP32), got 1e39"),
        (r#""datatype":"BYTES","shape":[1],"data":[1]"#, "element 0 of 'data' must be a string (BYTES"),
        (r#""datatype":"BOOL","shape":[1],"data":[2]"#, "true or false (BOOL), got 2"),
        (r#""datatype":"FP32","shape":[3],"data":[1,2]"#, "must have the shape's 3 elements, got 2"),
        (r#""datatype":"FP32","shape":[1],"data":[1,2]"#, "more than the shape's 1 elements"),
        (r#""datatype":"FP32","shape":[1],"data":1"#, "'data' must be an array"),
        (r#""datatype":"FP32","shape":[2,3],"data":[[1,2],[3,4],[5,6]]"#, "has 2 entries in dimension 1"),
        (r#""datatype":"FP32","shape":[2],"data":[[1],[2]]"#, "flat or nested 1 deep"),
        (r#""datatype":"FP32","shape":[2,1],"data":[1,[2]]"#, "mixes values and arrays"),
        (r#""datatype":"FP32","shape":[2],"data":{"a":1}"#, "a number in range (FP32) or an array"),
        (r#""datatype":"FLOAT","shape":[2],"data":[1,2]"#, "unknown datatype 'FLOAT'"),
        (r#""datatype":"FP32","shape":[-1],"data":[1]"#, "shape [-1]"),
        (r#""datatype":"FP32","shape":[4294967296,4294967296,16],"data":[1]"#, "more elements than"),
        (r#""shape":[1],"data":[1]"#, "input 'x' has no 'datatype'"),
        (r#""datatype":"FP32","data":[1]"#, "input 'x' has no 'shape'"),
        (r#""name":"y","shape":[1]"#, "'name' is given twice"),
    ];
    for (fields, expected) in table {
        let message = message(fields);
        assert!(message.contains(expected), "{fields}: {message}");
    }
}

#[test]
fn malformed_json_is_told_from_a_wrong_request() {
    let table: [(&[u8], &str); 6] = [
        (b"{", "the request is not valid JSON: EOF"),
        (b"[]", "invalid request: invalid type: sequence, expected an inference request"),
        (b"{}", "invalid request: missing field `inputs`"),
        (b"{\"inputs\":[],\"inputs\":[]}", "invalid request: 'inputs' is given twice"),
        (b"{\"id\":\"\xff\",\"inputs\":[]}", "the request is not valid JSON: invalid unicode"),
        (b"{\"inputs\":[]} x", "the request is not valid JSON: trailing characters"),
    ];
    for (body, expected) in table {
        let error = parse(body).unwrap_err();
        assert!(error.message().starts_with(expected), "{}", error.message());
    }
}

#[test]
fn deep_json_is_refused_not_a_crash() {
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let typed = message(&format!(r#""datatype":"FP32","shape":[1],"data":{nested}"#));
    assert!(typed.contains("recursion limit exceeded"), "{typed}");
    let late = message(&format!(r#""data":{nested},"datatype":"FP32","shape":[1]"#));
    assert!(late.contains("recursion limit exceeded"), "{late}");
}

#[test]
fn what_is_many_is_refused_while_it_is_read() {
    let outputs =
        |count| format!(r#"{{"inputs":[],"outputs":[{}]}}"#, vec![r#"{"name":""}"#; count].join(","));
    assert_eq!(parse(outputs(Limits::MOST_TENSORS).as_bytes()).unwrap().outputs.len(), Limits::MOST_TENSORS);
    let error = parse(outputs(Limits::MOST_TENSORS + 1).as_bytes()).unwrap_err();
    assert!(error.message().contains("more than the 4096 entries"), "{error}");
    assert!(message(&format!(r#""shape":{:?}"#, [1; 33])).contains("more than the 32 entries"));
    let parameters: Vec<_> = (0..=1024).map(|key| format!(r#""{key}":1"#)).collect();
    let error = message(&format!(r#""parameters":{{{}}}"#, parameters.join(",")));
    assert!(error.contains("more than 1024 parameters"), "{error}");
}
