"""What the GPU benchmark measures and checks. Needs no PyTorch, so that comparing can do without one."""
import typing

ENCODERS = ("minilm", "bert_base")


class Case(typing.NamedTuple):
    model: str
    precision: str
    batch: int
    aim_us: int  # a run should take no longer on an H100

    def is_half_encoder(self):
        return self.model in ENCODERS and self.precision == "fp16"


CASES = (
    Case("minilm", "fp16", 1, 165), Case("minilm", "fp16", 32, 390), Case("minilm", "fp16", 128, 1390),
    Case("bert_base", "fp16", 1, 460), Case("bert_base", "fp16", 32, 1800), Case("bert_base", "fp16", 128, 7000),
    Case("resnet50", "fp16", 1, 320), Case("resnet50", "fp16", 32, 1260),
    Case("lstm", "fp32", 1, 200), Case("lstm", "fp32", 32, 210), Case("lstm", "fp32", 256, 375),
    Case("mlp", "fp32", 1, 14), Case("mlp", "fp32", 1024, 26),
)

# The largest error allowed, as a part of the largest output.
ALLOWED = {"fp32": 1e-5, "tf32": 1.5e-3, "fp16": 2e-3}
