"""Image models as others use them: work of a frame, constants of engines, and the time of a call."""

from groundplan.perf._frames import (
    SHARED_FORMATS,
    FrameConstants,
    FrameFile,
    FrameWork,
    compute_format,
    frame_file,
    frame_work,
    frames_s,
    stream_s,
    work_s,
)

__all__ = [
    "SHARED_FORMATS",
    "FrameConstants",
    "FrameFile",
    "FrameWork",
    "compute_format",
    "frame_file",
    "frame_work",
    "frames_s",
    "stream_s",
    "work_s",
]
