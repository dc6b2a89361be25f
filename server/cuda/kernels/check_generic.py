"""Checks the generic kernels (pointwise, move, gather, reduce, softmax, pool) against numpy on a GPU.

Usage: check_generic.py FOLDER, the folder of the compiled pointwise.cubin, move.cubin and so on. Needs numpy and the
CUDA driver. Every kernel runs for every type on shapes that reach each of its paths: tails, misaligned addresses,
broadcast and reversed walks, nothing at all. Arrays lie between guard bytes, which must stay, as must the inputs.
Every failure is printed (kernel, case, largest error) and the next case follows; the last line is a summary, and
the exit status is 1 if anything failed.
"""

import ctypes
import itertools
import math
import os
import sys

import numpy as np

# Bytes around arrays: huge numbers or NaN, so that one read by mistake shows in the result.
GUARD = b"\x7f" * 256
GRID, BLOCK = (3, 1, 1), (256, 1, 1)
INT_MIN = -(2**31)
MODULES = ("pointwise", "move", "gather", "reduce", "softmax", "pool")
FLOATS = ("f32", "f16", "bf16")
NUMBERS = FLOATS + ("i64", "i32")
SIZES = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
# bf16 is kept as its bits.
STORAGE = {"f32": np.float32, "f16": np.float16, "bf16": np.uint16, "i64": np.int64, "i32": np.int32, "u8": np.uint8}
MOST = {"f32": 3.4028234663852886e38, "f16": 65504.0, "bf16": 3.3895313892515355e38}
# Relative error allowed: a little over one rounding for the small types.
ROUNDING = {"f32": 4e-6, "f16": 1.1e-3, "bf16": 9e-3}

random = np.random.default_rng(7)


class Gpu:
    """The CUDA driver: modules, one stretch of memory, launches."""

    MEMORY = 32 << 20

    def __init__(self, folder):
        self.cuda = ctypes.CDLL("libcuda.so.1")
        self.call("cuInit", ctypes.c_uint(0))
        device, context, self.memory = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
        self.call("cuDeviceGet", ctypes.byref(device), ctypes.c_int(0))
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self.call("cuCtxSetCurrent", context)
        self.call("cuMemAlloc_v2", ctypes.byref(self.memory), ctypes.c_size_t(self.MEMORY))
        self.modules = []
        for name in MODULES:
            module = ctypes.c_void_p()
            self.call("cuModuleLoad", ctypes.byref(module), os.path.join(folder, name + ".cubin").encode())
            self.modules.append(module)
        self.functions = {}

    def call(self, name, *arguments):
        status = getattr(self.cuda, name)(*arguments)
        if status:
            raise RuntimeError(f"{name} failed with status {status}")

    def function(self, name):
        if name not in self.functions:
            function = ctypes.c_void_p()
            if all(self.cuda.cuModuleGetFunction(ctypes.byref(function), m, name.encode()) for m in self.modules):
                raise RuntimeError("there is no such kernel")
            self.functions[name] = function
        return self.functions[name]

    def launch(self, name, image, arguments, grid, block):
        """Runs the kernel with `image` in memory, which then is what the kernel made of it."""
        data = (ctypes.c_char * len(image)).from_buffer(image)
        size = ctypes.c_size_t(len(image))
        values = [ctypes.create_string_buffer(a, len(a)) for a in arguments]
        pointers = (ctypes.c_void_p * len(values))(*[ctypes.addressof(v) for v in values])
        self.call("cuMemcpyHtoD_v2", self.memory, data, size)
        sizes = [ctypes.c_uint(v) for v in (*grid, *block, 0)]
        self.call("cuLaunchKernel", self.function(name), *sizes, None, pointers, None)
        self.call("cuCtxSynchronize")
        self.call("cuMemcpyDtoH_v2", data, self.memory, size)


class At:
    """An array as an argument: `skew` elements off alignment in memory, the pointer `start` elements into it."""

    def __init__(self, array, skew=0, start=0):
        self.array, self.skew, self.start = np.ascontiguousarray(array), skew, start


