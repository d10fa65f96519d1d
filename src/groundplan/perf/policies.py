"""Robot policies as others use them: work on a roofline, and the stacks that run it."""

from groundplan.perf._call_anchor import Levels, covariance
from groundplan.perf._control import Asked, Phases, Roofline, layer_passes, policy_call, policy_phases, roofline_of
from groundplan.perf._stack import Calls, Host, Stack, StackFile, call_s, slow_cores, stack_file, unified_memory
from groundplan.perf._types import Refused

__all__ = [
    "Asked",
    "Calls",
    "Host",
    "Levels",
    "Phases",
    "Refused",
    "Roofline",
    "Stack",
    "StackFile",
    "call_s",
    "covariance",
    "layer_passes",
    "policy_call",
    "policy_phases",
    "roofline_of",
    "slow_cores",
    "stack_file",
    "unified_memory",
]
