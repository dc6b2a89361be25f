//! What is written is read back as the same bits, for every element type.

use bytes::Bytes;
use girandole_core::Shape;
use proptest::prelude::*;

use super::*;
use crate::oip::json::parse;

fn answer(dtype: DType, elements: usize, data: Bytes) -> InferResponse {
    let tensor = Tensor::new(dtype, Shape::new(&[elements]), data).unwrap();
    InferResponse {
        model: "m".into(),
        version: 3,
        route: Default::default(),
        id: "7".into(),
        outputs: vec![NamedTensor::new("y", tensor)],
        parameters: girandole_core::Parameters::new(),
    }
}

fn text(dtype: DType, elements: usize, data: &[u8]) -> String {
    let answer = answer(dtype, elements, Bytes::copy_from_slice(data));
    String::from_utf8(response(&answer, |_| false).unwrap()).unwrap()
}

/// The elements as a JSON reader makes them of our JSON, after a detour through a request.
fn round_trip(dtype: DType, elements: usize, data: &[u8]) -> Bytes {
    let text = text(dtype, elements, data);
    let request = text.replace("\"outputs\":", "\"inputs\":").replace("\"model_version\":\"3\",", "");
    let mut request = parse(request.as_bytes()).unwrap();
    request.inputs.pop().unwrap().data.unwrap()
}

/// Every NaN is one NaN in JSON.
fn without_nan(dtype: DType, data: Vec<u8>) -> Vec<u8> {
    match dtype {
        DType::F16 => map(data, |v| if f16::from_le_bytes(v).is_nan() { [0; 2] } else { v }),
        DType::BF16 => map(data, |v| if bf16::from_le_bytes(v).is_nan() { [0; 2] } else { v }),
        DType::F32 => map(data, |v| if f32::from_le_bytes(v).is_nan() { [0; 4] } else { v }),
        DType::F64 => map(data, |v| if f64::from_le_bytes(v).is_nan() { [0; 8] } else { v }),
        DType::Bool => map(data, |[v]: [u8; 1]| [v & 1]),
        _ => data,
    }
}

fn map<const N: usize>(mut data: Vec<u8>, change: impl Fn([u8; N]) -> [u8; N]) -> Vec<u8> {
    data.as_chunks_mut::<N>().0.iter_mut().for_each(|element| *element = change(*element));
    data
}

fn tensor() -> impl Strategy<Value = (DType, usize, Vec<u8>)> {
    (0..DType::ALL.len(), 0usize..20).prop_flat_map(|(dtype, elements)| {
        let dtype = DType::ALL[dtype];
        let strings = proptest::collection::vec(".{0,8}", elements);
        let bytes = proptest::collection::vec(any::<u8>(), elements * dtype.size().unwrap_or(0));
        (bytes, strings).prop_map(move |(bytes, strings)| {
            let data = match dtype {
                DType::Bytes => bytes_tensor::encode(strings.iter().map(String::as_bytes)).to_vec(),
                _ => without_nan(dtype, bytes),
            };
            (dtype, elements, data)
        })
    })
}

proptest! {
    #[test]
    fn json_gives_back_the_bits_of_every_type((dtype, elements, data) in tensor()) {
        prop_assert_eq!(round_trip(dtype, elements, &data), data);
    }
}

#[test]
fn a_response_has_the_protocols_fields() {
    assert_eq!(
        text(DType::U8, 2, &[1, 2]),
        r#"{"model_name":"m","model_version":"3","id":"7","outputs":[{"name":"y","datatype":"UINT8","shape":[2],"data":[1,2]}]}"#
    );
}

#[test]
fn nonfinite_values_are_written_as_python_reads_them() {
    let data: Vec<u8> = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY].map(f32::to_le_bytes).concat();
    assert!(text(DType::F32, 3, &data).ends_with(r#""data":[NaN,Infinity,-Infinity]}]}"#));
}

#[test]
fn strings_that_are_no_utf8_name_the_way_out() {
    let error =
        response(&answer(DType::Bytes, 1, bytes_tensor::encode([&[0xff][..]])), |_| false).unwrap_err();
    assert_eq!(error.message(), "output 'y': element 0 is not UTF-8, ask for this output with binary_data");
}

#[test]
fn a_binary_output_gives_its_size_instead_of_data() {
    let answer = answer(DType::U8, 2, Bytes::from_static(&[1, 2]));
    let text = String::from_utf8(response(&answer, |name| name == "y").unwrap()).unwrap();
    assert!(text.ends_with(r#""shape":[2],"parameters":{"binary_data_size":2}}]}"#), "{text}");
}
