"""Checks gemm_act.cu's kernel on a Hopper GPU against PyTorch in f64, and times it.

    python check.py FOLDER

FOLDER holds gemm_act.cubin. Needs PyTorch. The kernel runs in a second process, the smallest product first, and the
process is given up when the kernel does not come back. All ends within a minute. Every failure is printed; the last
line sums up; the exit status is 1 if anything failed.

An error is how far a result lies from the exact one, beyond the rounding to its type.
"""
import ctypes
import math
import pathlib
import queue
import subprocess
import sys
import threading
import time

IS_WORKER = "--worker" in sys.argv
if IS_WORKER:  # the process that only watches does not wait for it
    import torch
    import torch.nn.functional as F

THREADS, ROWS, COLUMNS, SLICE, SHARED_BYTES = 384, 128, 192, 64, 224512  # see gemm_act.cu
SHAPES = [(1, 8, 8), (100, 200, 72), (128, 1536, 384), (257, 1528, 392), (4096, 1536, 384), (4096, 3072, 768),
          (16384, 1536, 384)]
TIMED = [(4096, 1536, 384), (16384, 1536, 384), (4096, 3072, 768), (16384, 3072, 768)]
ROUNDING = {"f16": 2.0**-11, "bf16": 2.0**-8}
ALLOWED = 4e-5  # GELU's error and that of sums in f32
TIME_LIMIT, START_LIMIT, STEP_LIMIT = 56, 40, 8  # seconds: for all, until the first step, for one step
MAX_DYNAMIC_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
PROGRAMMATIC_SERIALIZATION = 6  # CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION
MAP_TYPES = {"f16": 6, "bf16": 9}  # CU_TENSOR_MAP_DATA_TYPE_FLOAT16, _BFLOAT16
NO_INTERLEAVE, SWIZZLE_128B, PROMOTION_256B, FILL_ZEROS = 0, 3, 3, 0


class Attribute(ctypes.Structure):
    _fields_ = [("id", ctypes.c_int), ("pad", ctypes.c_char * 4), ("value", ctypes.c_int), ("rest", ctypes.c_char * 60)]


class Config(ctypes.Structure):
    _fields_ = [("grid", ctypes.c_uint * 3), ("block", ctypes.c_uint * 3), ("shared", ctypes.c_uint),
                ("stream", ctypes.c_void_p), ("attributes", ctypes.POINTER(Attribute)), ("count", ctypes.c_uint)]


def say(text):
    print(text, flush=True)


# --- The process with the GPU -----------------------------------------------------------------------------------------

