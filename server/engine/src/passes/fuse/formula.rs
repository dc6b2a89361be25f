//! What scalar arithmetic around a value amounts to: products taken apart, polynomials worked out.

use crate::{
    graph::{Node, ValueId},
    ops::math::binary::{arithmetic::Arithmetic, power::Pow},
    passes::rewrite::{View, operator},
};

/// The deepest arithmetic that is looked into.
const DEPTH: usize = 8;

/// A product: its fixed numbers multiplied, and its other factors.
#[derive(Debug)]
pub(super) struct Product {
    pub(super) constant: f64,
    pub(super) factors: Vec<ValueId>,
}

impl Product {
    /// The product that a multiplication, or a division by a fixed number, is the end of. It is taken apart
    /// as long as a fixed number is found: `(a * 2) * b` and `(a * b) * 2` have the factors a and b.
    pub(super) fn of(view: &View<'_>, root: &Node) -> Option<Self> {
        let whole = Self::whole(operands(view, root)?);
        let [only] = whole.factors[..] else { return Some(whole) };
        let Some(inner) = view.maker(only).and_then(|node| operands(view, node)) else { return Some(whole) };
        let inner = Self::whole(inner);
        Some(Self { constant: whole.constant * inner.constant, ..inner })
    }

    fn whole((a, b): (Operand, Operand)) -> Self {
        let factors = a.factor.into_iter().chain(b.factor).collect();
        Self { constant: a.constant * b.constant, factors }
    }
}

/// A factor with a fixed number before it; a fixed number alone has none.
struct Operand {
    constant: f64,
    factor: Option<ValueId>,
}

/// The two operands of a product. Each is looked into once more, since a number may stand there.
fn operands(view: &View<'_>, node: &Node) -> Option<(Operand, Operand)> {
    let (a, b) = (node.input(0)?, node.input(1)?);
    match operator::<Arithmetic>(node)? {
        Arithmetic::Mul => Some((operand(view, a), operand(view, b))),
        Arithmetic::Div => {
            let divisor = Operand { constant: 1.0 / f64::from(view.scalar(b)?), factor: None };
            Some((operand(view, a), divisor))
        }
        _ => None,
    }
}

fn operand(view: &View<'_>, id: ValueId) -> Operand {
    if let Some(constant) = view.scalar(id) {
        return Operand { constant: f64::from(constant), factor: None };
    }
    scaled(view, id).unwrap_or(Operand { constant: 1.0, factor: Some(id) })
}

/// A value that is another, multiplied or divided by a fixed number.
fn scaled(view: &View<'_>, id: ValueId) -> Option<Operand> {
    let node = view.maker(id)?;
    let (a, b) = (node.input(0)?, node.input(1)?);
    let (constant, factor) = match operator::<Arithmetic>(node)? {
        Arithmetic::Mul => match (view.scalar(a), view.scalar(b)) {
            (Some(constant), None) => (f64::from(constant), b),
            (None, Some(constant)) => (f64::from(constant), a),
            _ => return None,
        },
        Arithmetic::Div => (1.0 / f64::from(view.scalar(b)?), a),
        _ => return None,
    };
    Some(Operand { constant, factor: Some(factor) })
}

/// A polynomial of one value, at most cubic; the coefficient of the lowest power comes first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Polynomial(pub(super) [f64; 4]);

impl Polynomial {
    /// What `id` is as a polynomial of `x`.
    pub(super) fn of(view: &View<'_>, id: ValueId, x: ValueId) -> Option<Self> {
        Self::within(view, id, x, DEPTH)
    }

    /// What `id` is as a line of the nearest value that is not scalar arithmetic.
    pub(super) fn of_unknown(view: &View<'_>, id: ValueId) -> Option<(ValueId, Self)> {
        let mut x = id;
        for _ in 0..DEPTH {
            let node = view.maker(x).filter(|node| operator::<Arithmetic>(node).is_some());
            let fixed =
                |i: usize| node.and_then(|node| node.input(i)).filter(|&id| view.scalar(id).is_some());
            match (node, fixed(0), fixed(1)) {
                (Some(node), None, Some(_)) => x = node.input(0)?,
                (Some(node), Some(_), None) => x = node.input(1)?,
                _ => break,
            }
        }
        Some((x, Self::of(view, id, x)?))
    }

    pub(super) fn is_line(&self) -> bool {
        self.0[2..] == [0.0, 0.0]
    }

    /// The coefficients times `factor`.
    pub(super) fn scaled(&self, factor: f64) -> [f64; 4] {
        self.0.map(|coefficient| coefficient * factor)
    }

    fn within(view: &View<'_>, id: ValueId, x: ValueId, depth: usize) -> Option<Self> {
        if id == x {
            return Some(Self([0.0, 1.0, 0.0, 0.0]));
        }
        if let Some(constant) = view.scalar(id) {
            return Some(Self([f64::from(constant), 0.0, 0.0, 0.0]));
        }
        let depth = depth.checked_sub(1)?;
        let node = view.maker(id)?;
        let of = |i: usize| Self::within(view, node.input(i)?, x, depth);
        if operator::<Pow>(node).is_some() {
            return of(0)?.power(f64::from(view.scalar(node.input(1)?)?));
        }
        let op = operator::<Arithmetic>(node)?;
        let (a, b) = (of(0)?, of(1)?);
        match op {
            Arithmetic::Add => Some(Self(std::array::from_fn(|i| a.0[i] + b.0[i]))),
            Arithmetic::Sub => Some(Self(std::array::from_fn(|i| a.0[i] - b.0[i]))),
            Arithmetic::Mul => a.times(b),
            Arithmetic::Div if b.0[1..] == [0.0; 3] => Some(Self(a.scaled(1.0 / b.0[0]))),
            Arithmetic::Div => None,
        }
    }

    fn times(self, other: Self) -> Option<Self> {
        let mut product = [0.0; 4];
        for (i, a) in self.0.into_iter().enumerate() {
            for (j, b) in other.0.into_iter().enumerate() {
                match product.get_mut(i + j) {
                    Some(sum) => *sum += a * b,
                    None if a * b != 0.0 => return None,
                    None => {}
                }
            }
        }
        Some(Self(product))
    }

    fn power(self, exponent: f64) -> Option<Self> {
        match exponent {
            1.0 => Some(self),
            2.0 => self.times(self),
            3.0 => self.times(self)?.times(self),
            _ => None,
        }
    }
}
