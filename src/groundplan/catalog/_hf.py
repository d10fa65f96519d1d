"""Model cards from a Hugging Face ``config.json``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundplan.catalog._models import ModelCard


def model_from_hf_config(config: Mapping[str, Any] | Path | str, *, name: str) -> ModelCard:
    """Card of any llama, qwen, mistral, exaone, deepseek, gpt_oss or gemma style configuration."""
    raise NotImplementedError