class Module:
    """The functions of the cubin, by type."""

    def __init__(self, file):
        self.driver = ctypes.CDLL("libcuda.so.1")
        self.module = ctypes.c_void_p()
        self.call("cuModuleLoad", ctypes.byref(self.module), str(file).encode())
        self.functions = {kind: self.function(f"gemm_gelu_{kind}") for kind in ROUNDING}
        self.grid = torch.cuda.get_device_properties(0).multi_processor_count

    def call(self, name, *args):
        status = getattr(self.driver, name)(*args)
        if status != 0:
            raise RuntimeError(f"{name}: CUDA error {status}")

    def function(self, name):
        function = ctypes.c_void_p()
        self.call("cuModuleGetFunction", ctypes.byref(function), self.module, name.encode())
        self.call("cuFuncSetAttribute", function, MAX_DYNAMIC_SHARED, SHARED_BYTES)
        return function

    def map(self, tensor, kind, box_rows):
        """The tensor map of a matrix, 128 bytes at a multiple of 64."""
        rows, columns = tensor.shape
        memory = ctypes.create_string_buffer(192)
        encoded = (ctypes.c_char * 128).from_buffer(memory, -ctypes.addressof(memory) % 64)
        self.call("cuTensorMapEncodeTiled", encoded, MAP_TYPES[kind], 2, ctypes.c_void_p(tensor.data_ptr()),
                  (ctypes.c_uint64 * 2)(columns, rows), (ctypes.c_uint64 * 1)(2 * columns),
                  (ctypes.c_uint32 * 2)(SLICE, box_rows), (ctypes.c_uint32 * 2)(1, 1), NO_INTERLEAVE, SWIZZLE_128B,
                  PROMOTION_256B, FILL_ZEROS)
        return encoded

    def launcher(self, kind, x, w, bias, out):
        """A call of the kernel with everything prepared; its argument asks for a programmatic dependent launch."""
        (m, k), n = x.shape, w.shape[0]
        values = [self.map(x, kind, ROWS), self.map(w, kind, COLUMNS),
                  ctypes.c_void_p(bias.data_ptr() if bias is not None else 0), ctypes.c_void_p(out.data_ptr()),
                  ctypes.c_int(m), ctypes.c_int(n), ctypes.c_int(k)]
        pointers = (ctypes.c_void_p * len(values))(*[ctypes.addressof(v) for v in values])
        attribute = Attribute(id=PROGRAMMATIC_SERIALIZATION, value=1)

        def launch(dependent=False):
            config = Config(grid=(self.grid, 1, 1), block=(THREADS, 1, 1), shared=SHARED_BYTES,
                            stream=torch.cuda.current_stream().cuda_stream, attributes=ctypes.pointer(attribute),
                            count=1 if dependent else 0)
            self.call("cuLaunchKernelEx", ctypes.byref(config), self.functions[kind], pointers, None)

        launch.values = values  # live as long as the pointers to them
        return launch


def dtype(kind):
    return {"f16": torch.float16, "bf16": torch.bfloat16}[kind]


def operands(m, n, k, kind):
    torch.manual_seed(m + n + k)
    x = torch.randn(m, k, device="cuda").to(dtype(kind))
    w = (torch.randn(n, k, device="cuda") * (2 / math.sqrt(k))).to(dtype(kind))
    return x, w, torch.randn(n, device="cuda").to(dtype(kind))


def error_of(got, expected, kind):
    errors = (got.double() - expected).abs() - ROUNDING[kind] * expected.abs()
    return math.inf if errors.isnan().any() else max(0.0, errors.max().item())


def check(module, m, n, k, kind, has_bias):
    name = f"{kind} {m}x{n}x{k}{'' if has_bias else ' without bias'}"
    say(f"> {name}")
    x, w, bias = operands(m, n, k, kind)
    expected = F.gelu(x.double() @ w.double().T + (bias.double() if has_bias else 0))
    memory = torch.full((m * n + 64,), math.nan, device="cuda", dtype=dtype(kind))
    memory[m * n:] = 7
    module.launcher(kind, x, w, bias if has_bias else None, memory)()
    torch.cuda.synchronize()
    error = error_of(memory[:m * n].view(m, n), expected, kind)
    if (memory[m * n:] != 7).any():
        say(f"FAILED {name}: wrote beyond the end")
    elif error <= ALLOWED:
        say(f"ok {name}: {error:.2g}")
    else:
        say(f"FAILED {name}: error {error:.3g}, allowed {ALLOWED:.3g}; {where(memory, expected, kind)}")


def where(memory, expected, kind):
    """Which rows and columns are wrong: tells a wrong tile from a wrong swizzle."""
    m, n = expected.shape
    got = memory[:m * n].view(m, n).double()
    wrong = ~((got - expected).abs() <= ROUNDING[kind] * expected.abs() + ALLOWED)
    rows, columns = wrong.any(1).nonzero().flatten().tolist(), wrong.any(0).nonzero().flatten().tolist()
    count, missing = int(wrong.sum()), int(got.isnan().sum())
    return (f"{count} of {m * n} wrong, {missing} not numbers; {len(rows)} rows from {rows[0]} to {rows[-1]}, "
            f"{len(columns)} columns from {columns[0]} to {columns[-1]}; first "
            f"{got[rows[0], :4].tolist()} for {expected[rows[0], :4].tolist()}")


