#!/usr/bin/env python3
"""Writes the cases of ONNX Runtime's own operators: a model of one node, inputs, and what ONNX Runtime answers.

    .venv/bin/python tests/conformance/microsoft.py
Every case goes to tests/conformance/microsoft/<name>, in the form of ONNX's own cases. Run it again only to add cases.
"""
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

FOLDER = pathlib.Path(__file__).parent / "microsoft"
RNG = np.random.default_rng(5)
TYPES = {np.dtype(np.float32): onnx.TensorProto.FLOAT, np.dtype(np.uint8): onnx.TensorProto.UINT8,
         np.dtype(np.int8): onnx.TensorProto.INT8, np.dtype(np.int32): onnx.TensorProto.INT32,
         np.dtype(np.int64): onnx.TensorProto.INT64}


def floats(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def u8(*shape):
    return RNG.integers(0, 256, shape).astype(np.uint8)


def i8(*shape):
    return RNG.integers(-128, 128, shape).astype(np.int8)


def scale(value):
    return np.array(value, np.float32)


def zero(value, kind=np.uint8):
    return np.array(value, kind)


def case(name, op, inputs, outputs=1, weights=(), domain="com.microsoft", expected=None, **attributes):
    """`inputs` in order, None for one left out; those whose numbers `weights` holds are the model's own.

    `expected` holds answers that are more exact than ONNX Runtime's, which must agree to 0.02."""
    names = [f"x{i}" if value is not None else "" for i, value in enumerate(inputs)]
    named = outputs if isinstance(outputs, list) else [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, names, named, domain=domain, **attributes)
    given = [(i, value) for i, value in enumerate(inputs) if value is not None]
    infos = [helper.make_tensor_value_info(names[i], TYPES[v.dtype], v.shape) for i, v in given if i not in weights]
    constants = [numpy_helper.from_array(v, names[i]) for i, v in given if i in weights]
    results = [helper.make_empty_tensor_value_info(n) for n in named if n]
    graph = helper.make_graph([node], name, infos, results, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)],
                              ir_version=8)
    feeds = {names[i]: v for i, v in given if i not in weights}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    answers = session.run(None, feeds)
    if expected is not None:
        for answer, exact in zip(answers, expected):
            np.testing.assert_allclose(answer, exact, atol=0.02)
        answers = expected
    folder = FOLDER / name / "test_data_set_0"
    folder.mkdir(parents=True, exist_ok=True)
    (folder.parent / "model.onnx").write_bytes(model.SerializeToString())
    for kind, values in (("input", feeds.values()), ("output", answers)):
        for i, value in enumerate(values):
            (folder / f"{kind}_{i}.pb").write_bytes(numpy_helper.from_array(value).SerializeToString())


def activations():
    x, bias = floats(2, 3, 8), floats(8)
    case("gelu", "Gelu", [x])
    case("bias_gelu", "BiasGelu", [x, bias], weights=(1,))
    case("fast_gelu", "FastGelu", [x])
    case("fast_gelu_bias", "FastGelu", [x, bias])
    case("quick_gelu", "QuickGelu", [x], alpha=1.5)


def norms():
    x, skip, gamma, beta, bias = floats(2, 3, 8), floats(2, 3, 8), floats(8), floats(8), floats(8)
    case("simplified_layer_norm", "SimplifiedLayerNormalization", [x, gamma], domain="", axis=-1, epsilon=1e-3,
         stash_type=1)
    case("skip_layer_norm", "SkipLayerNormalization", [x, skip, gamma, beta], epsilon=1e-3)
    case("skip_layer_norm_bias_sum", "SkipLayerNormalization", [x, skip, gamma, None, bias], ["y", "", "", "sum"])
    case("skip_simplified_layer_norm", "SkipSimplifiedLayerNormalization", [x, skip, gamma, bias], ["y", "", "", "sum"])
    ids, segments = RNG.integers(0, 9, (2, 4)).astype(np.int32), RNG.integers(0, 2, (2, 4)).astype(np.int32)
    mask = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int32)
    tables = [floats(9, 8), floats(6, 8), floats(2, 8), gamma, beta]
    case("embed_layer_norm", "EmbedLayerNormalization", [ids, segments, *tables, mask], 2, weights=range(2, 7))
    case("embed_layer_norm_plain", "EmbedLayerNormalization", [ids, None, *tables[:2], None, gamma, beta], 2)


