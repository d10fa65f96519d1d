"""The machine that a measurement ran on, in one line. Run as a script it prints it."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path


def machine() -> str:
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{name}, {cpus} CPUs, {platform.system()}, Python {sys.version.split()[0]}"


if __name__ == "__main__":
    print(machine())
