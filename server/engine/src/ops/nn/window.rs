//! The attributes of sliding windows (`auto_pad`, `kernel_shape`, `strides`, `dilations`, `pads`,
//! `ceil_mode`) and the sizes that follow from them. Everything a file or the data can say is checked here.

use smallvec::SmallVec;

use crate::{
    error::{OpError, Result},
    graph::{SymDim, SymShape},
    kernels::window::{Axis, Window},
    onnx::NodeDef,
};

/// Axes that a window may slide along.
pub(crate) const MAX_AXES: usize = 3;

/// Where padding comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AutoPad {
    /// From `pads`.
    Explicit,
    /// There is none.
    Valid,
    /// So much that the output has the input's size divided by the stride; odd padding at the end.
    SameUpper,
    /// The same with odd padding at the beginning.
    SameLower,
}

/// How an output that the stride does not divide is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    Floor,
    Ceil,
}

/// A window as a node describes it.
#[derive(Clone, Debug)]
pub(crate) struct WindowSpec {
    pub(crate) auto_pad: AutoPad,
    /// Empty where the node leaves it out.
    pub(crate) kernel: Vec<usize>,
    strides: Vec<usize>,
    dilations: Vec<usize>,
    /// Begins, then ends.
    pads: Vec<usize>,
    pub(crate) rounding: Rounding,
}

impl WindowSpec {
    /// Reads the attributes.
    ///
    /// # Errors
    /// `Invalid` for sizes that are negative or zero where they cannot be.
    pub(crate) fn parse(node: &NodeDef<'_>) -> Result<Self> {
        Ok(Self {
            auto_pad: match node.string_or("auto_pad", "NOTSET")? {
                "NOTSET" | "" => AutoPad::Explicit,
                "VALID" => AutoPad::Valid,
                "SAME_UPPER" => AutoPad::SameUpper,
                "SAME_LOWER" => AutoPad::SameLower,
                other => return Err(OpError::invalid(format!("auto_pad '{other}' is unknown"))),
            },
            kernel: sizes(node, "kernel_shape", 1)?,
            strides: sizes(node, "strides", 1)?,
            dilations: sizes(node, "dilations", 1)?,
            pads: sizes(node, "pads", 0)?,
            rounding: if node.flag("ceil_mode", false)? { Rounding::Ceil } else { Rounding::Floor },
        })
    }

    /// Whether windows begin at every place and their taps lie side by side.
    pub(crate) fn is_dense(&self) -> bool {
        self.strides.iter().chain(&self.dilations).all(|&step| step == 1)
    }

    /// The kernel that a pool must name.
    ///
    /// # Errors
    /// `Invalid` where it is left out.
    pub(crate) fn required_kernel(&self) -> Result<&[usize]> {
        if self.kernel.is_empty() {
            return Err(OpError::invalid("attribute 'kernel_shape' is missing"));
        }
        Ok(&self.kernel)
    }

    /// The window over an input of these places with this kernel.
    ///
    /// # Errors
    /// `Invalid` where the kernel does not fit into the padded input, `Unsupported` for too many axes.
    pub(crate) fn resolve(&self, spatial: &[usize], kernel: &[usize]) -> Result<Window> {
        let mut window = [Axis::ONE; MAX_AXES];
        let skip = check_axes(spatial.len(), kernel.len())?;
        for (i, (&input, &kernel)) in spatial.iter().zip(kernel).enumerate() {
            window[skip + i] = self.axis(i, spatial.len(), input, kernel)?;
        }
        Ok(window)
    }

