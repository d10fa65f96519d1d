"""Rows of measured power with the throughput and step time that the serving model predicts in place of the measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from groundplan.catalog import Catalog, ModelCard, TransformerArch
from groundplan.perf import serving as perf
from groundplan.perf.power import TokenUse
from groundplan.validation._outcome import Skipped, missing_input, not_in_catalogue, not_modelled
from groundplan.validation._power_rows import FORMATS, PowerRow, Setting, card_of, setting_of, token_use
from groundplan.validation._table import TruthRow

ENGINE, SOFTWARE_YEAR = "vllm", 2025.9
"""What the benchmark ran (ML.ENERGY v3; its date is 2026-02-16)."""
ENDLESS_TOKENS = 1e9


def at_predicted_point(found: PowerRow, catalog: Catalog) -> PowerRow | Skipped:
    """The row as the serving model sees it: batch and lengths of the row, its own step time and rate."""
    if not isinstance(found.use, TokenUse):
        return not_modelled("speed of image and video generators")
    setting, card = setting_of(found.row), card_of(found.model, catalog)
    if card is None or not isinstance(card.arch, TransformerArch):
        return not_in_catalogue(f"model {found.model}")
    try:
        decode_s, rate = _predicted(found, setting, card)
    except perf.Refused as refused:
        return missing_input(str(refused))
    cells = {**setting.cells, "itl_med_ms": repr(1e3 * decode_s), "tok_s": repr(rate)}
    stated = replace(setting, row=TruthRow(found.row.number, cells))
    use = token_use(stated, found.part, card, found.count)
    return use if isinstance(use, Skipped) else replace(found, use=use)


def _predicted(found: PowerRow, setting: Setting, card: ModelCard) -> tuple[float, float]:
    """Seconds of a step that decodes, and output tokens per second of the replica."""
    arch = card.transformer()
    prompt, output = setting.prompt_tokens, setting.row.figure("out_len") or 1.0
    file = perf.serving_file()
    served = perf.Served(
        perf.Chip(found.part, 8),
        perf.formats_of(arch, FORMATS[setting.row.text("prec")]),
        perf.Ranks(tensor=found.count),
        engine=file.engine_names.index(ENGINE),
        software_year=SOFTWARE_YEAR,
    )
    context = prompt + output / 2.0
    counted, constants = perf.terms(arch, context, served, ENDLESS_TOKENS), file.constants()
    batch = np.array([setting.row.figure("avg_batch") or 1.0])
    asked = perf.Asked(np.array([prompt]), np.array([output]))
    decode = perf.decode_s(counted, constants, batch, np.array([context]))
    return float(decode[0]), float(perf.output_rate(counted, constants, asked, batch)[0])
