//! Serves one ONNX file with furnace-server: `furnace-peer NAME FILE PORT`. ONNX Runtime is the library that
//! ORT_DYLIB_PATH names.

use std::{env, error::Error, sync::Mutex};

use furnace::{DataType, HostTensor, IoSpec, Model, Server, TensorModel, Values};
use ort::{
    session::{Session, SessionInputValue},
    value::{Tensor, TensorElementType, ValueType},
};

#[derive(Debug)]
struct Onnx {
    name: String,
    session: Mutex<Session>,
    inputs: Vec<IoSpec>,
    outputs: Vec<IoSpec>,
}

impl TensorModel for Onnx {
    fn name(&self) -> &str {
        &self.name
    }

    fn backend(&self) -> &str {
        "onnxruntime"
    }

    fn inputs(&self) -> Vec<IoSpec> {
        self.inputs.clone()
    }

    fn outputs(&self) -> Vec<IoSpec> {
        self.outputs.clone()
    }

    fn run(&self, inputs: Vec<HostTensor>) -> furnace::Result<Vec<HostTensor>> {
        self.answer(inputs).map_err(|error| furnace::error::ModelError::InferenceFailed(error.to_string()).into())
    }
}

impl Onnx {
    fn open(name: &str, file: &str) -> Result<Self, Box<dyn Error>> {
        let session = Session::builder(&ort::init().build()?)?.with_intra_threads(1)?.commit_from_file(file)?;
        let inputs = session.inputs().iter().map(|of| spec(of.name(), of.dtype())).collect::<Result<_, _>>()?;
        let outputs = session.outputs().iter().map(|of| spec(of.name(), of.dtype())).collect::<Result<_, _>>()?;
        Ok(Self { name: name.to_owned(), session: Mutex::new(session), inputs, outputs })
    }

    fn answer(&self, inputs: Vec<HostTensor>) -> Result<Vec<HostTensor>, Box<dyn Error>> {
        let values = self.inputs.iter().zip(inputs).map(|(spec, HostTensor { shape, values })| {
            let value: SessionInputValue<'_> = match values {
                Values::F32(values) => Tensor::from_array((shape, values))?.into(),
                Values::I64(values) => Tensor::from_array((shape, values))?.into(),
            };
            Ok::<_, ort::Error>((spec.name.clone(), value))
        });
        let values = values.collect::<Result<Vec<_>, _>>()?;
        let mut session = self.session.lock().map_err(|_| "a run failed before")?;
        let answer = session.run(values)?;
        let outputs = self.outputs.iter().map(|spec| {
            let (shape, values) = answer[spec.name.as_str()].try_extract_tensor::<f32>()?;
            let shape = shape.iter().map(|&size| size as usize).collect();
            Ok(HostTensor { shape, values: Values::F32(values.to_vec()) })
        });
        outputs.collect()
    }
}

/// What furnace knows of a tensor: everything but the batch.
fn spec(name: &str, of: &ValueType) -> Result<IoSpec, Box<dyn Error>> {
    let ValueType::Tensor { ty, shape, .. } = of else { return Err("not a tensor".into()) };
    let dtype = match ty {
        TensorElementType::Float32 => DataType::Fp32,
        TensorElementType::Int64 => DataType::Int64,
        other => return Err(format!("furnace has no {other:?}").into()),
    };
    let sizes: Vec<_> = shape.iter().skip(1).map(|&size| usize::try_from(size).ok()).collect();
    Ok(IoSpec::new(name, dtype, &sizes))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().collect();
    let [_, name, file, port] = arguments.as_slice() else { return Err("furnace-peer NAME FILE PORT".into()) };
    let model = Model::custom(Onnx::open(name, file)?);
    Ok(Server::new().port(port.parse()?).max_batch_size(32).model(model).serve().await?)
}
