"""Checks the hot kernels on a GPU against NumPy in f64, and times them.

    python check_hot.py FOLDER [--checks-only]

FOLDER holds norm.cubin, embed.cubin, epilogue.cubin, attention.cubin and recurrent.cubin. Needs
PyTorch (for memory, streams, graphs and a matrix product to compare with) and NumPy. Kernels are loaded and launched
through the driver's C interface, with and without programmatic dependent launch. Every failure is printed; the last
line sums up; the exit status is 1 if anything failed.

An error is the largest |got - expected| / (1 + |expected|), infinite where one of the two is not a number.
"""
import ctypes
import math
import pathlib
import sys

import numpy as np
import torch

TYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
ROUNDING = {"f32": 1e-6, "f16": 1e-3, "bf16": 8e-3}  # of one result of its type, with some room
FN_IDENTITY, FN_TANH, FN_GELU, FN_GELU_TANH, FN_SILU, FN_CLIP = 0, 2, 7, 8, 9, 15  # see functions.cuh
INT_MIN = -(2**31)
MAX_DYNAMIC_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
PROGRAMMATIC_SERIALIZATION = 6  # CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION
I64 = ctypes.c_longlong
random = np.random.default_rng(1)


class Attribute(ctypes.Structure):
    _fields_ = [("id", ctypes.c_int), ("pad", ctypes.c_char * 4), ("value", ctypes.c_int), ("rest", ctypes.c_char * 60)]


class Config(ctypes.Structure):
    _fields_ = [("grid", ctypes.c_uint * 3), ("block", ctypes.c_uint * 3), ("shared", ctypes.c_uint),
                ("stream", ctypes.c_void_p), ("attributes", ctypes.POINTER(Attribute)), ("count", ctypes.c_uint)]


class Embed(ctypes.Structure):
    _fields_ = [("table", ctypes.c_void_p * 3), ("index", ctypes.c_void_p * 3), ("index_rows", ctypes.c_int * 3),
                ("vocabulary", ctypes.c_int * 3), ("tables", ctypes.c_int)]


class Attention(ctypes.Structure):
    _fields_ = ([(name, ctypes.c_void_p) for name in ("q", "k", "v", "mask", "out")]
                + [(f"{name}_{axis}", I64) for name in ("q", "k", "v", "out") for axis in ("batch", "head", "row")]
                + [(f"mask_{axis}", I64) for axis in ("batch", "head", "query", "key")]
                + [("queries", ctypes.c_int), ("keys", ctypes.c_int), ("group", ctypes.c_int),
                   ("scale", ctypes.c_float), ("replace", ctypes.c_int), ("causal", ctypes.c_int),
                   ("zeros", ctypes.c_int), ("lengths", ctypes.c_void_p)])


class Kernels:
    """The functions of a folder of cubins."""

    def __init__(self, folder):
        self.driver = ctypes.CDLL("libcuda.so.1")
        self.modules = []
        for file in sorted(folder.glob("*.cubin")):
            if file.stem in ("norm", "embed", "epilogue", "attention", "recurrent"):
                module = ctypes.c_void_p()
                self.call("cuModuleLoad", ctypes.byref(module), str(file).encode())
                self.modules.append(module)
        self.functions = {}
        self.shared = {}  # dynamic shared memory allowed so far, by function

    def call(self, name, *args):
        status = getattr(self.driver, name)(*args)
        if status != 0:
            raise RuntimeError(f"{name}: CUDA error {status}")

    def function(self, name):
        if name not in self.functions:
            function = ctypes.c_void_p()
            found = any(self.driver.cuModuleGetFunction(ctypes.byref(function), module, name.encode()) == 0
                        for module in self.modules)
            if not found:
                raise RuntimeError(f"no kernel {name}")
            self.functions[name] = function
        return self.functions[name]

    def launch(self, name, grid, block, args, shared=0, dependent=False):
        function = self.function(name)
        if shared > max(48 * 1024, self.shared.get(name, 0)):
            self.shared[name] = shared
            self.call("cuFuncSetAttribute", function, MAX_DYNAMIC_SHARED, shared)
        values = [argument(a) for a in args]
        pointers = (ctypes.c_void_p * len(values))(*[ctypes.addressof(v) for v in values])
        attribute = Attribute(id=PROGRAMMATIC_SERIALIZATION, value=1)
        grid = tuple(grid) + (1,) * (3 - len(grid))
        config = Config(grid=grid, block=(block, 1, 1), shared=shared, stream=torch.cuda.current_stream().cuda_stream,
                        attributes=ctypes.pointer(attribute), count=1 if dependent else 0)
        self.call("cuLaunchKernelEx", ctypes.byref(config), function, pointers, None)