    /// The outputs along every axis, as far as they are known.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub(crate) fn infer(&self, spatial: &[SymDim], kernel: &[usize]) -> Result<SymShape> {
        check_axes(spatial.len(), kernel.len())?;
        let axes = spatial.iter().zip(kernel).enumerate().map(|(i, (input, &kernel))| match input {
            SymDim::Known(input) => Ok(SymDim::Known(self.axis(i, spatial.len(), *input, kernel)?.output)),
            _ => Ok(SymDim::Unknown),
        });
        axes.collect()
    }

    /// Stride, dilation and explicit padding of axis `i` of `axes`.
    ///
    /// # Errors
    /// `Invalid` where a list has another length.
    pub(crate) fn steps(&self, i: usize, axes: usize) -> Result<(usize, usize, usize, usize)> {
        let pads = match self.auto_pad {
            AutoPad::Explicit => {
                (pick(&self.pads, i, 2 * axes, 0)?, pick(&self.pads, axes + i, 2 * axes, 0)?)
            }
            _ => (0, 0),
        };
        Ok((pick(&self.strides, i, axes, 1)?, pick(&self.dilations, i, axes, 1)?, pads.0, pads.1))
    }

    fn axis(&self, i: usize, axes: usize, input: usize, kernel: usize) -> Result<Axis> {
        let (stride, dilation, pad_begin, pad_end) = self.steps(i, axes)?;
        let axis = Axis { input, output: 0, kernel, stride, dilation, pad_begin, pad_end };
        let axis = self.padded(axis);
        let output = outputs(&axis, self.rounding).ok_or_else(|| {
            OpError::invalid(format!(
                "a kernel of {kernel} with dilation {dilation} does not fit into {input} places with \
                 {pad_begin} and {pad_end} of padding"
            ))
        })?;
        Ok(Axis { output, ..axis })
    }

    /// The axis with the padding that `auto_pad` asks for.
    fn padded(&self, axis: Axis) -> Axis {
        if !matches!(self.auto_pad, AutoPad::SameUpper | AutoPad::SameLower) {
            return axis;
        }
        let output = axis.input.div_ceil(axis.stride);
        let reach = (output.saturating_sub(1)).saturating_mul(axis.stride);
        let total = reach.saturating_add(extent(&axis)).saturating_sub(axis.input);
        let (less, more) = (total / 2, total.div_ceil(2));
        match self.auto_pad {
            AutoPad::SameLower => Axis { pad_begin: more, pad_end: less, ..axis },
            _ => Axis { pad_begin: less, pad_end: more, ..axis },
        }
    }
}

/// Places from the first tap to the last.
pub(crate) fn extent(axis: &Axis) -> usize {
    axis.kernel.saturating_sub(1).saturating_mul(axis.dilation).saturating_add(1)
}

/// The number of outputs; `None` where not even one fits or sizes overflow.
fn outputs(axis: &Axis, rounding: Rounding) -> Option<usize> {
    if axis.kernel == 0 {
        return None;
    }
    let all = axis.input.checked_add(axis.pad_begin)?.checked_add(axis.pad_end)?;
    let free = all.checked_sub(extent(axis))?;
    // Everything that a window touches must stay countable.
    all.checked_add(extent(axis))?.checked_add(axis.stride)?.checked_mul(2)?;
    let outputs = match rounding {
        Rounding::Floor => free / axis.stride + 1,
        Rounding::Ceil => free.div_ceil(axis.stride) + 1,
    };
    // A last window that begins in the padding at the end sees nothing and is left out.
    let beyond = rounding == Rounding::Ceil && (outputs - 1) * axis.stride >= axis.input + axis.pad_begin;
    Some(outputs - usize::from(beyond && outputs > 1))
}

fn check_axes(input: usize, kernel: usize) -> Result<usize> {
    if input != kernel {
        return Err(OpError::invalid(format!("a kernel of {kernel} axes cannot slide along {input}")));
    }
    match MAX_AXES.checked_sub(input) {
        Some(skip) if input > 0 => Ok(skip),
        _ => Err(OpError::unsupported(format!("windows slide along 1 to {MAX_AXES} axes, not {input}"))),
    }
}

fn pick(list: &[usize], i: usize, expected: usize, default: usize) -> Result<usize> {
    if list.is_empty() {
        return Ok(default);
    }
    let fits = list.len() == expected;
    list.get(i).copied().filter(|_| fits).ok_or_else(|| {
        OpError::invalid(format!("expected {expected} strides, dilations or pads, got {}", list.len()))
    })
}

