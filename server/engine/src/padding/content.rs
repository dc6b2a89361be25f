//! What a group of a tensor's elements may hold: the values of the abstract interpretation.

use crate::{
    ops::math::number::Number,
    value::{Bool, ElemType, Tensor, dispatch},
};

/// From here on downwards a number is one of a mask's: e to the power of it beside a score is 0 in f32. BERT's first
/// exports have -10,000.
const MASKED: f64 = -1e4;

/// What elements may hold.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Each this number: a tensor of rank 0.
    Is(Tensor),
    /// Numbers from one to the other.
    Within(f64, f64),
    /// Whole numbers from 0 to less than the padded length and this.
    Position(usize),
    /// Finite numbers as networks compute them, small beside a mask's.
    Computed(Sign),
    /// A mask's numbers, with or without something computed added: -10,000 or so and below, or minus infinity.
    Low,
    /// What callers give, or what masks make of it: of any size, but no worse than at places that are not padded.
    Given,
    /// Anything, NaN too.
    Any,
}

/// What is known of computed numbers' signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sign {
    Any,
    NotNegative,
    Positive,
}

impl Content {
    /// Any finite number that a network computes.
    pub(super) const COMPUTED: Self = Self::Computed(Sign::Any);
    /// Booleans.
    pub(super) const TRUTH: Self = Self::Within(0.0, 1.0);

    /// The number 0 or 1 of a type.
    pub(super) fn whole(elem: Option<ElemType>, value: u8) -> Option<Self> {
        let elem = elem?;
        if elem == ElemType::Bool {
            return Tensor::scalar(Bool::new(value == 1)).ok().map(Self::Is);
        }
        dispatch!(elem, Number, T => Tensor::scalar(if value == 0 { T::ZERO } else { T::ONE }))
            .ok()
            .map(Self::Is)
    }

    /// What a constant holds.
    pub(super) fn of(tensor: &Tensor) -> Self {
        if tensor.elem() == ElemType::Bool {
            return Self::of_bools(tensor);
        }
        dispatch!(tensor.elem(), Number, T => tensor.view::<T>().map(|all| Self::of_numbers::<T>(&all)))
            .unwrap_or(Self::Any)
    }

    fn of_bools(tensor: &Tensor) -> Self {
        let Ok(all) = tensor.view::<Bool>() else { return Self::Any };
        match all.first() {
            Some(first) if all.iter().all(|other| other == first) => {
                Tensor::scalar(*first).map_or(Self::TRUTH, Self::Is)
            }
            _ => Self::TRUTH,
        }
    }

    fn of_numbers<T: Number>(all: &[T]) -> Self {
        let Some(&first) = all.first() else { return Self::Any };
        if all.iter().all(|&other| other == first) {
            return Tensor::scalar(first).map_or(Self::Any, Self::Is);
        }
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        for number in all.iter().map(|number| number.to_f64()) {
            if number.is_nan() {
                return Self::Any;
            }
            (min, max) = (min.min(number), max.max(number));
        }
        Self::Within(min, max)
    }

    /// The number that every element is.
    pub(super) fn number(&self) -> Option<f64> {
        let Self::Is(tensor) = self else { return None };
        if tensor.elem() == ElemType::Bool {
            return tensor.to_scalar::<Bool>().ok().map(|value| f64::from(u8::from(value.get())));
        }
        dispatch!(tensor.elem(), Number, T => tensor.to_scalar::<T>().map(Number::to_f64)).ok()
    }

    /// Whether each is 0.
    pub(super) fn is_zero(&self) -> bool {
        self.number() == Some(0.0)
    }

    /// Whether each is one of a mask's numbers.
    pub(super) fn is_low(&self) -> bool {
        matches!(self, Self::Low) || self.bounds().is_some_and(|(_, max)| max <= MASKED)
    }

    /// What is known of their signs, where they are finite and small beside a mask's numbers.
    pub(super) fn sign(&self) -> Option<Sign> {
        let of_least = |least: f64| match least {
            least if least > 0.0 => Sign::Positive,
            0.0 => Sign::NotNegative,
            _ => Sign::Any,
        };
        match self {
            Self::Is(_) => self.number().filter(|number| number.abs() < -MASKED).map(of_least),
            Self::Within(min, max) => (*min > MASKED && *max < -MASKED).then(|| of_least(*min)),
            Self::Position(_) => Some(Sign::NotNegative),
            Self::Computed(sign) => Some(*sign),
            Self::Low | Self::Given | Self::Any => None,
        }
    }

