//! GPUs of this machine: whether there are any, what they are, and streams on them.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    panic::catch_unwind,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use cudarc::driver::{
    CudaContext, result,
    sys::{self, CUdevice_attribute_enum as Attribute},
};

use crate::{
    Fault, Gpu, Kernel, Ledger, Memory, Pointer, Queue, Result, gemm::Handle, images, stream::Stream,
};

/// A GPU, opened once for the process.
pub struct Device {
    context: Arc<CudaContext>,
    index: usize,
    name: String,
    capability: (i32, i32),
    shared_bytes: u32,
    multiprocessors: u32,
    modules: Vec<sys::CUmodule>,
    functions: Mutex<HashMap<Kernel, Function>>,
    /// Kernels that may have more shared memory than every kernel has.
    large: Mutex<HashSet<Kernel>>,
    /// cuBLASLt's, for all streams; made when the first product is asked for.
    products: OnceLock<Handle>,
    ledger: Arc<Ledger>,
    lost: AtomicBool,
    /// Work on it does not end, nor would anything that waits for it.
    hangs: AtomicBool,
}

/// The compute capability of H100 and H200, whose own instructions no other device has.
const HOPPER: (i32, i32) = (9, 0);

/// A kernel in the device's memory.
#[derive(Clone, Copy)]
pub(crate) struct Function(pub(crate) sys::CUfunction);

// SAFETY: a function's handle is an address in the driver, which may be used from any thread.
unsafe impl Send for Function {}

// SAFETY: the modules' handles are used under the driver's own locks, from any thread.
unsafe impl Send for Device {}
// SAFETY: as above.
unsafe impl Sync for Device {}

/// How many GPUs there are, where they can be used.
///
/// # Errors
/// `Missing` with what is not there.
pub fn count() -> Result<usize> {
    if !images::present() {
        return Err(missing("this build has no GPU kernels; build with --features cuda"));
    }
    // SAFETY: looking for a library runs only its own initialisers, those of NVIDIA's driver.
    if !unsafe { sys::is_culib_present() } {
        return Err(missing("no NVIDIA driver (libcuda.so.1) on this machine"));
    }
    // SAFETY: as above.
    if !unsafe { cudarc::cublaslt::sys::is_culib_present() } {
        return Err(missing("the CUDA library cuBLASLt (libcublasLt.so.13 or .12) is not on this machine"));
    }
    guarded(|| {
        result::init()?;
        Ok(usize::try_from(result::device::get_count()?).unwrap_or(0))
    })
}

/// A device's place; whoever opens it holds the lock, and those who open another do not wait.
type Place = Arc<Mutex<Option<Arc<Device>>>>;

/// The devices opened so far, by number.
static OPENED: Mutex<BTreeMap<usize, Place>> = Mutex::new(BTreeMap::new());

/// The GPU of this number.
///
/// # Errors
/// `Missing` where there is none, or what the driver says.
pub fn open(index: usize) -> Result<Arc<Device>> {
    let count = count()?;
    if index >= count {
        return Err(missing(format!("there is no GPU {index}; this machine has {count}")));
    }
    let place = OPENED.lock().unwrap_or_else(PoisonError::into_inner).entry(index).or_default().clone();
    let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
    match &*place {
        Some(device) if device.hangs() => return Err(hanging(index)),
        Some(device) if !device.is_lost() => return Ok(device.clone()),
        _ => {}
    }
    // A lost one goes before it is opened anew.
    *place = None;
    let device = Arc::new(guarded(|| Device::new(index))?);
    Ok(place.insert(device).clone())
}

/// The bindings panic where a library lacks a function that they know.
fn guarded<T>(body: impl FnOnce() -> Result<T> + std::panic::UnwindSafe) -> Result<T> {
    catch_unwind(body).unwrap_or_else(|_| Err(missing("the CUDA libraries do not fit the driver")))
}

fn hanging(index: usize) -> Fault {
    Fault::Lost(format!("work on GPU {index} does not end; the server has to be started anew to use it"))
}

fn missing(what: impl Into<String>) -> Fault {
    Fault::Missing(what.into())
}

impl Device {
    fn new(index: usize) -> Result<Self> {
        let context = CudaContext::new(index)?;
        let capability = context.compute_capability()?;
        let most = Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
        let shared_bytes = u32::try_from(context.attribute(most)?).unwrap_or(0);
        let count = context.attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
        let multiprocessors = u32::try_from(count).unwrap_or(1);
        let hopper = if capability == HOPPER { images::HOPPER } else { &[] };
        let modules = images::ALL.iter().chain(hopper).map(|image| load(image)).collect::<Result<_>>()?;
        let name = context.name()?;
        let (functions, large, products, ledger, lost, hangs) = Default::default();
        Ok(Self {
            context,
            index,
            name,
            capability,
            shared_bytes,
            multiprocessors,
            modules,
            functions,
            large,
            products,
            ledger,
            lost,
            hangs,
        })
    }

    /// What the vendor calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it has the instructions that only Hopper has, and this build kernels that use them.
    pub(crate) fn is_hopper(&self) -> bool {
        self.capability == HOPPER && !images::HOPPER.is_empty()
    }

