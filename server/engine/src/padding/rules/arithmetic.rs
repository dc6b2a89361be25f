//! What functions of single elements make of what elements may hold.

use super::super::content::{Content, Sign};
use crate::{
    graph::Node,
    ops::math::{
        binary::{
            arithmetic::Arithmetic, compare::Compare, logic::Logic, power::Pow, select::Where,
            variadic::Variadic,
        },
        cast::ops::Cast,
        unary::{clip::Clip, predicate::Predicate},
    },
    passes::rewrite::operator,
    value::ElemType,
};

/// Functions that make small finite numbers of small finite numbers.
const TAME: &[&str] = &[
    "Neg",
    "Sign",
    "Shrink",
    "LeakyRelu",
    "Elu",
    "Selu",
    "Celu",
    "ThresholdedRelu",
    "Swish",
    "Gelu",
    "Erf",
    "Floor",
    "Ceil",
    "Round",
    "Sin",
    "Cos",
    "Atan",
    "Tanh",
    "Softsign",
    "HardSwish",
    "Mish",
];

/// Such of which no number is negative.
const NOT_NEGATIVE: &[&str] = &["Abs", "Relu", "HardSigmoid", "Sigmoid", "Softplus"];

/// What a node makes of inputs that hold this.
pub(super) fn made(node: &Node, inputs: &[Option<Content>]) -> Content {
    let input = |i: usize| inputs.get(i).and_then(Option::as_ref);
    if let Some(op) = operator::<Arithmetic>(node) {
        let is_square = node.input(0) == node.input(1);
        return input(0).zip(input(1)).map_or(Content::Any, |(a, b)| arithmetic(*op, a, b, is_square));
    }
    if operator::<Where>(node).is_some() {
        return chosen(input(0), input(1), input(2));
    }
    if operator::<Compare>(node).is_some() || operator::<Logic>(node).is_some() {
        return Content::TRUTH;
    }
    if operator::<Pow>(node).is_some() {
        return input(0).zip(input(1)).map_or(Content::Any, |(base, exponent)| power(base, exponent));
    }
    if let Some(op) = operator::<Variadic>(node) {
        return variadic(*op, &inputs.iter().flatten().collect::<Vec<_>>());
    }
    let Some(first) = input(0) else { return Content::Any };
    if let Some(clip) = operator::<Clip>(node) {
        return clipped(clip, first, input(1), input(2));
    }
    if let Some(cast) = operator::<Cast>(node) {
        return converted(cast, first);
    }
    if let Some(predicate) = operator::<Predicate>(node) {
        return asked(predicate, first);
    }
    function(node.op_type, first)
}

fn arithmetic(op: Arithmetic, a: &Content, b: &Content, is_square: bool) -> Content {
    match op {
        Arithmetic::Add => sum(a, b),
        Arithmetic::Sub if a.is_low() && b.is_tame() => Content::Low,
        Arithmetic::Sub if a.is_tame() && b.number().is_some_and(|b| -b <= -1e4) => Content::Low,
        Arithmetic::Sub => tame([a, b]),
        Arithmetic::Mul => product(a, b, is_square),
        Arithmetic::Div => quotient(a, b),
    }
}

/// Finite numbers of any sign, where all of `inputs` are, or what is no worse than they.
fn tame<'a>(inputs: impl IntoIterator<Item = &'a Content> + Clone) -> Content {
    let mut all = inputs.clone().into_iter();
    if all.all(Content::is_tame) { Content::COMPUTED } else { given(inputs) }
}

/// What is no worse than `inputs`: of infinities together may come no number.
fn given<'a>(inputs: impl IntoIterator<Item = &'a Content> + Clone) -> Content {
    let mut all = inputs.clone().into_iter();
    if all.any(Content::may_be_infinite) { Content::Any } else { Content::given(inputs) }
}

fn sum(a: &Content, b: &Content) -> Content {
    if (a.is_low() && (b.is_tame() || b.is_low())) || (a.is_tame() && b.is_low()) {
        return Content::Low;
    }
    match (a, b) {
        (Content::Position(more), other) | (other, Content::Position(more)) => {
            let step = other.number().filter(|step| *step >= 0.0 && step.fract() == 0.0);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            step.map_or_else(|| tame([a, b]), |step| Content::Position(more + step as usize))
        }
        _ => match (a.sign(), b.sign()) {
            (Some(a), Some(b)) if a.min(b) >= Sign::NotNegative => Content::Computed(a.max(b)),
            (Some(_), Some(_)) => Content::COMPUTED,
            // Nothing is added to minus infinity that changes it.
            _ => Content::given([a, b]),
        },
    }
}

fn product(a: &Content, b: &Content, is_square: bool) -> Content {
    let (Some(left), Some(right)) = (a.sign(), b.sign()) else { return given([a, b]) };
    match (a, b) {
        (zero, _) | (_, zero) if zero.is_zero() => zero.clone(),
        (position @ Content::Position(_), other) | (other, position @ Content::Position(_))
            if other.bounds().is_some_and(|(min, max)| min >= 0.0 && max <= 1.0) =>
        {
            position.clone()
        }
        _ if is_square => Content::Computed(Sign::NotNegative),
        _ => Content::Computed(left.min(right)),
    }
}

