//! A queue without a device: memory is the host's, copies are made at once, kernels and products are only written
//! down. For tests of what is launched, captured, allocated and given back.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    Argument, Convolution, Epilogue, Fault, Gpu, Graph, Grid, Kernel, Ledger, Matmul, Memory, Pinned,
    Pointer, Queue, Result, Timer, graph::footprint,
};

/// Something that a queue was asked to do.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Event {
    Launch { kernel: Kernel, grid: Grid, arguments: Vec<Argument> },
    Matmul(Matmul),
    Convolve(Convolution),
    Upload { to: Pointer, bytes: usize },
    Write { to: Pointer, bytes: usize },
    UploadNow { to: Pointer, bytes: usize },
    Download { from: Pointer, bytes: usize },
    Copy { to: Pointer, from: Pointer, bytes: usize },
    Replay { events: usize },
    Mark(usize),
    Synchronize,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Stub {
    device: usize,
    ledger: Arc<Ledger>,
    state: Mutex<State>,
}

/// A device of which all streams are one queue.
#[derive(Clone, Debug)]
pub struct StubGpu(pub Arc<Stub>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    blocks: HashMap<u64, Vec<u8>>,
    events: Vec<Event>,
    /// Where the capture that runs began.
    capture: Option<usize>,
    /// The most bytes that may be allocated.
    limit: Option<usize>,
    lost: bool,
}

impl Stub {
    /// A queue with as much memory as it likes.
    pub fn new() -> Self {
        Self::default()
    }

    /// A queue of the device of this number.
    pub fn of_device(device: usize) -> Self {
        Self { device, ..Self::default() }
    }

    /// A queue of a device with this much memory.
    pub fn with_memory(bytes: usize) -> Self {
        let stub = Self::new();
        stub.lock().limit = Some(bytes);
        stub
    }

    /// What was asked for so far.
    pub fn events(&self) -> Vec<Event> {
        self.lock().events.clone()
    }

    /// The kernels launched so far, by their stems.
    pub fn launched(&self) -> Vec<&'static str> {
        let stem = |event: &Event| match event {
            Event::Launch { kernel, .. } => Some(kernel.stem),
            _ => None,
        };
        self.lock().events.iter().filter_map(stem).collect()
    }

    /// Bytes that were allocated and not freed.
    pub fn allocated(&self) -> usize {
        self.lock().blocks.values().map(Vec::len).sum()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The bytes at an address.
    fn bytes(&mut self, at: Pointer, len: usize) -> Result<&mut [u8]> {
        let found = self.blocks.iter_mut().find_map(|(&start, block)| {
            let begin = usize::try_from(at.0.checked_sub(start)?).ok()?;
            block.get_mut(begin..begin.checked_add(len)?)
        });
        found.ok_or_else(|| Fault::Failed(format!("{len} bytes at {at:?} are in no block")))
    }
}

impl Queue for Stub {
    fn device(&self) -> usize {
        self.device
    }

    fn shared_bytes(&self) -> u32 {
        227 << 10
    }

    fn enter(&self) -> Result<()> {
        if self.is_lost() { Err(Fault::Lost("it was given up".into())) } else { Ok(()) }
    }

    fn is_lost(&self) -> bool {
        self.lock().lost
    }

    fn abandon(&self) {
        self.lock().lost = true;
    }

    fn allocate(&self, bytes: usize) -> Result<Pointer> {
        let mut state = self.lock();
        let held: usize = state.blocks.values().map(Vec::len).sum();
        if let Some(total) = state.limit.filter(|limit| held + bytes > *limit) {
            return Err(Fault::OutOfMemory { device: self.device, wanted: bytes, free: total - held, total });
        }
        state.next += 1;
        let at = state.next << 40;
        state.blocks.insert(at, vec![0; bytes]);
        Ok(Pointer(at))
    }

    fn free(&self, pointer: Pointer) {
        self.lock().blocks.remove(&pointer.0);
    }

    fn workspaces(&self) -> usize {
        0
    }

