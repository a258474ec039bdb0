"""One pseudonym for each name: the same wherever it occurs in a bundle and its children, so that links survive."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

LEFT_OUT = "(left out)"

_TORCH_OP = re.compile(r"(aten|prim|prims|c10d?|cuda|profiler|torch|autograd|nccl)::[\w.:]+|ortprobe\.run#\d+")
_ANNOTATION = re.compile(r"ProfilerStep#\d+")
_THREAD = re.compile(r"(MainThread|Thread-\d+|Dummy-\d+|ThreadPoolExecutor-\d+_\d+)\b")
_PROVIDER = re.compile(r"\w{1,40}ExecutionProvider")
_HARMLESS_VALUE = re.compile(
    r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?|true|false|on|off|EXHAUSTIVE|HEURISTIC|DEFAULT|kNextPowerOfTwo|kSameAsRequested"
    r"|(ExecutionMode|GraphOptimizationLevel|ExecutionOrder)\.[A-Z_]+",
    re.IGNORECASE,
)
"""Numbers, truth values and words of ONNX Runtime's own: what is left can be a path, or the name of an input."""
_ENTRY = re.compile(
    r"(session|optimization|memory|mlas|ep|qnn)\.[\w.]{1,100}|disable_synchronize\w+|gpu_graph\w*", re.ASCII
)
"""Keys of configuration entries in ONNX Runtime's own areas, spelt well or not: others can be anybody's."""
_TRACE = re.compile(r"(ort|torch)-\d+(_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d)?")
_LIBRARY = re.compile(r"(?:.*/)?((?:concurrent/futures/thread|threading|onnxruntime/capi/onnxruntime_\w+)\.py)")
_TENSOR_TYPE = re.compile(r"(?P<type>[a-z]+\([a-z0-9_]+\))\[(?P<shape>.*)\]")
_SUFFIX = re.compile(r"\.\w{1,8}")


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Turns names into pseudonyms (`node_17`), numbered in the order in which names are first seen."""

    _known: dict[tuple[str, str], str] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)

    def of(self, kind: str, name: str, suffix: str = "") -> str:
        """`KIND_NUMBER`; what has no name gets none."""
        if not name:
            return ""
        if (kind, name) not in self._known:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._known[kind, name] = f"{kind}_{self._counts[kind]}{suffix}"
        return self._known[kind, name]

    def file(self, kind: str, path: str) -> str:
        """`/home/me/app.py` → `file_1.py`: the ending stays."""
        suffix = PurePosixPath(path.replace("\\", "/")).suffix
        return self.of(kind, path, suffix if _SUFFIX.fullmatch(suffix) else "")

    def site(self, site: str) -> str:
        """`/home/me/app.py:12` → `file_1.py:12`; lines of pools and of onnxruntime, which analyses know, stay."""
        path, _, line = site.rpartition(":")
        if not path or not line.isdecimal():
            return self.of("file", site)
        library = _LIBRARY.fullmatch(path.replace("\\", "/"))
        return f"{f'library/{library[1]}' if library else self.file('file', path)}:{line}"

    def torch_op(self, name: str) -> str:
        """Operations of torch's own keep their names, and so do ortprobe's marks; `mine::attention` is a name."""
        return name if _TORCH_OP.fullmatch(name) else self.of("op", name)

    def annotation(self, name: str) -> str:
        """All but the steps that torch's profiler counts."""
        return name if _ANNOTATION.fullmatch(name) else self.of("annotation", name)

    def thread(self, name: str) -> str:
        """Python's own names stay, without the function behind them (`Thread-1 (serve)`)."""
        own = _THREAD.match(name)
        return own[0] if own else self.of("thread", name)

    def provider(self, name: str) -> str:
        """Execution providers are code of ONNX Runtime or a vendor."""
        return name if _PROVIDER.fullmatch(name) else self.of("provider", name)

    def options(self, options: Mapping[str, str]) -> dict[str, str]:
        """Options keep their keys, and their values where those are numbers or words of ONNX Runtime."""
        return {
            key: value if _HARMLESS_VALUE.fullmatch(value) else self.of("option", value)
            for key, value in options.items()
        }

    def entries(self, entries: Mapping[str, str]) -> dict[str, str]:
        """Configuration entries, whose keys ONNX Runtime does not check."""
        named = {key if _ENTRY.fullmatch(key) else self.of("key", key): value for key, value in entries.items()}
        return self.options(named)

    def tensor_type(self, text: str) -> str:
        """`tensor(float)[batch,3]` → `tensor(float)[dim_1,3]`."""
        match = _TENSOR_TYPE.fullmatch(text)
        if match is None:
            return self.of("type", text)
        sizes = match["shape"].split(",")
        shape = ",".join(size if size.isdecimal() or size in ("?", "") else self.of("dim", size) for size in sizes)
        return f"{match['type']}[{shape}]"

    def process(self, name: str) -> str:
        """Name of a child's bundle: its process id, or a pseudonym."""
        return name if name.isdecimal() else self.of("child", name)

    def trace(self, name: str) -> str:
        """Name of a trace, without its compression: as a capture calls them, or a pseudonym."""
        stem = name.removesuffix(".gz").removesuffix(".zst").removesuffix(".json")
        return f"{stem if _TRACE.fullmatch(stem) else self.of('trace', stem)}.json" if name else ""
