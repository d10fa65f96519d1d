"""A tool with tables of step times, made from the model itself and spoiled where a test wants it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from groundplan.catalog import Catalog
from groundplan.measure import NotCovered
from groundplan.perf.serving import Deployment, steps

CATALOG = Catalog.default()
Place = tuple[str, int, int]


def deployed(model="llama-3.1-70b", server="hgx-h100-8", precision="bf16", ranks=4, engine="vllm", tuning="tuned"):
    return Deployment(CATALOG.model(model), CATALOG.server(server), precision, ranks, engine, tuning)


@dataclass
class MadeUp:
    """Tables of some engines; `wrong` makes single steps of vLLM slower (above 1) or faster."""

    level: float = 1.0
    fixed: float = 1.0
    engines: tuple[str, ...] = ("vllm", "sglang", "trtllm")
    wrong: Mapping[Place, float] = field(default_factory=dict)
    missing: frozenset[Place] = frozenset()
    name: str = "made up 1.0"

    def tables(self, deployment: Deployment, engine: str) -> MadeUpTables:
        if engine not in self.engines:
            raise NotCovered(f"no tables of {engine}")
        return MadeUpTables(self, deployment, engine)


@dataclass
class MadeUpTables:
    tool: MadeUp
    deployment: Deployment
    engine: str

    @property
    def name(self) -> str:
        return f"tables of {self.engine}"

    def decode_s(self, batch: int, context_tokens: int) -> float:
        return self._seconds(("decode", batch, context_tokens))

    def prefill_s(self, prompt_tokens: int) -> float:
        return self._seconds(("prefill", 1, prompt_tokens))

    def _seconds(self, place: Place) -> float:
        if place in self.tool.missing:
            raise NotCovered("no data")
        step, batch, tokens = place
        model = steps(self.deployment, CATALOG, tokens)
        parts = model.decode(batch) if step == "decode" else model.prefill()
        wrong = self.tool.wrong.get(place, 1.0) if self.engine == "vllm" else 1.0
        return wrong * parts.at(self.tool.level, self.tool.fixed)