def argument(value):
    """As C has it: an int is an int, a float a float, a tensor or None a pointer; ctypes values stay."""
    if value is None:
        return ctypes.c_void_p(0)
    if isinstance(value, (bool, int)):
        return ctypes.c_int(int(value))
    if isinstance(value, float):
        return ctypes.c_float(value)
    if isinstance(value, torch.Tensor):
        return ctypes.c_void_p(value.data_ptr())
    return value


def on_device(array, kind="f32"):
    return torch.from_numpy(np.ascontiguousarray(array)).to(device="cuda", dtype=TYPES[kind])


def ints_on_device(array, dtype):
    return torch.from_numpy(np.asarray(array, dtype=dtype)).to(device="cuda")


def normal(*shape, kind="f32"):
    """Numbers on the device, and the same, as rounded there, in f64."""
    tensor = on_device(random.standard_normal(shape).astype(np.float32), kind)
    return tensor, exact(tensor)


def blank(*shape, kind="f32"):
    return on_device(np.full(shape, 7.0, np.float32), kind)


def exact(tensor):
    return tensor.double().cpu().numpy()


def pointer(tensor):
    return 0 if tensor is None else tensor.data_ptr()


def ceil_div(a, b):
    return (a + b - 1) // b


class Report:
    def __init__(self):
        self.checks = self.failures = 0
        self.worst = {}

    def check(self, name, pairs, tolerance):
        """`pairs` of what came out and what should have, each a tensor and an array."""
        self.checks += 1
        error = 0.0
        for got, expected in pairs:
            got = exact(got).reshape(-1)
            expected = np.broadcast_to(expected, np.shape(expected)).reshape(-1)
            with np.errstate(invalid="ignore"):
                errors = np.abs(got - expected) / (1 + np.abs(expected))
            errors[(got == expected) | (np.isnan(got) & np.isnan(expected))] = 0
            errors[np.isnan(errors)] = math.inf
            error = max(error, float(errors.max(initial=0)))
        group = name.split()[0]
        self.worst[group] = max(self.worst.get(group, 0), error / tolerance)
        if not error <= tolerance:
            self.failures += 1
            print(f"FAILED {name}: error {error:.3g}, allowed {tolerance:.3g}", flush=True)

    def attempt(self, name, test, *args, **options):
        """A test that cannot even run is a failure too."""
        try:
            test(*args, **options)
        except Exception as error:
            self.checks += 1
            self.failures += 1
            print(f"FAILED {name}: {type(error).__name__}: {error}", flush=True)


# --- Rows -------------------------------------------------------------------------------------------------------------

def row_grid(rows, width):
    return (ceil_div(rows, 4),) if width % 8 == 0 and width <= 1024 else (rows,)


def normalised(x, scale, shift, epsilon, mean_square):
    if not mean_square:
        x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * scale
    return x if shift is None else x + shift


def check_norm(kernels, report, kind, width, rows, other_rows, has_bias, has_shift, mean_square):
    name = f"norm_{kind} {rows}x{width} other {other_rows} bias {has_bias} shift {has_shift} rms {mean_square}"
    x, x_ = normal(rows, width, kind=kind)
    other, other_ = normal(other_rows, width, kind=kind) if other_rows else (None, None)
    bias, bias_ = normal(width, kind=kind) if has_bias else (None, 0)
    scale, scale_ = normal(width, kind=kind)
    shift, shift_ = normal(width, kind=kind) if has_shift else (None, None)
    out = blank(rows, width, kind=kind)
    args = (x, other, bias, scale, shift, out, rows, width, other_rows, 1e-5, mean_square)
    kernels.launch(f"norm_{kind}", row_grid(rows, width), 128, args)
    total = x_ + bias_ + (other_[np.arange(rows) % other_rows] if other_rows else 0)
    expected = normalised(total, scale_, shift_, 1e-5, mean_square)
    report.check(name, [(out, expected)], 3 * ROUNDING[kind])