/// A list of sizes; empty where the attribute is left out.
pub(crate) fn sizes(node: &NodeDef<'_>, name: &str, least: usize) -> Result<Vec<usize>> {
    const MOST: usize = 1 << 31;
    let size = |&v: &i64| usize::try_from(v).ok().filter(|v| (least..=MOST).contains(v));
    let all = node.ints(name)?.unwrap_or_default();
    all.iter().map(size).collect::<Option<_>>().ok_or_else(|| {
        OpError::invalid(format!("attribute '{name}' must hold sizes of at least {least}, got {all:?}"))
    })
}

/// The value of an attribute that is a count.
///
/// # Errors
/// `Invalid` where it is negative.
pub(super) fn size_of(name: &str, value: i64) -> Result<usize> {
    usize::try_from(value)
        .map_err(|_| OpError::invalid(format!("attribute '{name}' must not be negative, got {value}")))
}

/// A shape's batch, channels and places; at least one place axis.
///
/// # Errors
/// `Invalid` for a lower rank.
pub(crate) fn split(shape: &[usize]) -> Result<(usize, usize, &[usize])> {
    match shape {
        [batch, channels, spatial @ ..] if !spatial.is_empty() => Ok((*batch, *channels, spatial)),
        _ => Err(OpError::invalid(format!("expected [batch, channels, places...], got {shape:?}"))),
    }
}

/// The shape of `batch` images of `channels` with the window's outputs along the last `axes` axes.
pub(crate) fn output_shape(
    batch: usize,
    channels: usize,
    window: &Window,
    axes: usize,
) -> SmallVec<[usize; 6]> {
    let spatial = window.iter().skip(MAX_AXES.saturating_sub(axes)).map(|axis| axis.output);
    [batch, channels].into_iter().chain(spatial).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(auto_pad: AutoPad, stride: usize, pads: (usize, usize), rounding: Rounding) -> WindowSpec {
        WindowSpec {
            auto_pad,
            kernel: vec![3],
            strides: vec![stride],
            dilations: vec![],
            pads: vec![pads.0, pads.1],
            rounding,
        }
    }

    #[test]
    fn outputs_are_counted() {
        let table = [
            (AutoPad::Explicit, 1, (0, 0), Rounding::Floor, 5, 3),
            (AutoPad::Explicit, 2, (1, 1), Rounding::Floor, 5, 3),
            (AutoPad::Explicit, 2, (0, 0), Rounding::Floor, 6, 2),
            (AutoPad::Explicit, 2, (0, 0), Rounding::Ceil, 6, 3),
            // The fourth window would begin beyond the input.
            (AutoPad::Explicit, 2, (1, 1), Rounding::Ceil, 5, 3),
            (AutoPad::Valid, 1, (9, 9), Rounding::Floor, 5, 3),
            (AutoPad::SameUpper, 2, (0, 0), Rounding::Floor, 5, 3),
            (AutoPad::SameLower, 3, (0, 0), Rounding::Floor, 7, 3),
        ];
        for (auto_pad, stride, pads, rounding, input, expected) in table {
            let window = spec(auto_pad, stride, pads, rounding).resolve(&[input], &[3]).unwrap();
            assert_eq!(window[2].output, expected, "{auto_pad:?} {stride} {pads:?} {rounding:?} {input}");
            assert_eq!(window[0], Axis::ONE);
        }
    }

    #[test]
    fn odd_padding_goes_to_its_side() {
        let upper = spec(AutoPad::SameUpper, 2, (0, 0), Rounding::Floor).resolve(&[4], &[3]).unwrap();
        assert_eq!((upper[2].pad_begin, upper[2].pad_end), (0, 1));
        let lower = spec(AutoPad::SameLower, 2, (0, 0), Rounding::Floor).resolve(&[4], &[3]).unwrap();
        assert_eq!((lower[2].pad_begin, lower[2].pad_end), (1, 0));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let plain = spec(AutoPad::Explicit, 1, (0, 0), Rounding::Floor);
        assert!(plain.resolve(&[2], &[3]).is_err());
        assert!(plain.resolve(&[usize::MAX], &[3]).is_err());
        assert!(plain.resolve(&[5, 5], &[3]).is_err());
        assert!(plain.resolve(&[5; 4], &[3; 4]).is_err());
        assert!(plain.resolve(&[5, 5], &[3, 3]).is_err());
        assert!(plain.resolve(&[5], &[0]).is_err());
    }
}