def fused():
    a, b = floats(2, 3, 4), floats(2, 5, 3)
    case("fused_matmul", "FusedMatMul", [a, b], transA=1, transB=1, alpha=0.5)
    case("fused_matmul_weights", "FusedMatMul", [a, floats(5, 4)], weights=(1,), transB=1)
    x, w = floats(1, 3, 6, 6), floats(4, 3, 3, 3)
    case("fused_conv", "FusedConv", [x, w, floats(4)], weights=(1, 2), activation="Relu", pads=[1, 1, 1, 1])
    case("fused_conv_clip", "FusedConv", [x, w], activation="Clip", activation_params=[-0.5, 0.5])
    case("fused_conv_sum", "FusedConv", [x, w, floats(4), floats(1, 4, 4, 4)], activation="LeakyRelu",
         activation_params=[0.2])
    case("fused_gemm", "FusedGemm", [floats(3, 4), floats(5, 4), floats(5)], transB=1, activation="LeakyRelu",
         activation_alpha=0.1)
    case("inverse", "Inverse", [floats(2, 4, 4)])
    case("trilu", "Trilu", [floats(3, 4), np.array(1, np.int64)], upper=0)
    case("pad", "Pad", [floats(2, 3), np.array([0, 1, 1, 2], np.int64), np.array([7], np.float32)], mode="constant")


def attentions():
    x, w, b = floats(2, 4, 8), floats(8, 24), floats(24)
    weights = (1, 2)
    case("attention", "Attention", [x, w, b], weights=weights, num_heads=2)
    case("attention_lengths", "Attention", [x, w, b, np.array([3, 2], np.int32)], weights=weights, num_heads=2)
    mask = np.array([[1, 1, 1, 0], [1, 0, 1, 1]], np.int32)
    case("attention_mask", "Attention", [x, w, b, mask], weights=weights, num_heads=2)
    mask = RNG.integers(0, 2, (2, 4, 4)).astype(np.int32) | np.eye(4, dtype=np.int32)
    case("attention_mask_3d", "Attention", [x, w, b, mask], weights=weights, num_heads=2)
    case("attention_causal_bias", "Attention", [x, w, b, None, None, floats(2, 2, 4, 4)], num_heads=2, unidirectional=1)
    case("attention_past", "Attention", [x, w, b, None, floats(2, 2, 2, 3, 4)], 2, weights=weights, num_heads=2,
         unidirectional=1)
    case("attention_sizes", "Attention", [x, floats(8, 20), floats(20)], weights=weights, num_heads=2,
         qkv_hidden_sizes=[8, 8, 4], scale=0.3)
    q, k, v = floats(2, 4, 8), floats(2, 5, 8), floats(2, 5, 8)
    case("multi_head_attention", "MultiHeadAttention", [q, k, v], num_heads=2)
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 0]], np.int32)
    case("multi_head_attention_mask", "MultiHeadAttention", [q, k, v, floats(24), mask, floats(1, 2, 4, 5)],
         num_heads=2, scale=0.4)
    case("multi_head_attention_past", "MultiHeadAttention",
         [q, floats(2, 4, 8), floats(2, 4, 8), None, None, None, floats(2, 2, 3, 4), floats(2, 2, 3, 4)], 3, num_heads=2)
    case("multi_head_attention_heads", "MultiHeadAttention", [q, floats(2, 2, 5, 4), floats(2, 2, 5, 4)], num_heads=2)
    case("qattention", "QAttention", [u8(2, 4, 8), i8(8, 24), b, scale(0.02), scale(0.01), np.array([4, 3], np.int32),
                                      zero(120), zero(0, np.int8)], weights=(1, 2, 3, 4, 6, 7), num_heads=2)


def plain_lstm(inputs):
    """What an LSTM of floats answers with the weights that the bytes stand for."""
    x, w, r, b = inputs[:4]
    w, r = (np.transpose(codes * np.reshape(by, (1, 1, -1)), (0, 2, 1)).astype(np.float32)
            for codes, by in ((w, inputs[8]), (r, inputs[10])))
    node = helper.make_node("LSTM", ["x", "w", "r", "b"], ["y", "h", "c"], hidden_size=4)
    feeds = dict(x=x, w=w, r=r, b=b)
    infos = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, value.shape) for name, value in feeds.items()]
    results = [helper.make_empty_tensor_value_info(name) for name in node.output]
    model = helper.make_model(helper.make_graph([node], "lstm", infos, results),
                              opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)