def microseconds(work, count=20):
    """Of one of `count` calls in a graph: the best of five replays."""
    work()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.stream(torch.cuda.Stream()):
        graph.capture_begin()
        for _ in range(count):
            work()
        graph.capture_end()
    best = math.inf
    for _ in range(5):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        graph.replay()
        end.record()
        torch.cuda.synchronize()
        best = min(best, start.elapsed_time(end) * 1000 / count)
    return best


def show_times(module, m, n, k, kind):
    say(f"> times of {kind} {m}x{n}x{k}")
    x, w, bias = operands(m, n, k, kind)
    out = torch.empty(m, n, device="cuda", dtype=dtype(kind))
    product = microseconds(lambda: torch.matmul(x, w.T, out=out))
    both = microseconds(lambda: F.gelu(torch.addmm(bias, x, w.T)))
    launch = module.launcher(kind, x, w, bias, out)
    plain, dependent = microseconds(launch), microseconds(lambda: launch(True))
    say(f"time {m}x{n}x{k} {kind}: torch.matmul {product:.2f}, gelu(addmm) {both:.2f}; gemm_gelu {plain:.2f} "
        f"({plain / product:.2f}), dependent launches {dependent:.2f} us")


def work(folder):
    torch.zeros(1, device="cuda")  # makes the context that the driver calls work in
    module = Module(folder / "gemm_act.cubin")
    say(f"on {torch.cuda.get_device_name()}")
    for shape in SHAPES:
        for kind in ROUNDING:
            check(module, *shape, kind, True)
    check(module, *SHAPES[1], "f16", False)
    for kind in ROUNDING:
        for shape in TIMED:
            show_times(module, *shape, kind)
    say("> the end")


# --- The process that watches -----------------------------------------------------------------------------------------

class Watch:
    def __init__(self, folder):
        self.folder = folder
        self.end = time.monotonic() + TIME_LIMIT
        self.results = {}  # by check, whether it was right
        self.problems = 0

    def problem(self, text):
        self.problems += 1
        say(f"FAILED {text}")

    def lines(self, worker):
        """What the worker prints, and None after it; queued by a thread, so that waiting for it can end."""
        lines = queue.Queue()

        def read():
            for line in worker.stdout:
                lines.put(line.rstrip("\n"))
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        return lines

    def take(self, line):
        status, _, rest = line.partition(" ")
        if status in ("ok", "FAILED"):
            self.results[rest.partition(":")[0]] = status == "ok"
        if status != "ok":
            say(line)

    def watch(self):
        """Until the worker has ended, or is given up."""
        worker = subprocess.Popen([sys.executable, __file__, str(self.folder), "--worker"], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)
        lines = self.lines(worker)
        step, limit = "the start", START_LIMIT
        while True:
            try:
                line = lines.get(timeout=max(0.1, min(limit, self.end - time.monotonic())))
            except queue.Empty:
                worker.kill()
                self.problem(f"{step}: did not come back ({sum(self.results.values())} checks were right so far)")
                return
            if line is None:
                if worker.wait() != 0 or step != "the end":
                    self.problem(f"{step}: the process ended (status {worker.returncode})")
                return
            if line.startswith("> "):
                step, limit = line[2:], STEP_LIMIT
            else:
                self.take(line)

    def run(self):
        """Whether all is right."""
        self.watch()
        wrong = self.problems + sum(not right for right in self.results.values())
        say(f"check: {len(self.results)} checks, {wrong} failed")
        return wrong == 0 and len(self.results) > 0


def main():
    folder = pathlib.Path(sys.argv[1])
    if IS_WORKER:
        work(folder)
    else:
        sys.exit(0 if Watch(folder).run() else 1)


if __name__ == "__main__":
    main()
