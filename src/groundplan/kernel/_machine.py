"""Machine code of the loops, kept between runs.

numba translates a loop once for this processor, which takes seconds; every later run loads the result through llvmlite
alone, because numba takes longer to start than a pool takes to simulate.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from ._check import IntArray

HERE = Path(__file__).parent
DIGEST_BYTES = 32


@dataclass(frozen=True)
class Loop:
    """A function of a module of this room, compiled: it takes int64 arrays, changes them and returns nothing.

    Arrays must be contiguous and as large as the function expects: machine code does not check.
    """

    module: str
    name: str
    arrays: int

    def __call__(self, *arrays: IntArray) -> None:
        self._function(*(array.ctypes.data for array in arrays))

    @cached_property
    def _function(self) -> Callable[..., None]:
        prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * self.arrays)
        return prototype(self._engine.get_function_address(self.name))

    @cached_property
    def _engine(self) -> Any:
        """Holds the machine code in memory."""
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target())
        engine.add_object_file(llvm.ObjectFileRef.from_data(self._code()))
        engine.finalize_object()
        return engine

    def _code(self) -> bytes:
        """The object file, from an earlier run where there is one."""
        name = f"{self.module}.{self.name}-{self._key()}.o"
        kept = (code for folder in _folders() if (code := _read(folder / name)) is not None)
        if (code := next(kept, None)) is None:
            code = self._compiled()
            any(_written(folder / name, code) for folder in _folders())
        return code

    def _key(self) -> str:
        """What the machine code depends on: sources, compiler (each llvmlite has its numba) and processor."""
        names = (self.module, "_check", "_columns", "_machine")
        sources = b"".join((HERE / f"{name}.py").read_bytes() for name in names)
        processor = (llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())
        return sha256(sources + "|".join((llvmlite.__version__, *processor)).encode()).hexdigest()[:16]

    def _compiled(self) -> bytes:
        from numba import cfunc, types

        function = getattr(import_module(f"{__package__}.{self.module}"), self.name)
        made = cfunc(types.void(*[types.CPointer(types.int64)] * self.arrays), error_model="numpy")(function)
        return _object(made.inspect_llvm(), made.native_name, self.name)


def _target() -> Any:
    features = llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(llvm.get_host_cpu_name(), features, opt=3, reloc="pic", codemodel="small")


def _object(assembly: str, symbol: str, name: str) -> bytes:
    """Machine code of one function, optimised as a whole: it depends on nothing of numba's."""
    module = llvm.parse_assembly(assembly)
    module.get_function(symbol).name = name
    for part in (*module.functions, *module.global_variables):
        if not part.is_declaration and part.name != name:
            part.linkage = "internal"
    target = _target()
    builder = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=3))
    builder.getModulePassManager().run(module, builder)
    foreign = [part.name for part in module.functions if part.is_declaration and not part.name.startswith("llvm.")]
    assert not foreign, f"{name} depends on {', '.join(foreign)}"
    return target.emit_object(module)


def _folders() -> Iterator[Path]:
    """Where machine code is kept: beside the sources, or where that is not allowed in the user's cache."""
    yield HERE / "__pycache__"
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if os.path.isabs(home):  # without a home there is no cache
        yield Path(home) / "groundplan"


def _read(path: Path) -> bytes | None:
    """What was written; None where nothing was, or where it is not whole."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, code = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    return code if sha256(code).digest() == digest else None


def _written(path: Path, code: bytes) -> bool:
    """Write all or nothing, so that runs at the same time do not meet halves."""
    part = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(sha256(code).digest() + code)
        part.replace(path)
    except OSError:
        return False
    return True


run_pool = Loop("_engine_jit", "run_pool", 8)
run_closed = Loop("_engine_jit", "run_closed", 8)
run_queue = Loop("_queues_jit", "run_queue", 5)
run_batch_queue = Loop("_queues_jit", "run_batch_queue", 6)