def integers():
    a, b = u8(2, 3, 8), i8(8, 20)
    grid = [scale(0.02), scale(0.03)]
    case("matmul_integer_to_float", "MatMulIntegerToFloat", [a, b, *grid, zero(100), zero(0, np.int8), floats(20)],
         weights=(1, 6))
    case("matmul_integer_to_float_columns", "MatMulIntegerToFloat",
         [a, u8(8, 20), grid[0], RNG.random(20).astype(np.float32), zero(100), u8(20)])
    case("dynamic_quantize_matmul", "DynamicQuantizeMatMul", [floats(4, 8), b, scale(0.03)], weights=(1, 2))
    case("dynamic_quantize_matmul_bias", "DynamicQuantizeMatMul",
         [floats(4, 8), u8(8, 20), scale(0.03), zero(120), floats(20)], weights=(1,))
    lstm = [floats(5, 2, 3), i8(1, 3, 16), i8(1, 4, 16), floats(1, 32) / 4, None, None, None, None,
            np.array([0.01], np.float32), np.array([0], np.int8), np.array([0.01], np.float32), np.array([0], np.int8)]
    # ONNX Runtime rounds the inputs of every step to bytes, too.
    case("dynamic_quantize_lstm", "DynamicQuantizeLSTM", lstm, 3, weights=(1, 2, 8, 9, 10, 11), hidden_size=4,
         expected=plain_lstm(lstm))
    columns = [RNG.random((1, 16)).astype(np.float32) / 100, np.zeros((1, 16), np.int8)]
    lstm = lstm[:8] + columns + columns
    case("dynamic_quantize_lstm_columns", "DynamicQuantizeLSTM", lstm, 3, weights=(1, 2, 8, 9, 10, 11), hidden_size=4,
         expected=plain_lstm(lstm))


def nbits():
    k, n, block = 40, 6, 16
    blocks = -(-k // block)
    packed, scales = u8(n, blocks, block // 2), (RNG.random(n * blocks) / 8).astype(np.float32)
    sizes = {"K": k, "N": n, "block_size": block}
    case("matmul_nbits", "MatMulNBits", [floats(3, k), packed, scales], weights=(1, 2), bits=4, **sizes)
    case("matmul_nbits_zeros", "MatMulNBits", [floats(2, 3, k), packed, scales, u8(n * -(-blocks // 2)), None, floats(n)],
         weights=(1, 2, 3, 5), bits=4, **sizes)
    case("matmul_nbits_8", "MatMulNBits", [floats(3, k), u8(n, blocks, block), scales], weights=(1, 2), bits=8, **sizes)


def linear():
    x, b = u8(1, 2, 6, 6), u8(2, 6, 6)
    first, second, last = [scale(0.02), zero(110)], [scale(0.03), zero(90)], [scale(0.05), zero(120)]
    case("qlinear_add", "QLinearAdd", [x, *first, b, *second, *last])
    case("qlinear_mul", "QLinearMul", [x, *first, b, *second, *last])
    case("qlinear_sigmoid", "QLinearSigmoid", [x, *first, scale(1 / 256), zero(0)])
    case("qlinear_leaky_relu", "QLinearLeakyRelu", [x, *first, *last], alpha=0.1)
    case("qlinear_softmax", "QLinearSoftmax", [x, *first, scale(1 / 256), zero(0)], opset=13, axis=-1)
    case("qlinear_softmax_12", "QLinearSoftmax", [x, *first, scale(1 / 256), zero(0)], opset=12, axis=2)
    # A scale of which no mean is a half: ONNX Runtime rounds those either way.
    case("qlinear_average_pool", "QLinearAveragePool", [x, *first, scale(0.0173), zero(120)], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    case("qlinear_global_average_pool", "QLinearGlobalAveragePool", [x, *first, *last], channels_last=0)
    case("qlinear_concat", "QLinearConcat", [*last, x, *first, u8(1, 3, 6, 6), *second], axis=1)
    c = RNG.integers(-500, 500, 5).astype(np.int32)
    case("qgemm", "QGemm", [u8(3, 8), *first, i8(8, 5), scale(0.01), zero(0, np.int8), c, *last])
    case("qgemm_float", "QGemm", [u8(3, 8), *first, i8(5, 8), RNG.random(5).astype(np.float32), i8(5), c], transB=1)
    case("quantize_linear", "QuantizeLinear", [floats(2, 6), scale(0.02), zero(110)])
    case("dequantize_linear", "DequantizeLinear", [u8(2, 6), *first])


if __name__ == "__main__":
    for cases in (activations, norms, fused, attentions, integers, nbits, linear):
        cases()
