"""What a capture writes into the recordings of other tools, and how it is found there again."""

from __future__ import annotations

RUN_MARK = "ortprobe.run#"
"""How the range of a run is called in torch's trace, with the run's number behind it."""
NVTX_DOMAIN = "ortprobe"
"""Where Nsight Systems finds the ranges of a capture."""
PROGRAM_RANGE = "program"
"""The range of that domain while which nsys records."""
