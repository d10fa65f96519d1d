"""What a serving engine does in the long run, in closed form: throughput, time per token, batch in memory.

A request of S prompt and O output tokens holds its place for O steps. With B requests running, B / O prompts are
prefilled in a mean step; one prompt adds P seconds to the steps that hold it. Hence B O tokens every O D + B P seconds,
with D the step that only decodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from groundplan.perf._constants import Constants
from groundplan.perf._shape import Floats
from groundplan.perf._speculation import Drafts, advance_s
from groundplan.perf._steps import Work, step_s
from groundplan.perf._terms import Terms

CHUNK_TOKENS = 8192.0
"""Prompt tokens of a mixed step at most."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Requests: mean tokens of prompt and output. Arrays over deployments."""

    prompt: Floats
    output: Floats


def decode_s(t: Terms, c: Constants, batch: Floats, context: Floats, drafts: Drafts | None = None) -> Floats:
    """Seconds in which each of `batch` sequences of `context` cached tokens gains one token."""
    return advance_s(t, c, batch, batch * context, drafts)


def prompt_s(t: Terms, c: Constants, prompt: Floats, batch: Floats, output: Floats) -> Floats:
    """Seconds that one prompt adds to the steps it shares with `batch` decoding sequences."""
    chunk = np.maximum(np.minimum(CHUNK_TOKENS, prompt * np.maximum(1.0, batch / output)), 1.0)
    base = step_s(t, c, Work(batch, batch))
    mixed = step_s(t, c, Work(batch + chunk, batch, 0.0, chunk * prompt / 2.0))
    return np.maximum(mixed - base, 0.0) / chunk * prompt


def alone_s(t: Terms, c: Constants, prompts: Floats, prompt: Floats) -> Floats:
    """Prefill of `prompts` prompts together on an idle engine, up to and with the first token."""
    tokens = prompts * prompt
    chunks = np.maximum(np.ceil(tokens / CHUNK_TOKENS), 1.0)
    one = step_s(t, c, Work(tokens / chunks, prompts * 0.0, 0.0, tokens * prompt / 2.0 / chunks))
    return one * chunks


def batch_in_memory(t: Terms, asked: Asked, reserved_output: Floats) -> Floats:
    """Sequences whose cache fits, at least 1; `reserved_output` = share of the output held on average."""
    return np.maximum(t.kv_tokens / (asked.prompt + reserved_output * asked.output), 1.0)


def mean_context(asked: Asked) -> Floats:
    """Cached tokens of a running sequence, averaged over its decoding."""
    return asked.prompt + asked.output / 2.0


def output_rate(t: Terms, c: Constants, asked: Asked, batch: Floats, drafts: Drafts | None = None) -> Floats:
    """Output tokens per second of a replica that always runs `batch` requests."""
    decode = decode_s(t, c, batch, mean_context(asked), drafts)
    prompt = prompt_s(t, c, asked.prompt, batch, asked.output)
    return batch * asked.output / (asked.output * decode + batch * prompt)


def tpot_s(t: Terms, c: Constants, asked: Asked, batch: Floats, drafts: Drafts | None = None) -> Floats:
    """Mean seconds between tokens of a request among `batch`, prefill of the others' prompts included."""
    decode = decode_s(t, c, batch, mean_context(asked), drafts)
    prompt = prompt_s(t, c, asked.prompt, batch, asked.output)
    return decode + c.stall_share * np.maximum(batch - 1.0, 0.0) / asked.output * prompt


def static_rate(t: Terms, c: Constants, asked: Asked, batch: Floats) -> Floats:
    """Output tokens per second where `batch` requests start and end together."""
    first = alone_s(t, c, batch, asked.prompt)
    rest = np.maximum(asked.output - 1.0, 0.0) * decode_s(t, c, batch, mean_context(asked))
    return batch * asked.output / (first + rest)
