"""A batching engine stepped one step at a time in plain Python: the oracle of the compiled one. It shares no code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Seq:
    """One request."""

    index: int
    arrival: int
    prompt: int
    output: int
    generated: int = 0
    cached: int = 0
    goal: int = 0
    decoding: bool = False
    first: int = -1
    finish: int = -1
    preemptions: int = 0


@dataclass
class Engine:
    """One replica: running in order of admission, waiting in order of service."""

    step: Any
    limits: Any
    clock: int = 0
    running: list[Seq] = field(default_factory=list)
    waiting: list[Seq] = field(default_factory=list)
    busy: int = 0
    steps: int = 0
    decode_tokens: int = 0
    prefill_tokens: int = 0
    batch_ps: int = 0
    ends: list[int] = field(default_factory=list)

    def blocks(self, tokens: int) -> int:
        return -(-tokens // self.limits.block_tokens)

    def free(self) -> int:
        return self.limits.kv_blocks - sum(self.blocks(max(s.cached, s.goal)) for s in self.running)

    def preempt(self) -> bool:
        """Make room for the decodes of this step."""
        any_out = False
        while True:
            need = sum(self.blocks(s.cached + 1) - self.blocks(s.cached) for s in self.running if s.decoding)
            if need <= self.free():
                return any_out
            out = self.running.pop()
            out.preemptions += 1
            out.cached = out.goal = 0
            out.decoding = False
            self.waiting.insert(0, out)
            any_out = True

    def prefill(self, budget: int) -> tuple[int, int]:
        tokens = pairs = 0
        while budget > 0:
            todo = [s for s in self.running if s.cached < s.goal]
            if not todo:
                if not self.waiting or len(self.running) >= self.limits.max_batch:
                    break
                head = self.waiting[0]
                if self.blocks(head.prompt + head.generated) > self.free():
                    break
                head.goal = head.prompt + head.generated
                self.running.append(self.waiting.pop(0))
                todo = [head]
            seq = todo[0]
            for _ in range(min(budget, seq.goal - seq.cached)):
                seq.cached += 1
                pairs += seq.cached
                tokens += 1
                budget -= 1
        return tokens, pairs

    def one_step(self) -> bool:
        """Run one step from `clock`; False when there is nothing to do."""
        if not self.running and not self.waiting:
            return False
        out = self.preempt()
        decodes = [s for s in self.running if s.decoding]
        context = sum(s.cached for s in decodes)
        for s in decodes:
            s.cached += 1
            s.goal = s.cached
        tokens, pairs = (0, 0) if out else self.prefill(self.limits.token_budget - len(decodes))
        took = self.duration(tokens, pairs, len(decodes), context)
        self.batch_ps += took * len(self.running)
        self.clock += took
        self.busy += took
        self.steps += 1
        self.decode_tokens += len(decodes)
        self.prefill_tokens += tokens
        for s in list(self.running):
            if s.decoding or s.cached == s.goal:
                s.decoding = True
                s.generated += 1
                s.first = self.clock if s.first < 0 else s.first
                if s.generated == s.output:
                    s.finish = self.clock
                    self.running.remove(s)
                    self.ends.append(self.clock)
        return True

    def duration(self, tokens: int, pairs: int, batch: int, context: int) -> int:
        st = self.step
        dense = int(st.decode_base_ps[batch])
        if tokens:
            n = tokens + batch
            i = max(j for j, b in enumerate(st.prefill_breaks) if b <= n)
            dense = max(
                dense, int(st.prefill_base_ps[i]) + int(st.prefill_slope_ps[i]) * (n - int(st.prefill_breaks[i]))
            )
        return dense + int(st.context_slope_ps[batch]) * context + pairs * st.pair_fs // 1000

    def run_to(self, time: int) -> None:
        """Start every step that starts before ``time``."""
        while self.clock < time and self.one_step():
            pass


def naive_pool(
    arrivals: list[int], prompts: list[int], outputs: list[int], step: Any, limits: Any, replicas: int, router: str
) -> tuple[list[Seq], list[Engine], list[int]]:
    """All requests through ``replicas`` engines, one step at a time."""
    pool = [Engine(step, limits) for _ in range(replicas)]
    seqs = [Seq(i, a, p, o) for i, (a, p, o) in enumerate(zip(arrivals, prompts, outputs, strict=True))]
    joined: list[list[Seq]] = [[] for _ in pool]
    chosen = []
    for seq in seqs:
        for engine in pool:
            engine.run_to(seq.arrival)
        left = [sum(1 for s in mine if not 0 <= s.finish < seq.arrival) for mine in joined]
        r = left.index(min(left)) if router == "least_loaded" else seq.index % replicas
        engine = pool[r]
        if not engine.running and not engine.waiting:
            engine.clock = max(engine.clock, seq.arrival)
        engine.waiting.append(seq)
        joined[r].append(seq)
        chosen.append(r)
    for engine in pool:
        while engine.one_step():
            pass
    return seqs, pool, chosen
