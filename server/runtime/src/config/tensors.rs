//! Inputs and outputs: what the configuration declares held against what the model has, and merged.
//!
//! Invariant: the result has the model's tensors in the model's order, so that an index means the same to
//! the engine, whether clients see a declared, an inferred or a reshaped form.

use girandole_core::{DType, Dim, TensorSpec};
use girandole_proto::config::{DataType, ModelInput, ModelOutput};

use super::{mistakes::Mistakes, reshape::Reshape};

/// One tensor as clients see it, and how that becomes what the model takes or gives.
pub(super) struct Resolved {
    pub(super) client: TensorSpec,
    pub(super) reshape: Option<Reshape>,
}

/// What holds for all tensors of a model.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    /// The first dimension is a batch, which `dims` leave out.
    pub(super) batches: bool,
    /// Nothing may be inferred.
    pub(super) strict: bool,
}

/// An input or output as the configuration has it.
pub(super) struct Declared<'a> {
    field: String,
    name: &'a str,
    data_type: i32,
    dims: &'a [i64],
    reshape: Option<&'a [i64]>,
    optional: bool,
}

impl<'a> Declared<'a> {
    /// The `index`-th input.
    pub(super) fn input(index: usize, input: &'a ModelInput) -> Self {
        Self {
            field: format!("input[{index}]"),
            name: &input.name,
            data_type: input.data_type,
            dims: &input.dims,
            reshape: input.reshape.as_ref().map(|reshape| reshape.shape.as_slice()),
            optional: input.optional,
        }
    }

    /// The `index`-th output.
    pub(super) fn output(index: usize, output: &'a ModelOutput) -> Self {
        Self {
            field: format!("output[{index}]"),
            name: &output.name,
            data_type: output.data_type,
            dims: &output.dims,
            reshape: output.reshape.as_ref().map(|reshape| reshape.shape.as_slice()),
            optional: false,
        }
    }
}

