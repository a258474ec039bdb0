"""All figures that a budget can limit."""

from __future__ import annotations

from ortprobe.rules.gate.counts import COUNTS
from ortprobe.rules.gate.measured import Metric
from ortprobe.rules.gate.per_run import PER_RUN
from ortprobe.rules.gate.times import TIMES

METRICS: tuple[Metric, ...] = (*COUNTS, *PER_RUN, *TIMES)
