"""The models of the engine benchmark that the tests' repository lacks, made on first use beside it."""
import pathlib
import sys

import numpy as np
import onnx

TESTS = pathlib.Path(__file__).parents[1] / "tests" / "models"


def path(name, repository):
    """The model's file: the repository's, or one that is made here now."""
    file = repository / name / "1" / "model.onnx"
    make = MAKERS.get(name)
    if make is None:
        return file
    file = repository.parent / "bench-models" / name / "1" / "model.onnx"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        make(file, repository)
    return file


def boosted_trees(file, _repository):
    """500 trees of depth 6 over 20 columns, two classes."""
    from sklearn.ensemble import GradientBoostingClassifier
    sys.path.insert(0, str(TESTS))
    import trees
    rng = np.random.default_rng(6)
    rows = rng.standard_normal((2000, 20)).astype(np.float32)
    label = (rows[:, :5].sum(axis=1) + rows[:, 5] * rows[:, 6] + rng.standard_normal(2000) > 0).astype(np.int64)
    fitted = GradientBoostingClassifier(n_estimators=500, max_depth=6, random_state=6).fit(rows, label)
    model, _ = trees.from_sklearn(fitted, {"X": rows})
    onnx.save(model, file)


def minilm_int8(file, repository):
    """MiniLM as ONNX Runtime's dynamic quantisation writes it."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    quantize_dynamic(repository / "minilm_torchscript" / "1" / "model.onnx", file, weight_type=QuantType.QInt8)


MAKERS = {"boosted_trees": boosted_trees, "minilm_int8": minilm_int8}
