"""Files that are made to fill the memory or to take for ever: read or refused within 2 GB, in time with their size."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import ENVIRONMENT

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TESTS = Path(__file__).parents[1]
MOST_BYTES = (2 << 30) + (512 << 20)
"""Address space: 2 GB, and what the interpreter and its libraries map."""
MOST_S = 120
BOMB_BYTES = 66 << 20
DEPTH = 100_000
MANY_EVENTS = 100_000 if "ORTPROBE_FUZZ_EXAMPLES" in os.environ else 20_000
"""What compares each with each takes minutes for either."""
READER = """
import resource, sys, warnings
from pathlib import Path
warnings.simplefilter("error")
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
from hostile import read
for path in sys.argv[2:]:
    kind = Path(path).name.partition("-")[0]
    timeline = read(**{kind: Path(path)})
    print(Path(path).name, "refused" if timeline is None else len(timeline.spans))
"""


def read_all(folder: Path) -> dict[str, str]:
    """For each file `KIND-NAME` how many spans were read of it, or that it was refused."""
    paths = sorted(map(str, folder.iterdir()))
    environment = {**ENVIRONMENT, "PYTHONPATH": os.pathsep.join((str(TESTS), ENVIRONMENT["PYTHONPATH"])),
                   "OPENBLAS_NUM_THREADS": "1"}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", READER, str(MOST_BYTES), *paths],
        capture_output=True, text=True, env=environment, timeout=MOST_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-2_000:]
    return dict(line.split() for line in done.stdout.splitlines())


def event(number: int, **changes: object) -> bytes:
    """One CUDA call of a torch trace as JSON; `changes` are its fields."""
    fields = {"ph": '"X"', "cat": '"cuda_runtime"', "name": '"cudaLaunchKernel"', "pid": 1, "tid": 1, "ts": number,
              "dur": 1, "args": f'{{"correlation":{number}}}', **changes}  # fmt: skip
    return ("{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}").encode()


def trace(*events: bytes) -> bytes:
    return b'{"traceEvents": [' + b",".join(events) + b"]}"


def between(middle: bytes) -> bytes:
    """A trace with something between two good events."""
    return trace(event(1), middle, event(2))


BOMBS = {
    "torch-blanks": (gzip.compress, b"", b" "),
    "torch-events": (gzip.compress, b'{"traceEvents": [', b'{"ph":"X","cat":"kernel","ts":1},'),
    "torch-endless-string": (zstd.compress, b'{"traceEvents": [{"name":"', b"a"),
    "torch-escaped-quotes": (zstd.compress, b'{"', b'\\"'),
    "ort-blanks": (zstd.compress, b"[", b" "),
}


def test_bombs_are_refused(tmp_path: Path) -> None:
    for name, (pack, start, piece) in BOMBS.items():
        (tmp_path / name).write_bytes(pack(start + piece * (BOMB_BYTES // len(piece))))
    assert set(read_all(tmp_path).values()) == {"refused"}


OPEN, OBJECTS = b"[" * DEPTH, b'{"a":' * DEPTH
CLOSED, CLOSED_OBJECTS = OPEN + b"]" * DEPTH, OBJECTS + b"1" + b"}" * DEPTH
DEEP = {
    "ort-top": (OPEN, "refused"),
    "torch-top": (OPEN, "refused"),
    "torch-top-objects": (OBJECTS, "refused"),
    "torch-event": (between(CLOSED), "refused"),
    "torch-args": (between(b'{"ph":"X","args":' + CLOSED + b"}"), "2"),
    "torch-args-objects": (between(b'{"ph":"X","args":' + CLOSED_OBJECTS + b"}"), "2"),
    "torch-head": (b'{"x":' + CLOSED + b"," + trace(event(1))[1:], "1"),
    "torch-device-name": (
        b'{"deviceProperties":[{"name":' + b"[" * 900 + b"]" * 900 + b"}]," + trace(event(1))[1:],
        "1",
    ),
    "torch-tail": (trace(event(1))[:-1] + b',"x":' + CLOSED + b"}", "1"),
}
ODD = {
    "torch-closes-in-name": (between(event(2, name='"' + "}]" * (2 << 20) + '"')), "3"),
    "torch-closes-cut": (trace(event(1)) [:-2] + b',{"ph":"X","name":"' + b"}]" * (2 << 20), "1"),
    "torch-cuts-in-name": (between(event(2, name='"' + '},{"ph":' * (1 << 17) + '"')), None),
    "torch-quotes": (between(b'{"ph":"X","name":"' + b'\\"' * (1 << 20) + b"}"), None),
    "torch-quotes-before-key": (b'{"' + b'\\"' * (1 << 20) + trace(event(1)), "1"),
    "torch-long-broken-string": (between(b'{"ph":"X","name":"' + b"a" * (16 << 20) + b'",1}'), "2"),
    "torch-names-of-names": (between(b'{"ph":"X",' + b'"name":"' * (1 << 17) + b"}"), None),
    "torch-controls-in-name": (between(event(2, name='"' + "\x01" * (1 << 20) + '"')), "3"),
    "torch-long-grid": (between(event(2, cat='"kernel"', args='{"grid":[' + f"{1 << 62}," * (1 << 18) + "1]}")), "3"),
    "torch-long-key": (b'{"' + b"a" * (16 << 20), "refused"),
    "ort-numbers": (b"[" + b"1," * (8 << 20), "refused"),
    "ort-empty-objects": (b"[" + b"{}," * (4 << 20), "refused"),
    "ort-meaningless": (b"[" + b'{"s":0},' * (1 << 20), "refused"),
}  # fmt: skip


@pytest.mark.parametrize("cases", [DEEP, ODD], ids=["deep", "odd"])
def test_one_hostile_event_costs_no_other(cases: dict[str, tuple[bytes, str | None]], tmp_path: Path) -> None:
    for name, (text, _) in cases.items():
        (tmp_path / name).write_bytes(text)
    found = read_all(tmp_path)
    assert {name: found[name] for name, (_, spans) in cases.items() if spans} == {
        name: spans for name, (_, spans) in cases.items() if spans
    }


def stream_event(number: int) -> bytes:
    args = f'{{"correlation":{number},"device":0,"stream":{number}}}'
    return event(number, cat='"kernel"', pid=0, tid=7, args=args)


MANY: dict[str, Callable[[int], bytes]] = {
    "torch-threads": lambda number: event(number, tid=number),
    "torch-processes": lambda number: event(number, pid=number, tid=number),
    "torch-names": lambda number: event(number, name=f'"cuda{number}"'),
    "torch-categories": lambda number: event(number, cat=f'"c{number}"' if number else '"cpu_op"'),
    "torch-captures": lambda number: event(
        number, tid=number // 2, name='"cudaStreamBeginCapture"' if number % 2 else '"cudaLaunchKernel"'
    ),
    "torch-streams": stream_event,
    "ort-threads": lambda number: event(number, cat='"Node"', name='"a_kernel_time"', tid=number, args="{}"),
    "ort-nodes": lambda number: event(number, cat='"Node"', name=f'"n{number}_kernel_time"', args="{}"),
    "ort-runs": lambda number: event(number, cat='"Session"', name='"model_run"', tid=number, args="{}"),
}


def test_many_of_anything_cost_as_much_as_few(tmp_path: Path) -> None:
    for name, one in MANY.items():
        events = [one(number) for number in range(MANY_EVENTS)]
        (tmp_path / name).write_bytes(trace(*events) if name.startswith("torch") else b"[" + b",".join(events) + b"]")
    found = read_all(tmp_path)
    assert {name: found[name] for name in MANY} == {
        name: "1" if name == "torch-categories" else str(MANY_EVENTS) for name in MANY
    }