def check_norm_in_place(kernels, report, kind, width):
    x, x_ = normal(9, width, kind=kind)
    bias, bias_ = normal(width, kind=kind)
    scale, scale_ = normal(width, kind=kind)
    args = (x, None, bias, scale, None, x, 9, width, 0, 1e-5, 0)
    kernels.launch(f"norm_{kind}", row_grid(9, width), 128, args)
    report.check(f"norm_{kind} in place {width}", [(x, normalised(x_ + bias_, scale_, None, 1e-5, 0))],
                 3 * ROUNDING[kind])


def check_embed(kernels, report, kind, width, tables, scaled):
    rows, vocabulary, positions = 10, 6, 5
    words, words_ = normal(vocabulary, width, kind=kind)
    places, places_ = normal(positions, width, kind=kind)
    segments, segments_ = normal(2, width, kind=kind)
    ids = [0, 5, -1, 2, 99, -99, 3, -6, 5, 1]
    meant = [0, 5, 5, 2, 5, 0, 3, 0, 5, 1]
    segment_ids = [1, 0, 0, 1, 1]
    ids_device, segments_device = ints_on_device(ids, np.int64), ints_on_device(segment_ids, np.int64)
    scale, scale_ = normal(width, kind=kind)
    shift, shift_ = normal(width, kind=kind)
    out = blank(rows, width, kind=kind)
    embed = Embed(table=(pointer(words), pointer(places), pointer(segments)),
                  index=(pointer(ids_device), None, pointer(segments_device)),
                  index_rows=(rows, positions, 5), vocabulary=(vocabulary, 0, 2), tables=tables)
    args = (scale if scaled else None, shift if scaled else None, out, rows, width, 1e-5, embed)
    kernels.launch(f"embed_norm_{kind}", row_grid(rows, width), 128, args)
    total = words_[meant]
    if tables > 1:
        total = total + places_[np.arange(rows) % positions]
    if tables > 2:
        total = total + segments_[np.asarray(segment_ids)[np.arange(rows) % 5]]
    expected = normalised(total, scale_, shift_, 1e-5, 0) if scaled else total
    report.check(f"embed_norm_{kind} width {width} tables {tables} scaled {scaled}", [(out, expected)],
                 3 * ROUNDING[kind])


# --- Epilogue ---------------------------------------------------------------------------------------------------------

def applied(function, x, p, q):
    if function == FN_TANH:
        return np.tanh(x)
    if function == FN_GELU:
        return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
    if function == FN_GELU_TANH:
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    if function == FN_SILU:
        return x / (1 + np.exp(-p * x))
    if function == FN_CLIP:
        return np.clip(x, p, q)
    return x


def check_bias_act(kernels, report, kind, n, function, has_bias, has_other, in_place):
    rows, p, q = 5, (0.7 if function == FN_SILU else -0.5), 1.25
    x, x_ = normal(rows, n, kind=kind)
    bias, bias_ = normal(n, kind=kind) if has_bias else (None, 0)
    other, other_ = normal(rows, n, kind=kind) if has_other else (None, 0)
    out = x if in_place else blank(rows, n, kind=kind)
    kernels.launch(f"bias_act_{kind}", (3,), 256, (x, bias, other, out, rows, n, function, p, q))
    expected = applied(function, x_ + bias_ + other_, p, q)
    report.check(f"bias_act_{kind} n {n} function {function} bias {has_bias} other {has_other} in place {in_place}",
                 [(out, expected)], 2 * ROUNDING[kind])


def check_chain(kernels, report):
    """Dependent launches must wait for each other: a number grows by one in each of 200."""
    x, ones = on_device(np.zeros((64, 1024))), on_device(np.ones(1024))
    torch.cuda.synchronize()
    with torch.cuda.stream(torch.cuda.Stream()):
        for _ in range(200):
            args = (x, ones, None, x, 64, 1024, FN_IDENTITY, 0.0, 0.0)
            kernels.launch("bias_act_f32", (64,), 256, args, dependent=True)
    torch.cuda.synchronize()
    report.check("dependent launches", [(x, np.full((64, 1024), 200.0))], 1e-9)


# --- Small products ---------------------------------------------------------------------------------------------------

# --- Attention --------------------------------------------------------------------------------------------------------