class Checks:
    def __init__(self, gpu):
        self.gpu, self.runs, self.failures, self.kernels = gpu, 0, 0, set()

    def fail(self, kernel, case, why):
        self.failures += 1
        print(f"FAILED {kernel} [{case}]: {why}", flush=True)

    def __call__(self, kernel, case, arguments, want, kind, loose=1.0, slack=1e-6, grid=GRID, block=BLOCK):
        """Runs the kernel; its output is the one argument of the type Out. `want` has numbers (float64 or integers)
        of that output, `kind` is its element type, or None for bits; errors may be `loose` times the rounding, plus
        `slack`."""
        self.runs += 1
        self.kernels.add(kernel)
        try:
            out = self.run(kernel, arguments, grid, block)
            why = difference(out, np.asarray(want), kind, loose, slack)
        except (RuntimeError, ValueError) as error:
            why = str(error)
        if why:
            self.fail(kernel, case, why)

    def run(self, kernel, arguments, grid, block):
        image, packed, places = bytearray(), [], []
        for argument in arguments:
            if not isinstance(argument, At):
                packed.append(argument.tobytes())
                continue
            array = argument.array
            place = -(-(len(image) + len(GUARD)) // 256) * 256 + argument.skew * array.itemsize
            image.extend(GUARD[:1] * (place - len(image)))
            image.extend(array.tobytes())
            image.extend(GUARD)
            address = self.gpu.memory.value + place + argument.start * array.itemsize
            packed.append(np.uint64(address).tobytes())
            places.append((argument, place, array.nbytes))
        before = bytes(image)
        self.gpu.launch(kernel, image, packed, grid, block)
        out, rest = None, 0
        for argument, place, size in places:
            if isinstance(argument, Out):
                out = np.frombuffer(bytes(image[place : place + size]), argument.array.dtype)
                if image[rest:place] != before[rest:place]:
                    raise ValueError("wrote before its output")
                rest = place + size
        if image[rest:] != before[rest:]:
            raise ValueError("wrote after its output")
        return out


class Out(At):
    """The output: filled with a pattern before the kernel runs."""

    def __init__(self, count, dtype, skew=0, start=0):
        super().__init__(np.frombuffer(b"\x5a" * (count * np.dtype(dtype).itemsize), dtype), skew, start)


def difference(got, want, kind, loose, slack):
    """Says how `got`, in storage of the type `kind`, differs from the numbers `want`; None if it does not."""
    want = want.reshape(-1)
    if got.size != want.size:
        return f"has {got.size} elements rather than {want.size}: the check is wrong"
    if kind not in FLOATS:
        wrong = np.flatnonzero(got != want.astype(got.dtype))
        if wrong.size:
            i = wrong[0]
            return f"{wrong.size} of {got.size} differ, first at {i}: {got[i]} for {want[i]}"
        return None
    got = decode(got, kind)
    want = decode(encode(want, kind), kind)
    with np.errstate(invalid="ignore"):
        error = np.abs(got - want)
        same = (got == want) | (np.isnan(got) & np.isnan(want))
        wrong = ~same & ~(error <= loose * ROUNDING[kind] * np.abs(want) + slack)
    if wrong.any():
        i = np.flatnonzero(wrong)[0]
        most = np.nanmax(np.where(wrong, error, 0))
        return f"{wrong.sum()} of {got.size} differ, largest error {most:.3g}, first at {i}: {got[i]} for {want[i]}"
    return None


def encode(values, kind):
    """Numbers in storage of a type. Finite ones stay finite, as in the kernels."""
    values = np.asarray(values)
    if kind not in FLOATS:
        return values.astype(STORAGE[kind])
    values = values.astype(np.float64)
    values = np.where(np.isfinite(values), np.clip(values, -MOST[kind], MOST[kind]), values)
    if kind != "bf16":
        return values.astype(STORAGE[kind])
    bits = values.astype(np.float32).view(np.uint32).astype(np.uint64)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return np.where(np.isnan(values), np.uint16(0x7FC0), rounded).astype(np.uint16)


def decode(stored, kind):
    if kind == "bf16":
        return (stored.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return stored.astype(np.float64) if kind in FLOATS else stored


def numbers(kind, *shape):
    """Numbers a type can hold, small enough for any sum of them."""
    if kind in FLOATS:
        return decode(encode(random.standard_normal(shape), kind), kind)
    if kind == "u8":
        return random.integers(0, 2, shape)
    return random.integers(-9, 10, shape)


def i32(*values):
    return [np.int32(v) for v in values]


class Walk:
    """A walk over `dims` with the strides of its operands; `sizes` are the elements each operand needs and `starts`
    where its first one is."""

    def __init__(self, name, dims, *strides, skew=(0, 0, 0, 0)):
        self.name, self.dims, self.strides, self.skew = name, dims, strides, skew
        self.count = math.prod(dims)
        places = np.indices(dims).reshape(len(dims), -1) if dims else np.zeros((0, 1), np.int64)
        self.offsets, self.sizes, self.starts = [], [], []
        for stride in strides:
            offsets = (np.array(stride, np.int64).reshape(-1, 1) * places).sum(axis=0)
            start = -min(offsets.min(initial=0), 0)
            self.offsets.append(offsets + start)
            self.starts.append(start)
            self.sizes.append(int(offsets.max(initial=0) + start) + 1)

    def struct(self):
        def six(values):
            return list(values) + [0] * (6 - len(values))

        fields = [len(self.dims), *six(self.dims)]
        for stride in self.strides:
            fields += six(stride)
        return np.array(fields, np.int32)


def walks2():
    yield Walk("scalar", (), (), ())
    yield Walk("empty", (0,), (1,), (1,))
    for n in (1, 15, 1027, 40003):
        yield Walk(f"dense {n}", (n,), (1,), (1,))
    for skew in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)):
        yield Walk(f"dense skewed {skew}", (1027,), (1,), (1,), skew=skew)
    yield Walk("number right", (1027,), (1,), (0,))
    yield Walk("number left", (1027,), (0,), (1,))
    yield Walk("two numbers", (1027,), (0,), (0,))
    yield Walk("bias", (37, 48), (48, 1), (0, 1))
    yield Walk("bias skewed", (37, 48), (48, 1), (0, 1), skew=(0, 1, 0))
    yield Walk("bias odd", (37, 47), (47, 1), (0, 1))
    yield Walk("column", (37, 48), (48, 1), (1, 0))
    yield Walk("column left", (37, 48), (3, 0), (48, 1))
    yield Walk("transposed", (48, 32), (1, 48), (32, 1))
    yield Walk("odd rows", (9, 48), (51, 1), (48, 1))
    yield Walk("wide rows", (9, 48), (64, 1), (96, 1))
    yield Walk("channels", (3, 16, 80), (1280, 80, 1), (0, 1, 0))
    yield Walk("reversed", (1027,), (-1,), (1,))
    yield Walk("rank 6", (2, 3, 2, 5, 3, 16), (1440, 480, 240, 48, 16, 1), (16, 0, 0, 32, 0, 1))
    yield Walk("rank 6 odd", (2, 3, 2, 5, 3, 7), (1, 2, 6, 12, 60, 180), (0, 1, 0, 3, 0, 15))


