"""Start-up: median of 10 warm runs of `groundplan --help`; fails when it is above 0.3 s."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from machine import machine

LIMIT_S = 0.3
RUNS = 10
PROGRAM = Path(sys.executable).with_name("groundplan")


def once_s() -> float:
    start = time.perf_counter()
    subprocess.run([PROGRAM, "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    once_s()
    times = [once_s() for _ in range(RUNS)]
    median = statistics.median(times)
    print(f"{machine()}\n--help: median {median:.3f} s of {RUNS}, {min(times):.3f} to {max(times):.3f} s")
    if median > LIMIT_S:
        sys.exit(f"above {LIMIT_S} s")


if __name__ == "__main__":
    main()
