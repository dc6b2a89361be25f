//! A stream of a real device.

use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use cudarc::driver::{CudaEvent, CudaStream, result, sys};

use crate::{
    Argument, Convolution, Epilogue, Fault, Gpu, Graph, Grid, Kernel, Matmul, Pinned, Pointer, Queue, Result,
    Timer,
    device::Device,
    dnn::Dnn,
    gemm::{self, Gemm},
    graph::footprint,
    hopper,
    launch::addresses,
};

/// See the module.
pub(crate) struct Stream {
    /// Before the device: what they hold is of its context.
    gemm: Mutex<Option<Gemm>>,
    dnn: Mutex<Option<Dnn>>,
    stream: Arc<CudaStream>,
    device: Arc<Device>,
}

/// A graph ready to launch.
struct Executable {
    graph: sys::CUgraphExec,
    device: Arc<Device>,
}

// SAFETY: a graph's handle may be used from any thread, by one at a time, which its session is.
unsafe impl Send for Executable {}
// SAFETY: launching takes the driver's own locks.
unsafe impl Sync for Executable {}

impl Drop for Executable {
    fn drop(&mut self) {
        if !self.device.is_lost() && self.device.context().bind_to_thread().is_ok() {
            // SAFETY: the handle is this value's own.
            let _ = unsafe { result::graph::exec_destroy(self.graph) };
        }
    }
}

impl Stream {
    pub(crate) fn new(device: Arc<Device>) -> Result<Self> {
        device.context().bind_to_thread()?;
        let stream = device.context().new_stream()?;
        Ok(Self { gemm: Mutex::default(), dnn: Mutex::default(), stream, device })
    }

    fn raw(&self) -> sys::CUstream {
        self.stream.cu_stream()
    }

    fn launch_overlapping(
        &self,
        function: sys::CUfunction,
        grid: Grid,
        parameters: *mut *mut std::ffi::c_void,
    ) -> Result<()> {
        let mut attribute = sys::CUlaunchAttribute_st {
            id: sys::CUlaunchAttributeID_enum::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION,
            pad: [0; 4],
            value: sys::CUlaunchAttributeValue_union { programmaticStreamSerializationAllowed: 1 },
        };
        let ([x, y, z], [tx, ty, tz]) = (grid.blocks, grid.threads);
        let config = sys::CUlaunchConfig_st {
            gridDimX: x,
            gridDimY: y,
            gridDimZ: z,
            blockDimX: tx,
            blockDimY: ty,
            blockDimZ: tz,
            sharedMemBytes: grid.shared_bytes,
            hStream: self.raw(),
            attrs: &raw mut attribute,
            numAttrs: 1,
        };
        // SAFETY: as `launch`; configuration and attribute live until the call returns.
        Ok(unsafe { sys::cuLaunchKernelEx(&raw const config, function, parameters, std::ptr::null_mut()) }
            .result()?)
    }
}

impl Queue for Stream {
    fn device(&self) -> usize {
        self.device.index()
    }

    fn shared_bytes(&self) -> u32 {
        self.device.shared_bytes()
    }

    fn enter(&self) -> Result<()> {
        if self.device.is_lost() {
            return Err(Fault::Lost("an earlier failure broke it".into()));
        }
        Ok(self.device.context().bind_to_thread()?)
    }

    fn is_lost(&self) -> bool {
        self.device.is_lost()
    }

    fn abandon(&self) {
        self.device.abandon();
    }

    fn allocate(&self, bytes: usize) -> Result<Pointer> {
        self.device.allocate(bytes)
    }

    fn free(&self, pointer: Pointer) {
        // A lost device's memory goes with its context.
        if !self.device.is_lost() && self.device.context().bind_to_thread().is_ok() {
            // SAFETY: the pointer came from `allocate`; the driver waits for work that uses it.
            let _ = unsafe { result::free_sync(pointer.0) };
        }
    }

    fn workspaces(&self) -> usize {
        let gemm = self.gemm.lock().unwrap_or_else(PoisonError::into_inner);
        let dnn = self.dnn.lock().unwrap_or_else(PoisonError::into_inner);
        gemm.as_ref().map_or(0, |_| gemm::WORKSPACE) + dnn.as_ref().map_or(0, Dnn::workspaces)
    }