def operands(walk, kinds):
    return [encode(numbers(kind, size), kind) for kind, size in zip(kinds, walk.sizes)]


UNARY = [
    lambda x, p, q: x,
    lambda x, p, q: np.exp(x),
    lambda x, p, q: np.tanh(x),
    lambda x, p, q: erf(x),
    lambda x, p, q: 1 / (1 + np.exp(-x)),
    lambda x, p, q: np.log1p(np.exp(x)),
    lambda x, p, q: x / (1 + np.abs(x)),
    lambda x, p, q: 0.5 * x * (1 + erf(x / math.sqrt(2))),
    lambda x, p, q: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    lambda x, p, q: x / (1 + np.exp(-p * x)),
    lambda x, p, q: x * np.tanh(np.log1p(np.exp(x))),
    lambda x, p, q: x * np.clip(x / 6 + 0.5, 0, 1),
    lambda x, p, q: np.clip(p * x + q, 0, 1),
    lambda x, p, q: np.where(x >= 0, x, p * x),
    lambda x, p, q: np.where(x >= 0, x, p * np.expm1(x)),
    lambda x, p, q: np.clip(x, p, q),
    lambda x, p, q: np.sqrt(x),
    lambda x, p, q: 1 / x,
    lambda x, p, q: -x,
    lambda x, p, q: np.abs(x),
    lambda x, p, q: np.log(x),
    lambda x, p, q: np.floor(x),
    lambda x, p, q: np.ceil(x),
    lambda x, p, q: np.rint(x),
    lambda x, p, q: np.sign(x),
    lambda x, p, q: np.sin(x),
    lambda x, p, q: np.cos(x),
    lambda x, p, q: np.tan(x),
    lambda x, p, q: np.arcsin(x),
    lambda x, p, q: np.arccos(x),
    lambda x, p, q: np.arctan(x),
    lambda x, p, q: np.sinh(x),
    lambda x, p, q: np.cosh(x),
    lambda x, p, q: np.arcsinh(x),
    lambda x, p, q: np.arccosh(x),
    lambda x, p, q: np.arctanh(x),
    lambda x, p, q: np.where(x > 0, q * x, q * p * np.expm1(x)),
    lambda x, p, q: np.maximum(x, 0) + np.minimum(p * np.expm1(x / p), 0),
    lambda x, p, q: np.where(x > p, x, 0),
    lambda x, p, q: np.where(x < -q, x + p, np.where(x > q, x - p, 0)),
]
FN_NEG, FN_ABS, FN_SIGN = 18, 19, 24
erf = np.vectorize(math.erf, otypes=[np.float64])


def check_unary(check):
    for kind in FLOATS:
        dtype = STORAGE[kind]
        for function, reference in enumerate(UNARY):
            for n, skew in ((1027, 0), (5, 1)):
                stored = encode(numbers(kind, n) * 1.5, kind)
                p, q = np.float32(0.25), np.float32(0.75)
                want = reference(decode(stored, kind), float(p), float(q))
                arguments = [At(stored, skew), Out(n, dtype), *i32(n, function), p, q]
                check(f"unary_{kind}", f"function {function}, n {n}", arguments, want, kind, 2)
        special = encode(np.array([np.nan, np.inf, -np.inf, 0.0, 1.0] * 7), kind)
        arguments = [At(special), Out(35, dtype), *i32(35, FN_ABS), np.float32(0), np.float32(0)]
        check(f"unary_{kind}", "special numbers", arguments, np.abs(decode(special, kind)), kind)
        arguments = [At(special[:0]), Out(0, dtype), *i32(0, 1), np.float32(0), np.float32(0)]
        check(f"unary_{kind}", "empty", arguments, [], kind)
        v = decode(special, kind)
        for what, want in enumerate((np.isnan(v), np.isinf(v), v == np.inf, v == -np.inf)):
            for skew in (0, 1):
                arguments = [At(special, skew), Out(35, np.uint8), *i32(35, what)]
                check(f"test_{kind}", f"what {what}", arguments, want, "u8")
    for kind in ("i64", "i32"):
        for n, skew in ((1027, 0), (5, 1)):
            v = numbers(kind, n)
            v[:2] = np.iinfo(STORAGE[kind]).min, np.iinfo(STORAGE[kind]).max
            for function, want in ((FN_NEG, -v), (FN_ABS, np.abs(v)), (FN_SIGN, np.sign(v)), (0, v)):
                arguments = [At(encode(v, kind), skew), Out(n, STORAGE[kind]), *i32(n, function)]
                check(f"unary_{kind}", f"function {function}, n {n}", arguments, want, kind)
    for n, skew in ((1027, 0), (5, 1)):
        v = random.integers(0, 3, n).astype(np.uint8)
        check("not_u8", f"n {n}", [At(v, skew), Out(n, np.uint8), *i32(n)], v == 0, "u8")


