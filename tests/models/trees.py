"""Tree models, trained when they are fetched: seconds each, on the data sets that scikit-learn ships.

Every entry of MODELS is a function without arguments that gives (ONNX model, test rows as {input name: array}).
Together they cover the ONNX-ML operators that people's exported trees contain: TreeEnsembleClassifier and
TreeEnsembleRegressor, Scaler, Normalizer, Imputer, OneHotEncoder and OrdinalEncoder on strings, LabelEncoder,
ArrayFeatureExtractor, and ZipMap in its three forms (a sequence of maps, one tensor a class, none).
Everything is seeded. Inputs are float32 when training too, so that a threshold means the same to both sides.
"""
import numpy as np
from sklearn import datasets
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    AdaBoostClassifier, GradientBoostingClassifier, GradientBoostingRegressor,
    HistGradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor,
)
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, OneHotEncoder, OrdinalEncoder, StandardScaler

OPSET = {"": 17, "ai.onnx.ml": 3}
SEED = 7
MODELS = {}


def model(build):
    """Registers a builder under its function's name."""
    MODELS[build.__name__] = build
    return build


def table(load):
    """Features (float32) and target of one bundled data set, split with a fixed seed."""
    x, y = load(return_X_y=True)
    return train_test_split(x.astype(np.float32), y, test_size=0.3, random_state=SEED)


def from_sklearn(fitted, rows, zipmap=False):
    """The scikit-learn converter's ONNX for a fitted estimator. `zipmap`: False, True or "columns"."""
    from skl2onnx import to_onnx
    options = {id(fitted): {"zipmap": zipmap}} if hasattr(fitted, "predict_proba") else None
    inputs = [(name, _input_type(column)) for name, column in rows.items()]
    return to_onnx(fitted, initial_types=inputs, options=options, target_opset=OPSET), rows


def _input_type(column):
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    kind = StringTensorType if column.dtype == object else FloatTensorType
    return kind([None, column.shape[1]])


def float_input(columns):
    from onnxmltools.convert.common.data_types import FloatTensorType
    return [("X", FloatTensorType([None, columns]))]


def from_xgboost(fitted, rows):
    """onnxmltools' ONNX for XGBoost; it writes no ZipMap."""
    from onnxmltools import convert_xgboost
    return convert_xgboost(fitted, initial_types=float_input(rows.shape[1]), target_opset=15), {"X": rows}


def from_lightgbm(fitted, rows, zipmap=False):
    """onnxmltools' ONNX for LightGBM."""
    from onnxmltools import convert_lightgbm
    onnx_model = convert_lightgbm(fitted, initial_types=float_input(rows.shape[1]), zipmap=zipmap, target_opset=15)
    return onnx_model, {"X": rows}


def with_gaps(x):
    """The same rows with every seventh value missing (NaN): trees must send those down the branch they learned."""
    x = x.copy()
    x.reshape(-1)[::7] = np.nan
    return x


# --- scikit-learn -----------------------------------------------------------------------------------------------

@model
def sk_gb_classifier():
    x, xt, y, _ = table(datasets.load_breast_cancer)
    return from_sklearn(GradientBoostingClassifier(n_estimators=60, random_state=SEED).fit(x, y), {"X": xt})


@model
def sk_gb_regressor():
    x, xt, y, _ = table(datasets.load_diabetes)
    return from_sklearn(GradientBoostingRegressor(n_estimators=80, random_state=SEED).fit(x, y), {"X": xt})


@model
def sk_rf_classifier():
    x, xt, y, _ = table(datasets.load_digits)
    return from_sklearn(RandomForestClassifier(40, max_depth=9, random_state=SEED).fit(x, y), {"X": xt})


@model
def sk_rf_regressor():
    x, xt, y, _ = table(datasets.load_diabetes)
    return from_sklearn(RandomForestRegressor(40, max_depth=8, random_state=SEED).fit(x, y), {"X": xt})


