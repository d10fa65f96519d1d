"""What the model says of single steps of a deployment, as tables of another tool state them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from groundplan.catalog import Catalog, Server
from groundplan.perf._chip import chip_of
from groundplan.perf._closed_loop import Deployment, Parts, _parts, _replica, _workload
from groundplan.perf._engine import Engine
from groundplan.perf._llm import BUDGETS, layouts, memory, precisions
from groundplan.perf._steady import alone_s, decode_s
from groundplan.perf._types import Refused
from groundplan.spec import LlmWorkload


@dataclass(frozen=True, slots=True)
class Steps:
    """Steps of an unanchored deployment at one context: seconds of a step, not of a token."""

    engine: Engine
    context_tokens: int

    def holds(self, batch: int) -> bool:
        """Whether the engine runs so many sequences at once, and their cache fits beside the weights."""
        room = memory(self.engine, self.engine.head_rows, BUDGETS[0])
        return batch <= self.engine.head_rows and batch * self.context_tokens <= room.kv_tokens

    def decode(self, batch: int) -> Parts:
        """A step that decodes so many sequences of this context."""
        running, context = np.array([float(batch)]), np.array([float(self.context_tokens)])
        return _parts(lambda c: decode_s(self.engine.terms, c, running, context), self.engine.constants)

    def prefill(self) -> Parts:
        """Prefill of one prompt of this length on an idle engine."""
        one, prompt = np.array([1.0]), np.array([float(self.context_tokens)])
        return _parts(lambda c: alone_s(self.engine.terms, c, one, prompt), self.engine.constants)


def steps(deployment: Deployment, catalog: Catalog, context_tokens: int) -> Steps:
    """Steps at a context; PerfError for a cut that does not exist."""
    return Steps(_replica(deployment, catalog, _workload(deployment, float(context_tokens), 1.0)), context_tokens)


def deployments(workload: LlmWorkload, server: Server, catalog: Catalog) -> Iterator[Deployment]:
    """Each way to run a workload on one node of a server, whether it fits or not; none without an accelerator."""
    card = catalog.model(workload.model)
    try:
        chip = chip_of(server, catalog)
    except Refused:
        return
    one = Deployment(card, server, card.native_precision, 1, workload.engine, workload.tuning)
    for precision in precisions(workload.allowed_precisions, card):
        for cut in layouts(card, chip, nodes=1):
            yield replace(one, precision=precision, tensor_ranks=cut.tensor_parallel)