def integer_power(a, b):
    if b < 0:
        return 1 if a == 1 else (-1) ** (b % 2) if a == -1 else 0
    return a**b


def binary_reference(op, a, b, whole):
    if op < 3:
        return (a + b, a - b, a * b)[op]
    if whole:
        safe = np.where(b == 0, 1, b)
        if op == 3:
            return np.where(b == 0, 0, np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(safe)))
        if op == 4:
            return np.array([integer_power(int(x), int(y)) for x, y in zip(a, b)])
        if op in (7, 8):
            return np.where(b == 0, 0, a % safe if op == 7 else np.fmod(a, safe))
    return {3: np.divide, 4: np.power, 5: np.minimum, 6: np.maximum, 7: np.mod, 8: np.fmod}[op](a, b)


def check_binary(check):
    for kind in NUMBERS:
        whole = kind not in FLOATS
        for walk in walks2():
            left, right = operands(walk, (kind, kind))
            if not whole and walk.name == "dense 1027":
                left[5], right[9], left[600] = encode([np.nan, np.nan, np.inf], kind)
            a, b = decode(left, kind)[walk.offsets[0]], decode(right, kind)[walk.offsets[1]]
            for op in range(9) if walk.name in ("dense 1027", "bias", "transposed", "scalar") else (1,):
                if op == 4:
                    stored, exponents = encode(a if whole else np.abs(a), kind), encode(b // 2 if whole else b, kind)
                    arguments = [At(stored), At(exponents), Out(walk.count, STORAGE[kind]), *i32(walk.count, op)]
                    flat = Walk("", (walk.count,), (1,), (1,))
                    want = binary_reference(op, decode(stored, kind), decode(exponents, kind), whole)
                    check(f"binary_{kind}", f"{walk.name}, op 4", [*arguments, flat.struct()], want, kind, 4)
                    continue
                arguments = [
                    At(left, walk.skew[0], walk.starts[0]),
                    At(right, walk.skew[1], walk.starts[1]),
                    Out(walk.count, STORAGE[kind], walk.skew[2]),
                    *i32(walk.count, op),
                    walk.struct(),
                ]
                case = f"{walk.name}, op {op}"
                slack = 1e-5 if op < 7 else 2e-3 if kind == "f16" else 1e-5
                check(f"binary_{kind}", case, arguments, binary_reference(op, a, b, whole), kind, 2, slack)
    for kind in (*NUMBERS, "u8"):
        for walk in walks2():
            left, right = operands(walk, (kind, kind))
            if kind in FLOATS:
                left = encode(np.rint(decode(left, kind)), kind)
                right = encode(np.rint(decode(right, kind)), kind)
                left[0] = encode([np.nan], kind)[0]
            a, b = decode(left, kind)[walk.offsets[0]], decode(right, kind)[walk.offsets[1]]
            for op, want in enumerate((a == b, a < b, a <= b, a > b, a >= b)):
                arguments = [
                    At(left, walk.skew[0], walk.starts[0]),
                    At(right, walk.skew[1], walk.starts[1]),
                    Out(walk.count, np.uint8, walk.skew[2]),
                    *i32(walk.count, op),
                    walk.struct(),
                ]
                check(f"compare_{kind}", f"{walk.name}, op {op}", arguments, want, "u8")
    for walk in walks2():
        left, right = operands(walk, ("u8", "u8"))
        a, b = left[walk.offsets[0]], right[walk.offsets[1]]
        for op, want in enumerate((a & b, a | b, a ^ b)):
            arguments = [
                At(left, walk.skew[0], walk.starts[0]),
                At(right, walk.skew[1], walk.starts[1]),
                Out(walk.count, np.uint8, walk.skew[2]),
                *i32(walk.count, op),
                walk.struct(),
            ]
            check("logic_u8", f"{walk.name}, op {op}", arguments, want, "u8")


def bits(size, count):
    return random.integers(0, 256, count * size, dtype=np.uint8).view(SIZES[size])


def check_where(check):
    walks = [
        Walk("scalar", (), (), (), ()),
        Walk("empty", (0,), (1,), (1,), (1,)),
        Walk("dense", (1027,), (1,), (1,), (1,)),
        Walk("dense skewed", (1027,), (1,), (1,), (1,), skew=(1, 0, 0, 0)),
        Walk("output skewed", (1027,), (1,), (1,), (1,), skew=(0, 0, 0, 1)),
        Walk("number left", (1027,), (1,), (0,), (1,)),
        Walk("attention mask", (2, 3, 5, 48), (48, 0, 0, 1), (720, 240, 48, 1), (0, 0, 0, 0)),
        Walk("odd", (2, 3, 5, 7), (7, 0, 0, 1), (105, 35, 7, 1), (0, 0, 0, 0)),
        Walk("transposed", (48, 32), (1, 48), (32, 1), (0, 1)),
    ]
    for size, walk in itertools.product(SIZES, walks):
        condition = random.integers(0, 2, walk.sizes[0]).astype(np.uint8)
        a, b = bits(size, walk.sizes[1]), bits(size, walk.sizes[2])
        want = np.where(condition[walk.offsets[0]], a[walk.offsets[1]], b[walk.offsets[2]])
        arguments = [
            At(condition, walk.skew[0]),
            At(a, walk.skew[1]),
            At(b, walk.skew[2]),
            Out(walk.count, SIZES[size], walk.skew[3]),
            *i32(walk.count),
            walk.struct(),
        ]
        check(f"where_{size}", walk.name, arguments, want, None)


def cast_reference(v, source, target):
    if target == "u8":
        return v != 0
    if source == "u8":
        return (v != 0).astype(np.int64)
    if target in FLOATS or source not in FLOATS:
        return v
    low, high = np.iinfo(STORAGE[target]).min, np.iinfo(STORAGE[target]).max
    return [0 if math.isnan(x) else min(max(x, low), high) if math.isinf(x) else min(max(int(x), low), high) for x in v]


def check_cast(check):
    kinds = (*NUMBERS, "u8")
    for source, target in itertools.permutations(kinds, 2):
        for n, skew, skew_out in ((1027, 0, 0), (37, 1, 0), (37, 0, 1), (0, 0, 0)):
            v = numbers(source, n)
            if source in FLOATS:
                v = v * 5
            if n and source in FLOATS:
                v[:9] = np.nan, np.inf, -np.inf, 1e30, -1e30, 3e9, -3e9, 0, -0.75
            if n and source == "u8":
                v[0] = 2
            stored = encode(v, source)
            want = np.array(cast_reference(decode(stored, source), source, target), dtype=None if n else np.int64)
            arguments = [At(stored, skew), Out(n, STORAGE[target], skew_out), *i32(n)]
            check(f"cast_{source}_{target}", f"n {n}, skew {skew} {skew_out}", arguments, want, target, slack=0)


def check_fill_and_range(check):
    for size, (n, skew) in itertools.product(SIZES, ((1027, 0), (37, 1), (0, 0))):
        value = bits(size, 1)[0]
        arguments = [Out(n, SIZES[size], skew), *i32(n), value]
        check(f"fill_{size}", f"n {n}, skew {skew}", arguments, np.full(n, value), None)
    for kind, start, delta in (("i64", 2**40, -3), ("i32", -5, 7), ("f32", 0.5, 0.25)):
        dtype = STORAGE[kind]
        want = start + np.arange(1027) * delta
        check(f"range_{kind}", "n 1027", [dtype(start), dtype(delta), Out(1027, dtype), *i32(1027)], want, kind)


def check_move(check):
    extra = [
        Walk("slice", (5, 24), (64, 1), (24, 1)),
        Walk("slice odd", (5, 23), (64, 1), (23, 1)),
        Walk("slice of pairs", (5, 22), (64, 1), (22, 1)),
        Walk("expansion", (6, 5, 16), (0, 16, 1), (80, 16, 1)),
        Walk("expansion of each", (33, 16), (1, 0), (16, 1)),
        Walk("heads", (2, 12, 7, 16), (1344, 16, 192, 1), (1344, 112, 16, 1)),
        Walk("into columns", (48, 32), (32, 1), (1, 48)),
    ]
    for size, walk in itertools.product(SIZES, [*walks2(), *extra]):
        if np.unique(walk.offsets[1]).size != walk.count:
            continue
        data = bits(size, walk.sizes[0])
        count = walk.sizes[1] if walk.count else 0
        want = np.full(count, np.frombuffer(b"\x5a" * size, SIZES[size])[0])
        want[walk.offsets[1]] = data[walk.offsets[0]]
        out = Out(count, SIZES[size], walk.skew[1], walk.starts[1])
        arguments = [At(data, walk.skew[0], walk.starts[0]), out, *i32(walk.count), walk.struct()]
        check(f"copy_{size}", walk.name, arguments, want, None)
    matrices = ((1, 1, 1), (3, 32, 64), (2, 45, 70), (5, 100, 3), (0, 3, 3))
    for size, (batch, rows, columns) in itertools.product(SIZES, matrices):
        data = bits(size, batch * rows * columns)
        want = data.reshape(batch, rows, columns).transpose(0, 2, 1).copy()
        arguments = [At(data), Out(data.size, SIZES[size]), *i32(batch, rows, columns)]
        for grid in ((-(-columns // 32), -(-rows // 32), max(batch, 1)), (1, 1, 2)):
            case = f"{batch} x {rows} x {columns}, grid {grid}"
            check(f"transpose_{size}", case, arguments, want, None, grid=grid, block=(32, 8, 1))
    images = ((2, 3, 49, 8), (2, 3, 50, 4), (1, 70, 33, 72), (2, 32, 64, 32), (2, 33, 1, 33))
    for kind, (n, c, hw, c_out) in itertools.product(FLOATS, images):
        v = numbers(kind, n, c, hw)
        want = np.zeros((n, hw, c_out))
        want[:, :, :c] = v.transpose(0, 2, 1)
        arguments = [At(encode(v, kind)), Out(want.size, STORAGE[kind]), *i32(n, c, hw, c_out)]
        for grid in ((-(-hw // 32), -(-c_out // 32), n), (1, 1, 1)):
            case = f"{n} x {c} x {hw} to {c_out}, grid {grid}"
            check(f"to_nhwc_{kind}", case, arguments, want, kind, grid=grid, block=(32, 8, 1))


def check_gather(check):
    shapes = ((1, 11, 32, 9), (3, 11, 32, 40), (3, 11, 5, 9), (2, 7, 1, 33), (2, 7, 16, 0))
    for size, (outer, axis, inner, indices), skew in itertools.product(SIZES, shapes, (0, 1)):
        data = bits(size, outer * axis * inner)
        index = random.integers(-axis - 3, axis + 3, indices)
        places = np.clip(np.where(index < 0, index + axis, index), 0, axis - 1)
        want = data.reshape(outer, axis, inner)[:, places]
        for kernel, dtype in ((f"gather_{size}", np.int64), (f"gather_i32_{size}", np.int32)):
            out = Out(want.size, SIZES[size])
            arguments = [At(data, skew), At(index.astype(dtype)), out, *i32(outer, axis, inner, indices)]
            check(kernel, f"{outer} x {axis} x {inner}, {indices} indices, skew {skew}", arguments, want, None)
    cases = (((4, 6, 5), (4, 3, 5), 1), ((9,), (21,), 0), ((3, 8), (3, 11), 1), ((5, 4, 6), (7, 2, 3), 0))
    for size, (shape, wanted, along) in itertools.product(SIZES, cases):
        data = bits(size, math.prod(shape)).reshape(shape)
        axis = shape[along]
        index = random.integers(-axis - 2, axis + 2, wanted)
        places = np.clip(np.where(index < 0, index + axis, index), 0, axis - 1)
        cut = data[tuple(slice(None) if a == along else slice(wanted[a]) for a in range(len(shape)))]
        want = np.take_along_axis(cut, places, along)
        strides = [math.prod(shape[a + 1 :]) for a in range(len(shape))]
        walk = Walk("", wanted, tuple(0 if a == along else s for a, s in enumerate(strides)))
        numbers_of_axis = i32(want.size, axis, strides[along])
        arguments = [At(data), At(index), Out(want.size, SIZES[size]), *numbers_of_axis, walk.struct()]
        check(f"gather_elements_{size}", f"{shape} by {wanted} along {along}", arguments, want, None)
    shapes = ((3, 1, 1), (40, 70, 1), (2, 32, 1), (3, 9, 35), (1, 1, 2), (2, 0, 3))
    for kind, (outer, length, inner) in itertools.product((*FLOATS, "i64"), shapes):
        v = numbers(kind, outer, length, inner)
        for exclusive, reverse in itertools.product((0, 1), (0, 1)):
            turned = v[:, ::-1] if reverse else v
            want = np.cumsum(turned, axis=1) - (turned if exclusive else 0)
            want = want[:, ::-1] if reverse else want
            numbers_of_lines = i32(outer, length, inner, exclusive, reverse)
            arguments = [At(encode(v, kind)), Out(v.size, STORAGE[kind]), *numbers_of_lines]
            case = f"{outer} x {length} x {inner}, exclusive {exclusive}, reverse {reverse}"
            check(f"cumsum_{kind}", case, arguments, want, kind, slack=2e-5)


def reduce_reference(op, v, whole):
    if op == 1:
        mean = v.sum(axis=1) / v.shape[1]
        return np.trunc(mean) if whole else mean
    if op == 9:
        most = v.max(axis=1)
        shift = np.where(np.isfinite(most), most, 0)
        return shift + np.log(np.exp(v - shift[:, None]).sum(axis=1))
    if op == 7:
        root = np.sqrt((v.astype(np.float64) ** 2).sum(axis=1))
        return np.trunc(root) if whole else root
    functions = {0: np.sum, 2: np.max, 3: np.min, 4: np.prod, 8: lambda x, axis: np.log(np.sum(x, axis=axis))}
    functions[5] = lambda x, axis: np.sum(x * x, axis=axis)
    functions[6] = lambda x, axis: np.sum(np.abs(x), axis=axis)
    result = functions[op](v, axis=1)
    return np.trunc(result) if whole else result


def check_reduce(check):
    shapes = ((7, 1, 1), (40, 77, 1), (5, 64, 1), (3, 1024, 1), (3, 1025, 1), (5, 4096, 1))
    shapes += ((3, 9, 5), (2, 70, 33), (7, 3, 64), (1, 300, 32))
    for kind, (outer, length, inner) in itertools.product(NUMBERS, shapes):
        whole = kind not in FLOATS
        for op in range(9 if whole else 10):
            v = numbers(kind, outer, length, inner)
            if op == 4:
                v = random.choice([-1, 1, 1, 2], v.shape) if whole else 1 + np.minimum(v, 3) / length / 8
                v[:, 12:] = np.sign(v[:, 12:]) if whole else v[:, 12:]
            if op == 8:
                v = np.abs(v) + 1
            stored = encode(v, kind)
            v = decode(stored, kind)
            arguments = [At(stored), Out(outer * inner, STORAGE[kind]), *i32(outer, length, inner, op)]
            case = f"{outer} x {length} x {inner}, op {op}"
            check(f"reduce_{kind}", case, arguments, reduce_reference(op, v, whole), kind, 3, 1e-5 * math.sqrt(length))
        for least, last in itertools.product((0, 1), (0, 1)):
            v = np.rint(numbers(kind, outer, length, inner))
            if not whole and length > 5:
                v[0, 3:5] = np.nan
            turned = v[:, ::-1] if last else v
            want = turned.argmin(axis=1) if least else turned.argmax(axis=1)
            want = length - 1 - want if last else want
            arguments = [At(encode(v, kind)), Out(outer * inner, np.int64), *i32(outer, length, inner, least, last)]
            check(f"arg_{kind}", f"{outer} x {length} x {inner}, least {least}, last {last}", arguments, want, "i64")
        for op, want in ((0, 0), (4, 1)):
            arguments = [At(stored[:0]), Out(5, STORAGE[kind]), *i32(5, 0, 1, op)]
            check(f"reduce_{kind}", f"nothing, op {op}", arguments, [want] * 5, kind)
    for kind, (length, inner) in itertools.product(FLOATS, ((40, 1), (2000, 1), (40, 3))):
        v = numbers(kind, 4, length, inner)
        v[0, 7], v[1], v[2, 5], v[3, :2] = np.nan, -np.inf, np.inf, -np.inf
        for op in (0, 2, 3, 9):
            with np.errstate(all="ignore"):
                want = reduce_reference(op, v, False)
                want[0] = np.nan
                if op == 9:
                    want[2] = np.inf
            arguments = [At(encode(v, kind), 1), Out(4 * inner, STORAGE[kind]), *i32(4, length, inner, op)]
            check(f"reduce_{kind}", f"special numbers, {length} x {inner}, op {op}", arguments, want, kind, 2, 1e-4)


def softmax_reference(v, log=False):
    with np.errstate(all="ignore"):
        moved = v - v.max(axis=-1, keepdims=True)
        total = np.exp(moved).sum(axis=-1, keepdims=True)
        return moved - np.log(total) if log else np.exp(moved) / total


def check_softmax(check):
    lengths = (1, 5, 64, 77, 128, 200, 255, 256, 500, 512, 1000, 1023, 1024, 1025, 4100)
    for kind, length, log, skew in itertools.product(FLOATS, lengths, (0, 1), (0, 1)):
        rows = 29 if length < 100 else 5
        v = numbers(kind, rows, length) * 3
        v = decode(encode(v, kind), kind)
        v[1, : length // 2] = -np.inf
        v[2] = -np.inf
        v[3, length // 2] = np.nan
        arguments = [At(encode(v, kind), skew), Out(v.size, STORAGE[kind]), *i32(rows, length, log)]
        case = f"{rows} x {length}, log {log}, skew {skew}"
        check(f"softmax_{kind}", case, arguments, softmax_reference(v, log), kind, 2, 1e-5 if log else 1e-7)
    for kind, length in itertools.product(FLOATS, (7, 64, 197, 1024, 1028, 1030)):
        check_masked_softmax(check, kind, length)


def check_masked_softmax(check, kind, length):
    batch, heads, queries = 2, 3, 4
    scores = random.standard_normal((batch, heads, queries, length)).astype(np.float32)
    full, keys = (heads * queries * length, queries * length, length, 1), (length, 0, 0, 1)
    single = (0, 0, 0, 0)
    cases = ((None, single), ("add", full), ("add", keys), ("replace", keys), ("add", single))
    cases += (("add", (0, 0, 1, queries)),)
    for (mode, strides), causal, zeros in itertools.product(cases, (INT_MIN, 1, -2), (0, 1)):
        places = np.tensordot(np.array(strides), np.indices(scores.shape), 1)
        mask = np.zeros(int(places.max()) + 1)
        if mode == "add":
            mask = np.where(random.random(mask.size) < 0.3, -np.inf, random.standard_normal(mask.size))
        if mode == "replace":
            mask = np.where(random.random(mask.size) < 0.3, -1e4, 0)
        mask = encode(mask, kind)
        m = decode(mask, kind)[places]
        v = scores.astype(np.float64) * 0.25
        v = v + m if mode == "add" else np.where(m != 0, m, v) if mode == "replace" else v
        if causal != INT_MIN:
            hidden = np.arange(length)[None, :] > np.arange(queries)[:, None] + causal
            v = np.where(hidden, -np.inf, v)
        want = softmax_reference(v)
        if zeros:
            want = np.where(np.isnan(want), 0, want)
        arguments = [
            At(scores),
            Out(scores.size, STORAGE[kind]),
            At(mask) if mode else np.uint64(0),
            *i32(batch * heads * queries, length),
            np.float32(0.25),
            *i32(heads, queries),
            *[np.int64(s) for s in strides],
            *i32(mode == "replace", causal, zeros),
        ]
        case = f"keys {length}, mask {mode} {strides}, causal {causal}, zeros {zeros}"
        check(f"masked_softmax_{kind}", case, arguments, want, kind, 2, 1e-7)


def pool_reference(v, kernel, stride, pad, dilation, out, count_pad, most):
    n, c, h, w = v.shape
    want = np.zeros((n, c, *out))
    for oy, ox in np.ndindex(*out):
        rows = [y for y in (oy * stride[0] - pad[0] + k * dilation[0] for k in range(kernel[0])) if 0 <= y < h]
        columns = [x for x in (ox * stride[1] - pad[1] + k * dilation[1] for k in range(kernel[1])) if 0 <= x < w]
        window = v[:, :, rows][:, :, :, columns].reshape(n, c, -1)
        if most:
            want[:, :, oy, ox] = window.max(axis=2, initial=-np.inf)
        else:
            count = kernel[0] * kernel[1] if count_pad else max(window.shape[2], 1)
            want[:, :, oy, ox] = window.sum(axis=2) / count
    return want


def check_pool(check):
    cases = (
        ((2, 16, 9, 11), (3, 3), (2, 2), (1, 1), (1, 1)),
        ((2, 5, 9, 11), (2, 3), (1, 2), (0, 1), (1, 1)),
        ((1, 8, 12, 7), (3, 2), (1, 1), (2, 0), (2, 3)),
        ((1, 3, 1, 20), (1, 4), (1, 4), (0, 0), (1, 1)),
    )
    for kind, (shape, kernel, stride, pad, dilation), last in itertools.product(FLOATS, cases, (False, True)):
        n, c, h, w = shape
        size = [h, w]
        oh, ow = ((size[i] + 2 * pad[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in (0, 1))
        v = numbers(kind, *shape)
        v[0, 0, 0, 3] = np.nan
        stored = encode(v.transpose(0, 2, 3, 1) if last else v, kind)
        in_strides = (c * h * w, 1, w * c, c) if last else (c * h * w, h * w, w, 1)
        out_strides = (c * oh * ow, 1, ow * c, c) if last else (c * oh * ow, oh * ow, ow, 1)
        for most, count_pad, skew in itertools.product((True, False), (0, 1), (0, 1)):
            want = pool_reference(v, kernel, stride, pad, dilation, (oh, ow), count_pad, most)
            want = want.transpose(0, 2, 3, 1) if last else want
            fields = [n, c, h, w, oh, ow, *kernel, *stride, *pad, *dilation, *in_strides, *out_strides]
            fields += [count_pad, not last]
            arguments = [At(stored, skew), Out(want.size, STORAGE[kind]), np.array(fields, np.int32)]
            case = f"{shape}, kernel {kernel}, channels last {last}, count_pad {count_pad}, skew {skew}"
            check(f"{'max' if most else 'average'}_pool_{kind}", case, arguments, want, kind)
    for kind, (n, c, hw), last in itertools.product(FLOATS, ((2, 70, 49), (3, 5, 1), (1, 33, 100)), (False, True)):
        v = numbers(kind, n, c, hw)
        strides = (c * hw, 1, c) if last else (c * hw, hw, 1)
        stored = encode(v.transpose(0, 2, 1) if last else v, kind)
        arguments = [At(stored), Out(n * c, STORAGE[kind]), *i32(n, c, hw, *strides)]
        check(f"global_average_{kind}", f"{n} x {c} x {hw}, channels last {last}", arguments, v.mean(axis=2), kind, 2)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    check = Checks(Gpu(sys.argv[1]))
    parts = (check_unary, check_binary, check_where, check_cast, check_fill_and_range, check_move, check_gather)
    with np.errstate(all="ignore"):
        for part in (*parts, check_reduce, check_softmax, check_pool):
            part(check)
    print(f"generic kernels: {len(check.kernels)} kernels, {check.runs} runs, {check.failures} failed")
    sys.exit(1 if check.failures else 0)


if __name__ == "__main__":
    main()