@model
def sk_hist_gb_classifier():
    """Missing values, three classes."""
    x, xt, y, _ = table(datasets.load_wine)
    fitted = HistGradientBoostingClassifier(max_iter=40, random_state=SEED).fit(with_gaps(x), y)
    return from_sklearn(fitted, {"X": with_gaps(xt)})


@model
def sk_zipmap_classifier():
    """Probabilities as a sequence of maps: what the converters write unless told otherwise."""
    x, xt, y, _ = table(datasets.load_iris)
    fitted = GradientBoostingClassifier(n_estimators=20, random_state=SEED).fit(x, y)
    return from_sklearn(fitted, {"X": xt}, zipmap=True)


@model
def sk_zipmap_columns_classifier():
    """One output a class; the labels are strings."""
    x, xt, y, _ = table(datasets.load_iris)
    names = datasets.load_iris().target_names[y]
    fitted = RandomForestClassifier(20, max_depth=6, random_state=SEED).fit(x, names)
    return from_sklearn(fitted, {"X": xt}, zipmap="columns")


@model
def sk_normalizer_pipeline():
    """Imputer -> Scaler -> Normalizer -> forest."""
    x, xt, y, _ = table(datasets.load_wine)
    steps = make_pipeline(
        SimpleImputer(strategy="median"), StandardScaler(), Normalizer("l2"),
        RandomForestClassifier(30, max_depth=7, random_state=SEED),
    )
    return from_sklearn(steps.fit(with_gaps(x), y), {"X": with_gaps(xt)})


@model
def sk_adaboost_classifier():
    """A vote of trees: string labels looked up with ArrayFeatureExtractor after an ArgMax."""
    x, xt, y, _ = table(datasets.load_iris)
    names = datasets.load_iris().target_names[y]
    return from_sklearn(AdaBoostClassifier(n_estimators=8, random_state=SEED).fit(x, names), {"X": xt})


@model
def sk_column_choice_pipeline():
    """One wide input, of which ArrayFeatureExtractor cuts the columns for each transformation."""
    x, xt, y, _ = table(datasets.load_wine)
    choose = ColumnTransformer([
        ("scaled", StandardScaler(), [0, 3, 12]), ("rescaled", MinMaxScaler(), [5, 6]),
        ("shares", Normalizer("max"), [7, 8, 9]), ("as_is", "passthrough", [1, 2]),
    ])
    steps = make_pipeline(choose, SelectKBest(k=8), RandomForestClassifier(20, max_depth=6, random_state=SEED))
    return from_sklearn(steps.fit(x, y), {"X": xt})


@model
def sk_normalizer_l1_regressor():
    x, xt, y, _ = table(datasets.load_diabetes)
    steps = make_pipeline(Normalizer("l1"), GradientBoostingRegressor(n_estimators=40, random_state=SEED))
    return from_sklearn(steps.fit(x, y), {"X": xt})


def mixed_columns():
    """The wine table as people have theirs: a column an input, two of them words, some words never seen in training."""
    x, y = datasets.load_wine(return_X_y=True)
    x = x.astype(np.float32)
    shade = np.array(["pale", "ruby", "dark", "inky"])[np.digitize(x[:, 9], [3, 5, 7])]
    strength = np.array(["light", "medium", "full"])[np.digitize(x[:, 0], [12.5, 13.5])]
    columns = {
        "shade": shade.astype(object).reshape(-1, 1), "strength": strength.astype(object).reshape(-1, 1),
        "acid": x[:, 1:2], "proline": x[:, 12:13],
    }
    order = np.random.default_rng(SEED).permutation(len(y))
    return {name: column[order] for name, column in columns.items()}, y[order]


@model
def sk_string_columns_pipeline():
    """One input a column: OneHotEncoder and OrdinalEncoder on strings, Scaler on numbers, boosted trees after them."""
    import pandas as pd
    columns, y = mixed_columns()
    frame = pd.DataFrame({name: column.ravel() for name, column in columns.items()})
    encode = ColumnTransformer([
        ("words", OneHotEncoder(handle_unknown="ignore"), ["shade"]),
        ("ranks", OrdinalEncoder(categories=[["light", "medium", "full"]]), ["strength"]),
        ("numbers", StandardScaler(), ["acid", "proline"]),
    ])
    fitted = make_pipeline(encode, GradientBoostingClassifier(n_estimators=30, random_state=SEED)).fit(frame, y)
    rows = {name: column[:80].copy() for name, column in columns.items()}
    rows["shade"][3, 0] = "a word it never saw"
    return from_sklearn(fitted, rows)