def attention_expected(q, k, v, scale, mask=None, replace=False, causal=None, lengths=None, zeros=False):
    """q [B, H, Q, D], k and v [B, G, K, D]."""
    group = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, group, 1), np.repeat(v, group, 1)
    scores = q @ k.swapaxes(-1, -2) * scale
    if mask is not None:
        scores = np.where(mask != 0, mask, scores) if replace else scores + mask
    query, key = np.arange(q.shape[2])[:, None], np.arange(k.shape[2])[None, :]
    if causal is not None:
        scores = np.where(key > query + causal, -math.inf, scores)
    if lengths is not None:
        scores = np.where(key >= np.asarray(lengths)[:, None, None, None], -math.inf, scores)
    with np.errstate(invalid="ignore"):
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights = weights / weights.sum(-1, keepdims=True)
    return (np.nan_to_num(weights) if zeros else weights) @ v


def attention_struct(packed, out, heads, key_heads, size, queries, keys):
    """Of a packed [B, keys, row] tensor, row by row the queries of all heads, the keys and the values."""
    start, step = packed.data_ptr(), packed.element_size()
    k, v = heads * size, (heads + key_heads) * size
    row = v + key_heads * size
    a = Attention(q=start, k=start + k * step, v=start + v * step, out=out.data_ptr(), queries=queries, keys=keys,
                  group=heads // key_heads, scale=1 / math.sqrt(size), causal=INT_MIN)
    for name in ("q", "k", "v"):
        setattr(a, f"{name}_batch", keys * row)
        setattr(a, f"{name}_head", size)
        setattr(a, f"{name}_row", row)
    a.out_batch, a.out_head, a.out_row = queries * heads * size, size, heads * size
    return a


def attention_launch(kernels, kind, size, wide, a, heads, batch, dependent=False):
    rows, threads = (32, 128) if kind == "f32" else ((128, 256) if wide else (64, 128))
    name = f"attention_{'wide_' if wide else ''}{kind}_{size}"
    kernels.launch(name, (ceil_div(a.queries, rows), heads, batch), threads, (a,), dependent=dependent)


def check_attention(kernels, report, kind, size, wide, name, queries, keys, key_heads=4, mask=None, replace=False,
                    causal=None, lengths=None, zeros=False):
    batch, heads = 2, 4
    # Of the packed tensor's `keys` query rows the first `queries` are used.
    packed, packed_ = normal(batch, keys, (heads + 2 * key_heads) * size, kind=kind)
    out = blank(batch, queries, heads, size, kind=kind)
    a = attention_struct(packed, out, heads, key_heads, size, queries, keys)
    a.replace, a.zeros = int(replace), int(zeros)
    mask_ = None
    if mask is not None:
        mask_device = on_device(mask.astype(np.float32), kind)
        mask_ = exact(mask_device)
        steps = [0] * 4
        for axis in range(4):
            if mask.shape[axis] > 1:
                steps[axis] = int(np.prod(mask.shape[axis + 1:]))
        a.mask = mask_device.data_ptr()
        a.mask_batch, a.mask_head, a.mask_query, a.mask_key = steps
    if causal is not None:
        a.causal = causal
    if lengths is not None:
        lengths_device = ints_on_device(lengths, np.int32)
        a.lengths = lengths_device.data_ptr()
    attention_launch(kernels, kind, size, wide, a, heads, batch)

    def heads_of(first, count, rows):
        part = packed_[:, :rows, first * size:(first + count) * size]
        return part.reshape(batch, rows, count, size).swapaxes(1, 2)

    expected = attention_expected(heads_of(0, heads, queries), heads_of(heads, key_heads, keys),
                                  heads_of(heads + key_heads, key_heads, keys), 1 / math.sqrt(size), mask_, replace,
                                  causal, lengths, zeros).swapaxes(1, 2)
    where = f"attention_{kind} size {size} wide {wide} {name} {queries}x{keys}"
    report.check(where, [(out, expected)], {"f32": 5e-6, "f16": 2e-3, "bf16": 1.6e-2}[kind])


def attention_cases(kind):
    """Name, queries, keys and options of each."""
    hidden = {"f32": -3.4e38, "f16": -65504.0, "bf16": -3.3e38}[kind]
    for length in (1, 17, 100, 128, 200):
        yield "plain", length, length, {}
        yield "lengths", length, length, {"lengths": (max(1, length // 2), length)}
        yield "causal", length, length, {"causal": 0}
    for length in (17, 100, 200):
        chosen = random.random((2, 1, 1, length)) < 0.4
        chosen[..., 0] = False
        yield "mask of keys", length, length, {"mask": np.where(chosen, hidden, 0.0)}
        yield "mask of keys, infinite", length, length, {"mask": np.where(chosen, -math.inf, 0.0)}
        late = np.where(np.arange(length) < length - 3, -math.inf, 0.0).reshape(1, 1, 1, length)
        yield "mask that hides whole tiles", length, length, {"mask": late}
        yield "mask of keys, replacing", length, length, {"mask": np.where(chosen, hidden, 0.0), "replace": True}
        for shape in ((1, 1, length, length), (2, 1, length, length), (1, 4, length, length), (2, 4, length, length),
                      (1, 4, 1, length), (2, 1, length, 1)):
            yield f"mask {shape}", length, length, {"mask": random.standard_normal(shape)}
    yield "causal, later queries", 33, 100, {"causal": 67}
    yield "causal, nothing seen", 40, 40, {"causal": -5, "zeros": True}
    yield "nothing seen, not zeros", 20, 20, {"causal": -5}
    yield "no keys at all", 70, 70, {"lengths": (0, 70), "zeros": True}
    yield "group of 2", 100, 100, {"key_heads": 2}
    yield "group of 4, causal, lengths", 130, 130, {"key_heads": 1, "causal": 0, "lengths": (7, 129)}


# --- Recurrent --------------------------------------------------------------------------------------------------------

def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_step(gates, c):
    i, o, f, g = np.split(gates, 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_step(x, r, h, candidate_bias):
    (xz, xr, xn), (rz, rr, rn) = np.split(x, 3, -1), np.split(r, 3, -1)
    z = sigmoid(xz + rz)
    n = np.tanh(xn + sigmoid(xr + rr) * (rn + candidate_bias))
    return (1 - z) * n + z * h


def lstm_shared(size, rows):
    spare = 0 if size < 128 else (65536 if rows <= 2 else 131072)
    return spare + 4 * rows * (size + 16 * (size + 8))


def gru_shared(size, rows):
    return 12 * size * rows


def check_sequence(kernels, report, gru, size, rows, batch, backwards, initial, steps=11):
    """x lies as [steps, batch, gates], the results as [batch, steps, size]."""
    gates = 3 if gru else 4
    x, x_ = normal(steps, batch, gates * size)
    w, w_ = normal(gates * size, size)
    w *= 1 / math.sqrt(size)
    w_ = exact(w)
    h0, h = normal(batch, size)
    c0, c = normal(batch, size)
    bias, bias_ = normal(size)
    if not initial:
        h0, c0, bias, h, c, bias_ = None, None, None, np.zeros((batch, size)), np.zeros((batch, size)), 0
    every, h_last, c_last = blank(batch, steps, size), blank(batch, size), blank(batch, size)
    strides = (I64(gates * size), I64(batch * gates * size), I64(steps * size), I64(size))
    expected = np.zeros((batch, steps, size))
    for t in reversed(range(steps)) if backwards else range(steps):
        if gru:
            h = gru_step(x_[t], h @ w_.T, h, bias_)
        else:
            h, c = lstm_step(x_[t] + h @ w_.T, c)
        expected[:, t] = h
    grid, tail = (ceil_div(batch, rows),), (batch, steps, *strides, int(backwards), rows)
    if gru:
        args = (x, w, bias, h0, every, h_last, *tail)
        kernels.launch(f"gru_sequence_{size}", grid, 3 * size, args, shared=gru_shared(size, rows))
        pairs = [(every, expected), (h_last, h)]
    else:
        args = (x, w, h0, c0, every, h_last, c_last, *tail)
        kernels.launch(f"lstm_sequence_{size}", grid, 4 * size, args, shared=lstm_shared(size, rows))
        pairs = [(every, expected), (h_last, h), (c_last, c)]
    name = f"{'gru' if gru else 'lstm'}_sequence size {size} rows {rows} batch {batch} backwards {backwards}"
    report.check(f"{name} initial {initial}", pairs, 5e-6)


def check_last_only(kernels, report):
    """Null outputs are left out, and no steps give the initial state."""
    h0, h = normal(2, 32)
    h_last = blank(2, 32)
    x, w = normal(2, 128)[0], normal(128, 32)[0]
    strides = (I64(128), I64(128), I64(32), I64(32))
    args = (x, w, h0, None, None, h_last, None, 2, 0, *strides, 0, 1)
    kernels.launch("lstm_sequence_32", (2,), 128, args, shared=lstm_shared(32, 1))
    report.check("lstm_sequence without steps", [(h_last, h)], 1e-7)
    h_last = blank(2, 32)
    args = (x, w, None, h0, None, h_last, 2, 0, *strides, 0, 2)
    kernels.launch("gru_sequence_32", (1,), 96, args, shared=gru_shared(32, 2))
    report.check("gru_sequence without steps", [(h_last, h)], 1e-7)


def check_cells(kernels, report, batch, hidden, first):
    for gru in (False, True):
        gates = 3 if gru else 4
        x, x_ = normal(batch, gates * hidden + 5)
        r, r_ = normal(batch, gates * hidden)
        state, state_ = normal(batch, hidden)
        bias, bias_ = normal(hidden)
        if first:
            r, r_, state, state_, bias, bias_ = None, np.zeros_like(r_), None, np.zeros_like(state_), None, 0
        c_out, h_out, y = blank(batch, hidden), blank(batch, hidden), blank(batch, hidden + 3)
        x_ = x_[:, :gates * hidden]
        tail = (batch, hidden, I64(gates * hidden + 5), I64(hidden + 3))
        grid = (ceil_div(batch * hidden, 256),)
        if gru:
            kernels.launch("gru_cell_f32", grid, 256, (x, r, bias, state, h_out, y, *tail))
            h = gru_step(x_, r_, state_, bias_)
            pairs = [(h_out, h)]
        else:
            kernels.launch("lstm_cell_f32", grid, 256, (x, r, state, c_out, h_out, y, *tail))
            h, c = lstm_step(x_ + r_, state_)
            pairs = [(h_out, h), (c_out, c)]
        padded = np.full((batch, hidden + 3), 7.0)
        padded[:, :hidden] = h
        name = f"{'gru' if gru else 'lstm'}_cell {batch}x{hidden} first {first}"
        report.check(name, pairs + [(y, padded)], 2e-6)


# --- Times ------------------------------------------------------------------------------------------------------------

def microseconds(work, count=50):
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


def show_times(name, work, count=50):
    plain = microseconds(lambda: work(False), count)
    dependent = microseconds(lambda: work(True), count)
    print(f"time {name}: {plain:.2f} us, dependent launches {dependent:.2f} us", flush=True)


def time_attention(kernels, name, heads, size, batch, wide, masked):
    width, length = heads * size, 128
    packed, out = blank(batch, length, 3 * width, kind="f16"), blank(batch, length, width, kind="f16")
    a = attention_struct(packed, out, heads, heads, size, length, length)
    mask = on_device(np.zeros((batch, length)), "f16")
    if masked:
        a.mask, a.mask_batch, a.mask_key = mask.data_ptr(), length, 1
    label = f"attention{'_wide' if wide else ''} {name} b{batch} s{length} f16{' mask of keys' if masked else ''}"
    show_times(label, lambda d: attention_launch(kernels, "f16", size, wide, a, heads, batch, d))


def time_attention_f32(kernels, heads, size, batch):
    width, length = heads * size, 128
    packed, out = blank(batch, length, 3 * width), blank(batch, length, width)
    a = attention_struct(packed, out, heads, heads, size, length, length)
    show_times(f"attention {heads}x{size} b{batch} s{length} f32",
               lambda d: attention_launch(kernels, "f32", size, False, a, heads, batch, d))


def time_norm(kernels, rows, width):
    x, other, out = (blank(rows, width, kind="f16") for _ in range(3))
    bias, scale, shift = (blank(width, kind="f16") for _ in range(3))
    args = (x, other, bias, scale, shift, out, rows, width, rows, 1e-5, 0)
    show_times(f"norm {rows}x{width} f16",
               lambda d: kernels.launch("norm_f16", row_grid(rows, width), 128, args, dependent=d))


def time_bias_act(kernels, rows, n):
    x, out, bias = blank(rows, n, kind="f16"), blank(rows, n, kind="f16"), blank(n, kind="f16")
    args = (x, bias, None, out, rows, n, FN_GELU, 0.0, 0.0)
    vectors = rows * n // 8
    for blocks in sorted({min(ceil_div(vectors, 256), most) for most in (132 * 8, 132 * 32, 2**20)}):
        show_times(f"bias_act gelu {rows}x{n} f16, {blocks} blocks",
                   lambda d: kernels.launch("bias_act_f16", (blocks,), 256, args, dependent=d))


def time_lstm(kernels, batch, rows, steps=60, size=128):
    x, w, out = normal(batch, steps, 4 * size)[0], normal(4 * size, size)[0], blank(batch, steps, size)
    strides = (I64(steps * 4 * size), I64(4 * size), I64(steps * size), I64(size))
    args = (x, w, None, None, out, None, None, batch, steps, *strides, 0, rows)
    show_times(f"lstm_sequence_{size} b{batch} {steps} steps, {rows} rows a block",
               lambda d: kernels.launch(f"lstm_sequence_{size}", (ceil_div(batch, rows),), 4 * size, args,
                                        shared=lstm_shared(size, rows), dependent=d), count=10)


def time_all(kernels):
    for name, heads, size in (("MiniLM", 12, 32), ("BERT", 12, 64)):
        for batch in (1, 32, 128):
            for wide in (False, True):
                time_attention(kernels, name, heads, size, batch, wide, masked=False)
        time_attention(kernels, name, heads, size, 1, False, masked=True)
    time_attention_f32(kernels, 12, 32, 1)
    time_attention_f32(kernels, 12, 64, 32)
    time_norm(kernels, 16384, 768)
    time_norm(kernels, 128, 384)
    time_bias_act(kernels, 16384, 3072)
    time_bias_act(kernels, 128, 1536)
    for batch, rows in ((1, 1), (32, 1), (256, 1), (256, 2), (256, 4)):
        time_lstm(kernels, batch, rows)


# --- All --------------------------------------------------------------------------------------------------------------

def check_all(kernels, report):
    for kind in TYPES:
        for width in (7, 64, 384, 768, 1000, 1024, 1032, 3072, 4104):
            for options in ((0, True, True, 0), (5, True, True, 0), (5, False, False, 1), (2, False, True, 0)):
                report.attempt("norm", check_norm, kernels, report, kind, width, 5, *options)
        for width in (384, 3072, 4104):
            report.attempt("norm", check_norm_in_place, kernels, report, kind, width)
        for width in (7, 384, 768, 3072):
            for tables, scaled in ((1, True), (2, True), (3, True), (3, False)):
                report.attempt("embed_norm", check_embed, kernels, report, kind, width, tables, scaled)
        for n in (7, 12, 384, 1000):
            for function in (FN_IDENTITY, FN_TANH, FN_GELU, FN_GELU_TANH, FN_SILU, FN_CLIP):
                for bias, other, in_place in ((True, True, False), (False, True, True), (True, False, True)):
                    report.attempt("bias_act", check_bias_act, kernels, report, kind, n, function, bias, other,
                                   in_place)
        for size in (32, 64, 96, 128):
            for wide in (False, True) if kind != "f32" and size <= 64 else (False,):
                for name, queries, keys, options in attention_cases(kind):
                    report.attempt("attention", check_attention, kernels, report, kind, size, wide, name, queries, keys,
                                   **options)
    report.attempt("dependent launches", check_chain, kernels, report)
    for gru in (False, True):
        for size in (32, 64, 128):
            for rows in (1, 2, 4):
                for batch in (1, 3, 33):
                    for backwards, initial in ((False, True), (True, True), (False, False)):
                        report.attempt("sequence", check_sequence, kernels, report, gru, size, rows, batch, backwards,
                                       initial)
    report.attempt("sequence", check_last_only, kernels, report)
    for batch, hidden in ((1, 7), (5, 100), (3, 1024)):
        for first in (False, True):
            report.attempt("cell", check_cells, kernels, report, batch, hidden, first)
    torch.cuda.synchronize()


def main():
    torch.zeros(1, device="cuda")  # makes the context that the driver calls below work in
    kernels, report = Kernels(pathlib.Path(sys.argv[1])), Report()
    report.attempt("checks", check_all, kernels, report)
    for group, share in sorted(report.worst.items()):
        print(f"worst of {group}: {share:.2f} of what is allowed")
    if "--checks-only" not in sys.argv:
        report.attempt("times", time_all, kernels)
    print(f"check_hot: {report.checks} checks, {report.failures} failed", flush=True)
    sys.exit(1 if report.failures else 0)


if __name__ == "__main__":
    main()