    /// Whether they are finite and small beside a mask's numbers.
    pub(super) fn is_tame(&self) -> bool {
        self.sign().is_some()
    }

    /// Whether they are no worse than at places that are not padded.
    pub(super) fn is_sane(&self) -> bool {
        match self {
            Self::Is(_) => self.number().is_some_and(|number| !number.is_nan()),
            other => !matches!(other, Self::Any),
        }
    }

    /// Whether it is known that some may be infinite.
    pub(super) fn may_be_infinite(&self) -> bool {
        let infinite = |(min, max): (f64, f64)| min.is_infinite() || max.is_infinite();
        matches!(self, Self::Low) || self.bounds().is_some_and(infinite)
    }

    /// The bounds, where they are numbers.
    pub(super) fn bounds(&self) -> Option<(f64, f64)> {
        match self {
            Self::Is(_) => self.number().map(|number| (number, number)),
            Self::Within(min, max) => Some((*min, *max)),
            _ => None,
        }
    }

    /// What a mixture of both holds.
    pub(super) fn or(&self, other: &Self) -> Self {
        if let (Some(own), Some(others)) = (self.number(), other.number())
            && own == others
        {
            return self.clone();
        }
        if self.is_low() && other.is_low() {
            return Self::Low;
        }
        if let (Self::Position(own), Self::Position(others)) = (self, other) {
            return Self::Position(*own.max(others));
        }
        match (self.bounds(), other.bounds()) {
            (Some(own), Some(others)) if !(own.0.is_nan() || others.0.is_nan()) => {
                Self::Within(own.0.min(others.0), own.1.max(others.1))
            }
            _ if self.is_tame() && other.is_tame() => Self::computed([self, other]),
            _ => Self::given([self, other]),
        }
    }

    /// What sums and products of these hold: computed numbers where all are, with the least that is known of signs.
    pub(super) fn computed<'a>(all: impl IntoIterator<Item = &'a Self> + Clone) -> Self {
        let signs: Option<Vec<Sign>> = all.clone().into_iter().map(Self::sign).collect();
        signs.map_or_else(
            || Self::given(all),
            |signs| Self::Computed(signs.into_iter().min().unwrap_or(Sign::Any)),
        )
    }

    /// What is no worse than these.
    pub(super) fn given<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        if all.into_iter().all(Self::is_sane) { Self::Given } else { Self::Any }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(value: f32) -> Content {
        Content::Is(Tensor::scalar(value).unwrap())
    }

    #[test]
    fn numbers_of_masks_stand_apart_from_computed_ones() {
        for low in [-1e4, f32::MIN, f32::NEG_INFINITY] {
            assert!(is(low).is_low() && !is(low).is_tame(), "{low}");
        }
        for tame in [0.0, -9999.0, 9999.0] {
            assert!(!is(tame).is_low() && is(tame).is_tame(), "{tame}");
        }
        for neither in [1e4, f32::INFINITY, f32::NAN] {
            assert!(!is(neither).is_low() && !is(neither).is_tame(), "{neither}");
        }
    }

    #[test]
    fn a_mixture_knows_no_more_than_its_parts() {
        assert!(is(0.0).or(&is(0.0)).is_zero());
        assert!(matches!(is(0.0).or(&is(2.0)), Content::Within(0.0, 2.0)));
        assert!(matches!(
            is(1.0).or(&Content::Computed(Sign::NotNegative)),
            Content::Computed(Sign::NotNegative)
        ));
        assert!(matches!(is(f32::MIN).or(&Content::Low), Content::Low));
        let mixed = is(f32::MIN).or(&is(0.0));
        assert!(!mixed.is_low() && !mixed.is_tame());
        assert!(matches!(Content::Low.or(&Content::COMPUTED), Content::Given));
        assert!(matches!(Content::Any.or(&is(0.0)), Content::Any));
    }

    #[test]
    fn a_constant_is_looked_at_as_a_whole() {
        let of = |data: Vec<f32>| Content::of(&Tensor::from_vec(vec![data.len()], data).unwrap());
        assert_eq!(of(vec![3.0, 3.0]).number(), Some(3.0));
        assert!(matches!(of(vec![-1.0, 3.0]), Content::Within(-1.0, 3.0)));
        assert!(!of(vec![0.0, f32::MIN]).is_tame() && !of(vec![0.0, f32::MIN]).is_low());
        assert!(matches!(of(vec![1.0, f32::NAN]), Content::Any));
        assert!(of(vec![-2e4, f32::NEG_INFINITY]).is_low());
    }
}
