"""The serving model as others use it: count a deployment, read its constants, ask for rates and times."""

from groundplan.perf._chip import Chip
from groundplan.perf._closed_loop import ClosedLoop, Deployment, Parts, closed_loop
from groundplan.perf._constants import Constants, ServingFile, generation, release_year, serving_file
from groundplan.perf._room import MemoryRule, Room, room
from groundplan.perf._shape import Formats, formats_of
from groundplan.perf._speculation import Drafts, drafts_of
from groundplan.perf._steady import (
    CHUNK_TOKENS,
    Asked,
    alone_s,
    batch_in_memory,
    decode_s,
    mean_context,
    output_rate,
    prompt_s,
    static_rate,
    tpot_s,
)
from groundplan.perf._step_parts import Steps, deployments, steps
from groundplan.perf._steps import Work, launches_s, step_s
from groundplan.perf._tables import step_time
from groundplan.perf._terms import Ranks, Served, Terms, terms
from groundplan.perf._types import Refused

__all__ = [
    "CHUNK_TOKENS",
    "Asked",
    "Chip",
    "ClosedLoop",
    "Constants",
    "Deployment",
    "Drafts",
    "Formats",
    "MemoryRule",
    "Parts",
    "Ranks",
    "Refused",
    "Room",
    "Served",
    "ServingFile",
    "Steps",
    "Terms",
    "Work",
    "alone_s",
    "batch_in_memory",
    "closed_loop",
    "decode_s",
    "deployments",
    "drafts_of",
    "formats_of",
    "generation",
    "launches_s",
    "mean_context",
    "output_rate",
    "prompt_s",
    "release_year",
    "room",
    "serving_file",
    "static_rate",
    "step_s",
    "step_time",
    "steps",
    "terms",
    "tpot_s",
]