/// Merges the model's tensors of one kind with those declared.
pub(super) fn resolve(
    model: &[TensorSpec],
    declared: &[Declared<'_>],
    rules: Rules,
    mistakes: &mut Mistakes,
) -> Vec<Resolved> {
    check_names(model, declared, mistakes);
    let merged = model.iter().map(|actual| match declared.iter().find(|d| d.name == actual.name) {
        Some(declared) => merge(actual, declared, rules, mistakes),
        None => {
            if rules.strict && !actual.optional {
                mistakes.add(
                    format!("tensor '{}'", actual.name),
                    format!("is not declared; the model has {actual}"),
                );
            }
            Resolved { client: actual.clone(), reshape: None }
        }
    });
    merged.collect()
}

fn check_names(model: &[TensorSpec], declared: &[Declared<'_>], mistakes: &mut Mistakes) {
    for (i, tensor) in declared.iter().enumerate() {
        let field = format!("{}.name", tensor.field);
        if !model.iter().any(|actual| actual.name == tensor.name) {
            let known: Vec<_> = model.iter().map(|actual| format!("'{}'", actual.name)).collect();
            mistakes.add(field, format!("the model has no '{}', it has {}", tensor.name, known.join(", ")));
        } else if declared[..i].iter().any(|earlier| earlier.name == tensor.name) {
            mistakes.add(field, format!("'{}' is declared twice", tensor.name));
        }
    }
}

fn merge(actual: &TensorSpec, declared: &Declared<'_>, rules: Rules, mistakes: &mut Mistakes) -> Resolved {
    check_type(actual, declared, rules, mistakes);
    if declared.optional && !actual.optional {
        mistakes.add(format!("{}.optional", declared.field), format!("the model needs '{}'", actual.name));
    }
    let unchanged = Resolved { client: actual.clone(), reshape: None };
    let rank = actual.dims.as_ref().map(|dims| dims.len().saturating_sub(usize::from(rules.batches)));
    if declared.dims.is_empty() && declared.reshape.is_none() && rank != Some(0) {
        if rules.strict {
            mistakes.add(format!("{}.dims", declared.field), format!("is missing; the model has {actual}"));
        }
        return unchanged;
    }
    if !dims_are_sane(declared, mistakes) {
        return unchanged;
    }
    check_dims(actual, declared, rules, mistakes);
    let dims = client_dims(actual, declared, rules);
    let reshape = reshape(declared, mistakes);
    Resolved { client: TensorSpec { dims: Some(dims), ..actual.clone() }, reshape }
}

fn check_type(actual: &TensorSpec, declared: &Declared<'_>, rules: Rules, mistakes: &mut Mistakes) {
    let field = format!("{}.data_type", declared.field);
    let expected = data_type(actual.dtype).as_str_name();
    match DataType::try_from(declared.data_type) {
        Ok(DataType::TypeInvalid) if rules.strict => {
            mistakes.add(field, format!("is missing; the model has {expected}"))
        }
        Ok(DataType::TypeInvalid) => {}
        Ok(given) if given == data_type(actual.dtype) => {}
        Ok(given) => mistakes.add(field, format!("is {}, but the model has {expected}", given.as_str_name())),
        Err(_) => mistakes.add(field, format!("is no data type; the model has {expected}")),
    }
}

fn dims_are_sane(declared: &Declared<'_>, mistakes: &mut Mistakes) -> bool {
    let shape = declared.reshape.unwrap_or_default();
    let sane = |dims: &[i64]| dims.iter().all(|&dim| dim == -1 || dim > 0);
    if sane(declared.dims) && sane(shape) {
        return true;
    }
    mistakes.add(format!("{}.dims", declared.field), "each dimension must be 1 or more, or -1 for any size");
    false
}

fn check_dims(actual: &TensorSpec, declared: &Declared<'_>, rules: Rules, mistakes: &mut Mistakes) {
    let Some(all) = &actual.dims else { return };
    let own = all.get(usize::from(rules.batches)..).unwrap_or_default();
    let given = declared.reshape.unwrap_or(declared.dims);
    let fits = |(dim, &given): (&Dim, &i64)| matches!(dim, Dim::Free(_)) || dim.wire() == given;
    if own.len() == given.len() && own.iter().zip(given).all(fits) {
        return;
    }
    let field = if declared.reshape.is_some() { "reshape.shape" } else { "dims" };
    let hint = if rules.batches { " after the batch dimension, which dims leave out" } else { "" };
    let own: Vec<i64> = own.iter().map(Dim::wire).collect();
    mistakes
        .add(format!("{}.{field}", declared.field), format!("is {given:?}, but the model has {own:?}{hint}"));
}

/// The declared dimensions; where they say any size, the model's own symbol stays.
fn client_dims(actual: &TensorSpec, declared: &Declared<'_>, rules: Rules) -> Vec<Dim> {
    let all = actual.dims.as_deref().unwrap_or_default();
    let (batch, own) = all.split_at(usize::from(rules.batches).min(all.len()));
    let lead = rules.batches.then(|| batch.first().cloned().unwrap_or(Dim::Free(None)));
    let rest = declared.dims.iter().enumerate().map(|(i, &dim)| match usize::try_from(dim) {
        Ok(size) => Dim::Fixed(size),
        Err(_) if declared.reshape.is_some() => Dim::Free(None),
        Err(_) => own.get(i).filter(|dim| matches!(dim, Dim::Free(_))).cloned().unwrap_or(Dim::Free(None)),
    });
    lead.into_iter().chain(rest).collect()
}

fn reshape(declared: &Declared<'_>, mistakes: &mut Mistakes) -> Option<Reshape> {
    let shape = declared.reshape?;
    let reshape = Reshape::new(declared.dims, shape);
    if reshape.is_none() {
        let what = format!(
            "{shape:?} must hold as many elements as dims {:?}, between each -1 too, and as many -1",
            declared.dims
        );
        mistakes.add(format!("{}.reshape.shape", declared.field), what);
    }
    reshape
}

/// Triton's name of an element type.
pub(super) const fn data_type(dtype: DType) -> DataType {
    match dtype {
        DType::Bool => DataType::TypeBool,
        DType::U8 => DataType::TypeUint8,
        DType::U16 => DataType::TypeUint16,
        DType::U32 => DataType::TypeUint32,
        DType::U64 => DataType::TypeUint64,
        DType::I8 => DataType::TypeInt8,
        DType::I16 => DataType::TypeInt16,
        DType::I32 => DataType::TypeInt32,
        DType::I64 => DataType::TypeInt64,
        DType::F16 => DataType::TypeFp16,
        DType::BF16 => DataType::TypeBf16,
        DType::F32 => DataType::TypeFp32,
        DType::F64 => DataType::TypeFp64,
        DType::Bytes => DataType::TypeString,
    }
}
