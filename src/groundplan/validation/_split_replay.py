"""Disaggregated serving replayed: clients that keep prefill and decode workers busy.

A prefill worker takes a prompt for each of its data groups at once. The cache is then with the decode worker that has
the fewest requests, and all sequences there gain tokens at the pace of its batch. What sending the cache takes, rows do
not tell, and it is left out.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from groundplan.perf import serving as perf
from groundplan.validation._serving_replay import ENGINE_BATCH, MOST_REQUESTS, uniform_lengths
from groundplan.validation._serving_rows import Case, Variant

Floats = NDArray[np.float64]
SPLIT = frozenset({"split tpot", "split ttft"})


def split_answers(cases: Sequence[Case], c: perf.Constants) -> Floats:
    """Predictions [len(cases)] in the unit of each row."""
    return np.array([_answer(case, c) for case in cases], dtype=float)


def _answer(case: Case, c: perf.Constants) -> float:
    (decode,) = case.variants
    assert decode.prefill is not None
    found = replay(case, decode, decode.prefill, c)
    if case.quantity == "tpot":
        return float(found.tpot_s.mean()) * case.factor
    front = float(c.front_s[int(decode.terms.engine)])
    return (front + float(found.ttft_s.mean()) * (c.moe_prefill_factor if case.moe else 1.0)) * case.factor


@dataclass(frozen=True, slots=True)
class Replay:
    """Seconds to the first token, and to each one after it, by request."""

    ttft_s: Floats
    tpot_s: Floats


def replay(case: Case, decode: Variant, prefill: Variant, c: perf.Constants) -> Replay:
    """Clients that each send the next request when one is answered, until those of the row have been sent."""
    clients = max(1, round(case.concurrency))
    count = min(round(clients * case.waves), max(MOST_REQUESTS, 2 * clients))
    prompts, outputs = uniform_lengths(case.prompt, case.output, case.spread, count)
    first = [Prefiller(prefill_s(prefill, c, case.prompt)) for _ in range(round(prefill.replicas))]
    second = [Decoder(token_s(decode, c, case, clients)) for _ in range(round(decode.replicas))]
    return Clients(first, second, prompts / case.prompt, np.maximum(outputs - 1.0, 1.0)).run(clients)


def prefill_s(worker: Variant, c: perf.Constants, prompt: float) -> Floats:
    """[groups + 1] seconds of so many prompts of mean length together, each in a data group of its own."""
    groups = int(worker.terms.data)
    together = [replace(worker.terms, data=np.asarray(float(count))) for count in range(1, groups + 1)]
    counts = np.arange(1.0, groups + 1.0)
    seconds = perf.alone_s(perf.Terms.stack(together), c, counts, np.full(groups, prompt))
    return np.concatenate([[0.0], seconds])


def token_s(worker: Variant, c: perf.Constants, case: Case, clients: int) -> Floats:
    """[batch + 1] seconds in which each of so many sequences gains a token; the batch is what fits."""
    asked = perf.Asked(np.array([case.prompt]), np.array([case.output]))
    held = int(perf.batch_in_memory(worker.terms, asked, np.array([1.0]))[0])
    most = max(1, min(held, ENGINE_BATCH * int(worker.terms.data), clients))
    batch = np.arange(1.0, most + 1.0)
    context = perf.mean_context(asked) + 0.0 * batch
    return np.concatenate([[0.0], perf.decode_s(worker.terms, c, batch, context, worker.drafts)])


@dataclass(slots=True)
class Prefiller:
    """A prefill worker."""

    together_s: Floats
    free_s: float = 0.0


@dataclass(slots=True)
class Decoder:
    """A decode worker: sequences share its steps, so all of them are at the same speed."""

    token_s: Floats
    progress: float = 0.0
    """Tokens gained since the start by a sequence that ran all the time."""
    at_s: float = 0.0
    ends: list[tuple[float, int]] = field(default_factory=list)
    """Progress at which each running request ends."""
    waiting: deque[tuple[float, int]] = field(default_factory=deque)
    """Tokens that each request without a place still wants."""

    @property
    def load(self) -> int:
        """Requests here."""
        return len(self.ends) + len(self.waiting)

    @property
    def next_end_s(self) -> float:
        """When the first of the running requests ends, if nobody joins."""
        if not self.ends:
            return float("inf")
        return self.at_s + (self.ends[0][0] - self.progress) * float(self.token_s[len(self.ends)])

    def join(self, now_s: float, tokens: float, request: int) -> None:
        """A request with its cache; it waits where the batch is full."""
        if self.ends:
            self.progress += (now_s - self.at_s) / float(self.token_s[len(self.ends)])
        self.at_s = now_s
        self._place(tokens, request)

    def leave(self) -> tuple[float, int]:
        """When the first request ends, and which; who has waited longest takes its place."""
        self.at_s = self.next_end_s
        self.progress, request = heapq.heappop(self.ends)
        if self.waiting:
            self._place(*self.waiting.popleft())
        return self.at_s, request

    def _place(self, tokens: float, request: int) -> None:
        if len(self.ends) < len(self.token_s) - 1:
            heapq.heappush(self.ends, (self.progress + tokens, request))
        else:
            self.waiting.append((tokens, request))


class Clients:
    """A closed loop over both stages."""

    def __init__(
        self, prefillers: Sequence[Prefiller], decoders: Sequence[Decoder], prompts: Floats, outputs: Floats
    ) -> None:
        """prompts: lengths over their mean; outputs: tokens after the first."""
        self.prefillers, self.decoders = list(prefillers), list(decoders)
        self.prompts, self.outputs = prompts, outputs
        self.queue: deque[int] = deque()
        self.arriving: list[tuple[float, int]] = []
        self.sent, self.ready, self.ended = (np.zeros(len(prompts)) for _ in range(3))

    def run(self, clients: int) -> Replay:
        """All clients start at once; one request each at a time."""
        first = min(clients, len(self.prompts))
        self.queue.extend(range(first))
        following, now = first, 0.0
        self._prefill(now)
        while self.arriving or any(worker.ends for worker in self.decoders):
            worker = min(self.decoders, key=lambda one: one.next_end_s)
            if self.arriving and self.arriving[0][0] <= worker.next_end_s:
                now, request = heapq.heappop(self.arriving)
                min(self.decoders, key=lambda one: one.load).join(now, float(self.outputs[request]), request)
            else:
                now, request = worker.leave()
                self.ended[request] = now
                if following < len(self.prompts):
                    self.sent[following] = now
                    self.queue.append(following)
                    following += 1
            self._prefill(now)
        return Replay(self.ready - self.sent, (self.ended - self.ready) / self.outputs)

    def _prefill(self, now_s: float) -> None:
        """Every idle prefill worker takes what it can of the queue."""
        for worker in self.prefillers:
            if self.queue and worker.free_s <= now_s:
                taken = [self.queue.popleft() for _ in range(min(len(self.queue), len(worker.together_s) - 1))]
                longest = float(self.prompts[taken].max())
                worker.free_s = now_s + float(worker.together_s[len(taken)]) * longest
                for request in taken:
                    self.ready[request] = worker.free_s
                    heapq.heappush(self.arriving, (worker.free_s, request))