@model
def label_encoder():
    """LabelEncoder alone, written by hand: strings to numbers and back, with a default for what is unknown."""
    from onnx import TensorProto, helper as h
    nodes = [
        h.make_node("LabelEncoder", ["word"], ["id"], domain="ai.onnx.ml",
                    keys_strings=["low", "mid", "high"], values_int64s=[10, 20, 30], default_int64=-1),
        h.make_node("LabelEncoder", ["id"], ["score"], domain="ai.onnx.ml",
                    keys_int64s=[10, 20, 30], values_floats=[0.1, 0.5, 0.9], default_float=-1.0),
        h.make_node("LabelEncoder", ["id"], ["back"], domain="ai.onnx.ml",
                    keys_int64s=[10, 20, 30], values_strings=["low", "mid", "high"], default_string="?"),
    ]
    info = h.make_tensor_value_info
    graph = h.make_graph(nodes, "label_encoder", [info("word", TensorProto.STRING, ["n", 1])], [
        info("id", TensorProto.INT64, ["n", 1]), info("score", TensorProto.FLOAT, ["n", 1]),
        info("back", TensorProto.STRING, ["n", 1])])
    opsets = [h.make_opsetid(domain, version) for domain, version in OPSET.items()]
    words = np.array(["low", "mid", "high", "unheard of"] * 20, dtype=object).reshape(-1, 1)
    return h.make_model(graph, opset_imports=opsets, ir_version=8), {"word": words}


# --- XGBoost ----------------------------------------------------------------------------------------------------

@model
def xgb_classifier():
    from xgboost import XGBClassifier
    x, xt, y, _ = table(datasets.load_breast_cancer)
    fitted = XGBClassifier(n_estimators=60, max_depth=4, random_state=SEED, n_jobs=1).fit(with_gaps(x), y)
    return from_xgboost(fitted, with_gaps(xt))


@model
def xgb_multiclass():
    from xgboost import XGBClassifier
    x, xt, y, _ = table(datasets.load_digits)
    return from_xgboost(XGBClassifier(n_estimators=12, max_depth=4, random_state=SEED, n_jobs=1).fit(x, y), xt)


@model
def xgb_regressor():
    from xgboost import XGBRegressor
    x, xt, y, _ = table(datasets.load_diabetes)
    return from_xgboost(XGBRegressor(n_estimators=80, max_depth=4, random_state=SEED, n_jobs=1).fit(x, y), xt)


# --- LightGBM ---------------------------------------------------------------------------------------------------

@model
def lgbm_classifier():
    from lightgbm import LGBMClassifier
    x, xt, y, _ = table(datasets.load_breast_cancer)
    fitted = LGBMClassifier(n_estimators=60, num_leaves=15, random_state=SEED, n_jobs=1, verbose=-1)
    return from_lightgbm(fitted.fit(with_gaps(x), y), with_gaps(xt))


@model
def lgbm_multiclass_zipmap():
    from lightgbm import LGBMClassifier
    x, xt, y, _ = table(datasets.load_wine)
    fitted = LGBMClassifier(n_estimators=20, num_leaves=7, random_state=SEED, n_jobs=1, verbose=-1).fit(x, y)
    return from_lightgbm(fitted, xt, zipmap=True)


@model
def lgbm_regressor():
    from lightgbm import LGBMRegressor
    x, xt, y, _ = table(datasets.load_diabetes)
    fitted = LGBMRegressor(n_estimators=80, num_leaves=15, random_state=SEED, n_jobs=1, verbose=-1).fit(x, y)
    return from_lightgbm(fitted, xt)
