//! The CUDA graphs of one session: one for each set of input shapes, the least recently used given up first.
//!
//! Invariant: a graph's inputs and what was uploaded for it lie in memory that nothing else writes to; what it
//! computes with and its outputs may be written to by any run, and are read before the next.

use std::collections::HashMap;

use girandole_core::{Phases, Shape};
use girandole_cuda::{Buffer, Graph};
use smallvec::SmallVec;

use super::tensor::{DeviceTensor, Held};

/// The most graphs of a session.
const MOST: usize = 64;

/// What a graph is for: the shape of each input.
pub(crate) type Key = SmallVec<[Shape; 4]>;

/// Of so many runs of a graph one is timed.
const TIMED: u32 = 32;

/// A captured run.
#[derive(Debug)]
pub(crate) struct Captured {
    pub(crate) graph: Graph,
    /// Where its inputs are read from.
    pub(crate) inputs: Vec<DeviceTensor>,
    /// Its outputs, in wire order; those that depend on nothing but shapes are the host's.
    pub(crate) outputs: Vec<Held>,
    /// What was uploaded for it: held, not read.
    pub(crate) _kept: Vec<Buffer>,
    /// What a run took when one was last timed.
    pub(crate) times: Option<Phases>,
    /// Runs since then.
    pub(crate) untimed: u32,
}

/// What is known of a set of shapes.
#[derive(Debug)]
enum Known {
    Captured(Box<Captured>),
    /// A step on the host needs what the device computes: it runs step by step each time.
    Uncapturable,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Graphs {
    known: HashMap<Key, (u64, Known)>,
    clock: u64,
}

impl Graphs {
    /// The graph for these shapes.
    pub(crate) fn get(&mut self, key: &Key) -> Option<&Captured> {
        self.clock += 1;
        let (used, known) = self.known.get_mut(key)?;
        *used = self.clock;
        match known {
            Known::Captured(captured) => Some(captured),
            Known::Uncapturable => None,
        }
    }

    /// What a run of these shapes takes, known from an earlier one; `None` where this one is to be timed.
    pub(crate) fn known_times(&mut self, key: &Key) -> Option<Phases> {
        let (_, Known::Captured(captured)) = self.known.get_mut(key)? else { return None };
        captured.untimed += 1;
        captured.times.filter(|_| captured.untimed < TIMED)
    }

    /// Takes note of what a run of these shapes took, and says it.
    pub(crate) fn timed(&mut self, key: &Key, times: Phases) -> Phases {
        if let Some((_, Known::Captured(captured))) = self.known.get_mut(key) {
            (captured.times, captured.untimed) = (Some(times), 0);
        }
        times
    }

    /// Whether a capture of these shapes has not been tried yet.
    pub(crate) fn may_capture(&self, key: &Key) -> bool {
        !self.known.contains_key(key)
    }

    /// Takes note of what became of a capture.
    pub(crate) fn insert(&mut self, key: Key, captured: Option<Captured>) {
        if self.known.len() >= MOST {
            let oldest = self.known.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| key.clone());
            oldest.map(|oldest| self.known.remove(&oldest));
        }
        self.clock += 1;
        let known = captured.map_or(Known::Uncapturable, |captured| Known::Captured(Box::new(captured)));
        self.known.insert(key, (self.clock, known));
    }

    /// Gives all of them up.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.known.values().filter(|(_, known)| matches!(known, Known::Captured(_))).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(rows: usize) -> Key {
        std::iter::once(Shape::new(&[rows])).collect()
    }

    #[test]
    fn the_least_recently_used_shape_is_given_up() {
        let mut graphs = Graphs::default();
        (0..MOST).for_each(|rows| graphs.insert(key(rows), None));
        assert!(graphs.get(&key(0)).is_none());
        graphs.insert(key(MOST), None);
        assert!(!graphs.may_capture(&key(0)));
        assert!(graphs.may_capture(&key(1)));
        assert_eq!(graphs.len(), 0);
    }
}