    fn pinned(&self, bytes: usize) -> Result<Pinned> {
        self.enter()?;
        let device = self.device.clone();
        // SAFETY: the memory is valid until it is released, once; zeros are written to all of it.
        unsafe {
            let at = result::malloc_host(bytes.max(1), 0)?.cast::<u8>();
            at.write_bytes(0, bytes.max(1));
            Ok(Pinned::new(at, bytes, move |at| {
                if !device.is_lost() && device.context().bind_to_thread().is_ok() {
                    let _ = result::free_host(at.cast());
                }
            }))
        }
    }

    fn upload(&self, to: Pointer, from: &Pinned, part: Range<usize>) -> Result<()> {
        let from = from.as_slice().get(part).ok_or_else(too_short)?;
        if from.is_empty() {
            return Ok(());
        }
        // SAFETY: the caller keeps both alive and to itself until the queue has got there.
        let done = unsafe { result::memcpy_htod_async(to.0, from, self.raw()) };
        self.device.note(done.map_err(Fault::from))
    }

    fn write(&self, to: Pointer, from: &[u8]) -> Result<()> {
        if from.is_empty() {
            return Ok(());
        }
        // SAFETY: of memory that is not pinned the driver takes its copy before it returns.
        let done = unsafe { result::memcpy_htod_async(to.0, from, self.raw()) };
        self.device.note(done.map_err(Fault::from))
    }

    fn upload_now(&self, to: Pointer, from: &[u8]) -> Result<()> {
        if from.is_empty() {
            return Ok(());
        }
        let stream = self.device.context().new_stream()?;
        // SAFETY: the copy is waited for here, while both are borrowed.
        let done = unsafe {
            result::memcpy_htod_async(to.0, from, stream.cu_stream())
                .and_then(|()| result::stream::synchronize(stream.cu_stream()))
        };
        self.device.note(done.map_err(Fault::from))
    }

    fn download(&self, to: &Pinned, from: Pointer, bytes: usize) -> Result<()> {
        if bytes > to.len() {
            return Err(too_short());
        }
        if bytes == 0 {
            return Ok(());
        }
        // SAFETY: the memory is large enough and nobody reads it before the queue is synchronised.
        let done = unsafe { sys::cuMemcpyDtoHAsync_v2(to.address(), from.0, bytes, self.raw()) }.result();
        self.device.note(done.map_err(Fault::from))
    }

    fn copy(&self, to: Pointer, from: Pointer, bytes: usize) -> Result<()> {
        // SAFETY: the caller vouches for both.
        let done = unsafe { result::memcpy_dtod_async(to.0, from.0, bytes, self.raw()) };
        self.device.note(done.map_err(Fault::from))
    }

    fn launch(&self, kernel: Kernel, grid: Grid, arguments: &[Argument]) -> Result<()> {
        let function = self.device.function_with(kernel, grid.shared_bytes)?.0;
        let mut parameters = addresses(arguments);
        let launched = if self.device.overlaps_launches() {
            self.launch_overlapping(function, grid, parameters.as_mut_ptr())
        } else {
            let ([x, y, z], [tx, ty, tz]) = (grid.blocks, grid.threads);
            // SAFETY: the caller gives what the kernel's signature says; the driver copies the arguments.
            let launched = unsafe {
                result::launch_kernel(
                    function,
                    (x, y, z),
                    (tx, ty, tz),
                    grid.shared_bytes,
                    self.raw(),
                    &mut parameters,
                )
            };
            launched.map_err(Fault::from)
        };
        self.device.note(launched.map_err(|fault| named(kernel, fault)))
    }

    fn applies(&self, matmul: &Matmul) -> bool {
        matmul.epilogue != Epilogue::Gelu || (self.device.is_hopper() && hopper::takes(matmul))
    }