    fn pinned(&self, bytes: usize) -> Result<Pinned> {
        let memory = Box::leak(vec![0u8; bytes].into_boxed_slice());
        let release = move |at: *mut u8| {
            // SAFETY: it is the box leaked above, released once.
            drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(at, bytes)) });
        };
        // SAFETY: the memory is the value's own until it is released.
        Ok(unsafe { Pinned::new(memory.as_mut_ptr(), bytes, release) })
    }

    fn upload(&self, to: Pointer, from: &Pinned, part: Range<usize>) -> Result<()> {
        let mut state = self.lock();
        let bytes = part.len();
        state.bytes(to, bytes)?.copy_from_slice(&from.as_slice()[part]);
        state.events.push(Event::Upload { to, bytes });
        Ok(())
    }

    fn write(&self, to: Pointer, from: &[u8]) -> Result<()> {
        let mut state = self.lock();
        if state.capture.is_some() {
            return Err(Fault::Failed("memory that may go cannot be captured".into()));
        }
        state.bytes(to, from.len())?.copy_from_slice(from);
        state.events.push(Event::Write { to, bytes: from.len() });
        Ok(())
    }

    fn upload_now(&self, to: Pointer, from: &[u8]) -> Result<()> {
        let mut state = self.lock();
        state.bytes(to, from.len())?.copy_from_slice(from);
        state.events.push(Event::UploadNow { to, bytes: from.len() });
        Ok(())
    }

    fn download(&self, to: &Pinned, from: Pointer, bytes: usize) -> Result<()> {
        let mut state = self.lock();
        let source = state.bytes(from, bytes)?.as_ptr();
        // SAFETY: the source has as many bytes; nobody reads the target before the queue is synchronised.
        unsafe { std::ptr::copy_nonoverlapping(source, to.address().cast(), bytes.min(to.len())) };
        state.events.push(Event::Download { from, bytes });
        Ok(())
    }

    fn copy(&self, to: Pointer, from: Pointer, bytes: usize) -> Result<()> {
        let mut state = self.lock();
        let source = state.bytes(from, bytes)?.to_vec();
        state.bytes(to, bytes)?.copy_from_slice(&source);
        state.events.push(Event::Copy { to, from, bytes });
        Ok(())
    }

    fn launch(&self, kernel: Kernel, grid: Grid, arguments: &[Argument]) -> Result<()> {
        self.lock().events.push(Event::Launch { kernel, grid, arguments: arguments.to_vec() });
        Ok(())
    }

    fn applies(&self, matmul: &Matmul) -> bool {
        matmul.epilogue != Epilogue::Gelu
    }

    fn matmul(&self, matmul: &Matmul) -> Result<()> {
        self.lock().events.push(Event::Matmul(*matmul));
        Ok(())
    }

    fn convolve(&self, convolution: &Convolution) -> Result<()> {
        self.lock().events.push(Event::Convolve(*convolution));
        Ok(())
    }

    fn convolves(&self) -> bool {
        true
    }

    fn begin_capture(&self) -> Result<()> {
        let mut state = self.lock();
        state.capture = Some(state.events.len());
        Ok(())
    }

    fn end_capture(&self) -> Result<Graph> {
        let mut state = self.lock();
        let begin = state.capture.take().ok_or_else(|| Fault::Failed("no capture runs".into()))?;
        let events = state.events.len() - begin;
        Ok(Graph::new(events, footprint(events, 0)))
    }

    fn replay(&self, graph: &Graph) -> Result<()> {
        let events = graph.work.downcast_ref().copied();
        let events = events.ok_or_else(|| Fault::Failed("a graph of another kind of queue".into()))?;
        self.lock().events.push(Event::Replay { events });
        Ok(())
    }

    fn timer(&self, _marks: usize) -> Result<Timer> {
        Ok(Timer(Box::new(())))
    }

    fn mark(&self, _timer: &Timer, mark: usize) -> Result<()> {
        self.lock().events.push(Event::Mark(mark));
        Ok(())
    }

    fn between(&self, _timer: &Timer, _mark: usize) -> Result<Duration> {
        Ok(Duration::ZERO)
    }

    fn synchronize(&self) -> Result<()> {
        let mut state = self.lock();
        if state.capture.is_some() {
            return Err(Fault::Failed("nothing can be waited for while capturing".into()));
        }
        state.events.push(Event::Synchronize);
        Ok(())
    }
}

impl Gpu for StubGpu {
    fn index(&self) -> usize {
        self.0.device
    }

    fn memory(&self) -> Result<Memory> {
        let total = self.0.lock().limit.unwrap_or(usize::MAX);
        Ok(Memory { free: total - self.0.allocated(), total })
    }

    fn ledger(&self) -> &Arc<Ledger> {
        &self.0.ledger
    }

    fn stream(self: Arc<Self>) -> Result<Arc<dyn Queue>> {
        Ok(self.0.clone())
    }

    fn is_lost(&self) -> bool {
        self.0.lock().lost
    }
}
