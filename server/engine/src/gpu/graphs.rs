//! The CUDA graphs of one session: one for each set of input shapes, the least recently used given up first, where
//! there are too many or they hold too much.
//!
//! Invariants: a graph's inputs and what was uploaded for it lie in memory that nothing else writes to; what it
//! computes with and its outputs may be written to by any run, and are read before the next. No graph runs while one
//! is given up: a capture begins with waiting, and only a capture or who has waited gives any up.

use std::collections::{BTreeMap, HashMap};

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
    _kept: Vec<Buffer>,
    /// Bytes that nobody else has while there is the graph: the driver's, and those of its buffers.
    bytes: usize,
    /// What a run took when one was last timed.
    pub(crate) times: Option<Phases>,
    /// Runs since then.
    pub(crate) untimed: u32,
}

impl Captured {
    pub(crate) fn new(
        graph: Graph,
        inputs: Vec<DeviceTensor>,
        outputs: Vec<Held>,
        kept: Vec<Buffer>,
    ) -> Self {
        let on_device = outputs.iter().filter_map(|held| match held {
            Held::Device(tensor) => Some(&tensor.buffer),
            Held::Host(_) | Held::Constant(..) => None,
        });
        let buffers = inputs.iter().map(|input| &input.buffer).chain(on_device).chain(&kept);
        // Inputs share one, and so may outputs.
        let by_place: BTreeMap<u64, usize> = buffers.map(|buffer| (buffer.at().0, buffer.bytes())).collect();
        let bytes = graph.bytes() + by_place.into_values().sum::<usize>();
        Self { graph, inputs, outputs, _kept: kept, bytes, times: None, untimed: 0 }
    }
}

/// What is known of a set of shapes.
#[derive(Debug)]
enum Known {
    Captured(Box<Captured>),
    /// It runs step by step each time: a step on the host needs what the device computes, or it would hold too much.
    Uncapturable,
}

impl Known {
    fn bytes(&self) -> usize {
        match self {
            Self::Captured(captured) => captured.bytes,
            Self::Uncapturable => 0,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Graphs {
    known: HashMap<Key, (u64, Known)>,
    clock: u64,
    /// Bytes that they may hold.
    budget: usize,
}

impl Graphs {
    /// None yet, of at most `budget` bytes.
    pub(crate) fn new(budget: usize) -> Self {
        Self { known: HashMap::new(), clock: 0, budget }
    }

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
        self.budget > 0 && !self.known.contains_key(key)
    }

    /// Takes note of what became of a capture.
    pub(crate) fn insert(&mut self, key: Key, captured: Option<Captured>) {
        let known = captured.map_or(Known::Uncapturable, |captured| Known::Captured(Box::new(captured)));
        let bytes = known.bytes();
        let known = if bytes <= self.budget { known } else { self.too_large(bytes) };
        if self.known.len() >= MOST {
            self.give_up_oldest(|_| true);
        }
        while self.bytes() + known.bytes() > self.budget {
            self.give_up_oldest(|known| matches!(known, Known::Captured(_)));
        }
        self.clock += 1;
        self.known.insert(key, (self.clock, known));
    }

    fn too_large(&self, bytes: usize) -> Known {
        tracing::debug!(bytes, budget = self.budget, "a graph is larger than all may be, and is not kept");
        Known::Uncapturable
    }

    fn give_up_oldest(&mut self, may_go: impl Fn(&Known) -> bool) {
        let known = self.known.iter().filter(|(_, (_, known))| may_go(known));
        let oldest = known.min_by_key(|(_, (used, _))| *used).map(|(key, _)| key.clone());
        oldest.map(|oldest| self.known.remove(&oldest));
    }

    /// Bytes that they hold, buffers and all.
    pub(crate) fn bytes(&self) -> usize {
        self.known.values().map(|(_, known)| known.bytes()).sum()
    }

    /// Bytes that the driver keeps for them.
    pub(crate) fn driver_bytes(&self) -> usize {
        let bytes = |(_, known): &(u64, Known)| match known {
            Known::Captured(captured) => captured.graph.bytes(),
            Known::Uncapturable => 0,
        };
        self.known.values().map(bytes).sum()
    }

    /// Gives all of them up.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
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
        let mut graphs = Graphs::new(1);
        (0..MOST).for_each(|rows| graphs.insert(key(rows), None));
        assert!(graphs.get(&key(0)).is_none());
        graphs.insert(key(MOST), None);
        assert!(!graphs.may_capture(&key(0)));
        assert!(graphs.may_capture(&key(1)));
        assert_eq!(graphs.bytes(), 0);
    }
}
