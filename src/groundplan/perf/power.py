"""The power model as others use it: what an accelerator does, its constants, and its watts."""

from groundplan.perf._denoise import Denoiser, denoisers
from groundplan.perf._shape import BYTES, Shape, expected_active_experts
from groundplan.perf._watts import (
    ImageDraw,
    ImageUse,
    PowerFile,
    TokenDraw,
    TokenFamily,
    TokenUse,
    Watts,
    image_watts,
    power_file,
    token_watts,
)

__all__ = [
    "BYTES",
    "Denoiser",
    "ImageDraw",
    "ImageUse",
    "PowerFile",
    "Shape",
    "TokenDraw",
    "TokenFamily",
    "TokenUse",
    "Watts",
    "denoisers",
    "expected_active_experts",
    "image_watts",
    "power_file",
    "token_watts",
]