fn quotient(a: &Content, b: &Content) -> Content {
    let by = b.number().is_some_and(|b| b != 0.0 && b.abs() >= 1e-6);
    match (a.sign(), b.sign()) {
        (Some(_), Some(Sign::Positive)) if a.is_zero() => a.clone(),
        (Some(sign), Some(Sign::Positive)) => Content::Computed(sign),
        (Some(_), Some(_)) if by => Content::COMPUTED,
        _ => Content::Any,
    }
}

fn chosen(condition: Option<&Content>, yes: Option<&Content>, no: Option<&Content>) -> Content {
    let (Some(condition), Some(yes), Some(no)) = (condition, yes, no) else { return Content::Any };
    match condition.number() {
        Some(0.0) => no.clone(),
        Some(_) => yes.clone(),
        None => yes.or(no),
    }
}

fn power(base: &Content, exponent: &Content) -> Content {
    let Some(sign) = base.sign() else { return Content::Any };
    match exponent.number() {
        Some(exponent) if exponent > 0.0 && exponent % 2.0 == 0.0 => Content::Computed(Sign::NotNegative),
        Some(exponent) if exponent > 0.0 && (exponent.fract() == 0.0 || sign >= Sign::NotNegative) => {
            Content::Computed(sign)
        }
        Some(_) if sign == Sign::Positive => Content::Computed(sign),
        _ => Content::Any,
    }
}

fn variadic(op: Variadic, inputs: &[&Content]) -> Content {
    let signs: Option<Vec<Sign>> = inputs.iter().map(|input| input.sign()).collect();
    let low = inputs.iter().all(|input| input.is_low());
    match (op, signs) {
        (Variadic::Max | Variadic::Min, None) if low => Content::Low,
        (Variadic::Max, Some(signs)) => Content::Computed(signs.into_iter().max().unwrap_or(Sign::Any)),
        (Variadic::Min | Variadic::Mean | Variadic::Sum, Some(signs)) => {
            Content::Computed(signs.into_iter().min().unwrap_or(Sign::Any))
        }
        // A score is not below the least number that masks have.
        (Variadic::Max, None) if inputs.iter().all(|input| input.is_tame() || input.is_low()) => {
            let tame = inputs.iter().copied().filter(|input| input.is_tame());
            Content::computed(tame)
        }
        (_, None) => given(inputs.iter().copied()),
    }
}

fn clipped(clip: &Clip, input: &Content, min: Option<&Content>, max: Option<&Content>) -> Content {
    let bound = |given: Option<&Content>, attribute: Option<f32>, none: f64| match given {
        Some(given) => given.number(),
        None => Some(attribute.map_or(none, f64::from)),
    };
    let min = bound(min, clip.min, f64::NEG_INFINITY);
    let (Some(min), Some(max)) = (min, bound(max, clip.max, f64::INFINITY)) else { return Content::Any };
    match input.sign() {
        Some(_) if min > 0.0 && max > 0.0 => Content::Computed(Sign::Positive),
        Some(sign) if min >= 0.0 && max > 0.0 => Content::Computed(sign.max(Sign::NotNegative)),
        // Bounds of a mask's size are never met.
        Some(sign) if min <= 0.0 && max > 0.0 => Content::Computed(sign),
        None if input.is_low() && min <= -1e4 && max >= min => Content::Low,
        _ => Content::given([input]),
    }
}

fn converted(cast: &Cast, input: &Content) -> Content {
    let Some(to) = cast.to else { return Content::Any };
    let wide = matches!(to, ElemType::I32 | ElemType::I64);
    match input {
        _ if to == ElemType::Bool => Content::TRUTH,
        Content::Position(_) if wide => input.clone(),
        Content::Within(min, max) if wide => Content::Within(min.floor(), max.ceil()),
        Content::Within(..) if to.is_float() => input.clone(),
        Content::Low if to.is_float() => Content::Low,
        _ if to.is_float() || wide => input.sign().map_or_else(
            || given([input]),
            |sign| {
                // The whole part of what is above 0 may be 0.
                Content::Computed(if wide { sign.min(Sign::NotNegative) } else { sign })
            },
        ),
        _ => Content::Any,
    }
}

fn asked(predicate: &Predicate, input: &Content) -> Content {
    let never = matches!(predicate, Predicate::IsNaN | Predicate::IsInf { .. }) && input.is_tame();
    if never { Content::whole(Some(ElemType::Bool), 0).unwrap_or(Content::TRUTH) } else { Content::TRUTH }
}

fn function(op_type: &str, input: &Content) -> Content {
    let Some(sign) = input.sign() else {
        return if TAME.contains(&op_type) || NOT_NEGATIVE.contains(&op_type) {
            given([input])
        } else {
            Content::Any
        };
    };
    match (op_type, sign) {
        ("Sqrt", Sign::NotNegative | Sign::Positive) | ("Reciprocal", Sign::Positive) => {
            Content::Computed(sign)
        }
        (name, _) if NOT_NEGATIVE.contains(&name) => Content::Computed(Sign::NotNegative),
        (name, _) if TAME.contains(&name) => Content::COMPUTED,
        _ => Content::Any,
    }
}