    fn matmul(&self, matmul: &Matmul) -> Result<()> {
        if matmul.epilogue == Epilogue::Gelu {
            let (grid, arguments) = hopper::launch(matmul, self.device.multiprocessors())?;
            return self.launch(hopper::kernel(matmul.number), grid, &arguments);
        }
        let mut gemm = self.gemm.lock().unwrap_or_else(PoisonError::into_inner);
        let gemm = match &mut *gemm {
            Some(gemm) => gemm,
            none => none.insert(Gemm::new(self.raw(), &self.device)?),
        };
        self.device.note(gemm.run(self.device.products()?, matmul))
    }

    fn convolve(&self, convolution: &Convolution) -> Result<()> {
        let mut dnn = self.dnn.lock().unwrap_or_else(PoisonError::into_inner);
        let dnn = match &mut *dnn {
            Some(dnn) => dnn,
            none => none.insert(Dnn::new(self.raw())?),
        };
        self.device.note(dnn.run(&self.device, convolution))
    }

    fn convolves(&self) -> bool {
        crate::dnn::is_present()
    }

    fn begin_capture(&self) -> Result<()> {
        // Relaxed: blocks are allocated and constants uploaded on the way, outside of the graph, on purpose.
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
        // SAFETY: the stream is this value's own.
        Ok(unsafe { result::stream::begin_capture(self.raw(), mode) }?)
    }

    fn end_capture(&self) -> Result<Graph> {
        // SAFETY: the stream is this value's own; the graph is destroyed once it was instantiated.
        unsafe {
            let graph = result::stream::end_capture(self.raw())?;
            if graph.is_null() {
                return Err(Fault::Failed("nothing was captured".into()));
            }
            let before = self.device.memory();
            let mut nodes = 0;
            // Without a place for them they are only counted.
            let counted = sys::cuGraphGetNodes(graph, std::ptr::null_mut(), &raw mut nodes).result();
            let ready = result::graph::instantiate(graph, sys::CUgraphInstantiate_flags(0));
            let _ = result::graph::destroy(graph);
            let executable = Executable { graph: ready?, device: self.device.clone() };
            result::graph::upload(executable.graph, self.raw())?;
            counted?;
            let vanished = before?.free.saturating_sub(self.device.memory()?.free);
            Ok(Graph::new(executable, footprint(nodes, vanished)))
        }
    }

    fn replay(&self, graph: &Graph) -> Result<()> {
        let foreign = || Fault::Failed("a graph of another kind of queue".into());
        let executable = graph.work.downcast_ref::<Executable>().ok_or_else(foreign)?;
        // SAFETY: its buffers live as long as the graph, by the contract of `Queue`.
        let done = unsafe { result::graph::launch(executable.graph, self.raw()) };
        self.device.note(done.map_err(Fault::from))
    }

    fn timer(&self, marks: usize) -> Result<Timer> {
        let event = |_| self.device.context().new_event(Some(sys::CUevent_flags::CU_EVENT_DEFAULT));
        let events = (0..marks).map(event).collect::<std::result::Result<Vec<CudaEvent>, _>>()?;
        Ok(Timer(Box::new(events)))
    }

    fn mark(&self, timer: &Timer, mark: usize) -> Result<()> {
        event(timer, mark)?.record(&self.stream).map_err(Fault::from)
    }

    fn between(&self, timer: &Timer, mark: usize) -> Result<Duration> {
        let ms = event(timer, mark)?.elapsed_ms(event(timer, mark + 1)?)?;
        Ok(Duration::from_secs_f64(f64::from(ms.max(0.0)) / 1e3))
    }

    fn synchronize(&self) -> Result<()> {
        // SAFETY: the stream is this value's own.
        let done = unsafe { result::stream::synchronize(self.raw()) };
        self.device.note(done.map_err(Fault::from))
    }
}

fn event(timer: &Timer, mark: usize) -> Result<&CudaEvent> {
    let events = timer.0.downcast_ref::<Vec<CudaEvent>>();
    events.and_then(|events| events.get(mark)).ok_or_else(|| Fault::Failed("there is no such mark".into()))
}

fn too_short() -> Fault {
    Fault::Failed("the host's buffer is too short".into())
}

fn named(kernel: Kernel, fault: Fault) -> Fault {
    match fault {
        Fault::Failed(reason) => Fault::Failed(format!("kernel '{kernel}': {reason}")),
        other => other,
    }
}