    /// Its multiprocessors.
    pub(crate) const fn multiprocessors(&self) -> u32 {
        self.multiprocessors
    }

    /// Whether the next kernel of a stream may be set up before the last has ended.
    pub(crate) const fn overlaps_launches(&self) -> bool {
        self.capability.0 >= 9
    }

    fn hangs(&self) -> bool {
        self.hangs.load(Ordering::Relaxed)
    }

    /// Gives it up for this process, since work on it does not end. What would be given back to it is kept: even that
    /// would wait for ever.
    pub(crate) fn abandon(self: &Arc<Self>) {
        if !self.hangs.swap(true, Ordering::Relaxed) {
            self.lost.store(true, Ordering::Relaxed);
            std::mem::forget(self.clone());
        }
    }

    /// Takes note of an error that breaks the device for good.
    pub(crate) fn note<T>(&self, outcome: Result<T>) -> Result<T> {
        if matches!(outcome, Err(Fault::Lost(_))) {
            self.lost.store(true, Ordering::Relaxed);
        }
        outcome
    }

    /// Memory of it, to be given back with the driver's `free_sync`.
    pub(crate) fn allocate(&self, bytes: usize) -> Result<Pointer> {
        // SAFETY: the pointer is the caller's alone.
        match unsafe { result::malloc_sync(bytes) } {
            Ok(at) => Ok(Pointer(at)),
            Err(error) if error.0 == sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => {
                let Memory { free, total } = self.memory()?;
                Err(Fault::OutOfMemory { device: self.index, wanted: bytes, free, total })
            }
            Err(error) => self.note(Err(error.into())),
        }
    }

    /// cuBLASLt's handle, which all streams may use at once.
    pub(crate) fn products(&self) -> Result<&Handle> {
        if let Some(handle) = self.products.get() {
            return Ok(handle);
        }
        let made = Handle::new()?;
        Ok(self.products.get_or_init(|| made))
    }

    pub(crate) const fn context(&self) -> &Arc<CudaContext> {
        &self.context
    }

    /// The most dynamic shared memory that a block may have.
    pub(crate) const fn shared_bytes(&self) -> u32 {
        self.shared_bytes
    }

    /// A kernel by name, allowed this much dynamic shared memory.
    pub(crate) fn function_with(&self, kernel: Kernel, shared_bytes: u32) -> Result<Function> {
        /// What every kernel may have.
        const ALLOWED: u32 = 48 << 10;
        let function = self.function(kernel)?;
        if shared_bytes > ALLOWED {
            self.enlarge(kernel, function)?;
        }
        Ok(function)
    }

    /// Allows a kernel as much shared memory as the device has, once.
    fn enlarge(&self, kernel: Kernel, function: Function) -> Result<()> {
        let mut large = self.large.lock().unwrap_or_else(PoisonError::into_inner);
        if large.insert(kernel) {
            let attribute = sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            let bytes = i32::try_from(self.shared_bytes).unwrap_or(i32::MAX);
            // SAFETY: the function lives as long as the device.
            unsafe { result::function::set_function_attribute(function.0, attribute, bytes) }?;
        }
        Ok(())
    }

    /// A kernel by name.
    fn function(&self, kernel: Kernel) -> Result<Function> {
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(function) = functions.get(&kernel) {
            return Ok(*function);
        }
        let name = std::ffi::CString::new(kernel.to_string()).unwrap_or_default();
        // SAFETY: the modules live as long as the device.
        let find =
            |module: &sys::CUmodule| unsafe { result::module::get_function(*module, name.clone()) }.ok();
        let found = self.modules.iter().find_map(find);
        let function = found.ok_or_else(|| Fault::Failed(format!("there is no kernel '{kernel}'")))?;
        functions.insert(kernel, Function(function));
        Ok(Function(function))
    }
}

impl Gpu for Device {
    fn index(&self) -> usize {
        self.index
    }

    fn memory(&self) -> Result<Memory> {
        self.context.bind_to_thread()?;
        let (free, total) = result::mem_get_info()?;
        Ok(Memory { free, total })
    }

    fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    fn stream(self: Arc<Self>) -> Result<Arc<dyn Queue>> {
        Ok(Arc::new(Stream::new(self)?))
    }

    fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        for module in self.modules.drain(..) {
            // SAFETY: nothing can launch its kernels any more. A lost device refuses, which changes nothing.
            let _ = unsafe { result::module::unload(module) };
        }
    }
}

/// Loads a fat binary into the current context.
fn load(image: &[u8]) -> Result<sys::CUmodule> {
    // The driver reads it as words.
    let mut words = vec![0u64; image.len().div_ceil(8)];
    // SAFETY: the words have room for the image's bytes.
    unsafe { std::ptr::copy_nonoverlapping(image.as_ptr(), words.as_mut_ptr().cast(), image.len()) };
    // SAFETY: the image is a whole fat binary, aligned; the driver copies what it needs.
    Ok(unsafe { result::module::load_data(words.as_ptr().cast()) }?)
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GPU {} ({})", self.index, self.name)
    }
}
