"""Write a torch trace of any size, laid out as torch 2.8 to 2.11 does on an H100.

    python tests/benchmarks/large_trace.py OUT.json EVENTS [STEPS]

One pass is torch's preprocessing on the legacy stream, a copy on a stream of its own, an event that the next stream
waits for, a burst of kernels as onnxruntime launches them, a wait of the host, postprocessing and a copy back. STEPS is
how many `ProfilerStep#` ranges the passes are spread over; each pass is one when it is not given.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

PROCESS, TORCH, COPIES, ORT = 4242, 7, 20, 13
BASE_NS = 1_789_957_302_000_000_000
OPS = ("aten::add", "aten::mul", "aten::to", "aten::copy_", "aten::permute", "aten::cat", "aten::div", "aten::softmax")
TORCH_KERNELS = tuple(
    f"void at::native::vectorized_elementwise_kernel<4, at::native::{op}<float>, std::array<char*, 3ul> >(int, "
    f"at::native::{op}<float>, std::array<char*, 3ul>)"
    for op in ("CUDAFunctor_add", "MulFunctor", "DivFunctor")
)
ORT_KERNELS = tuple(
    f"sm80_xmma_fprop_implicit_gemm_f16f16_f16f32_f32_nhwckrsc_nhwc_tilesize{tile}_stage4_warpsize2x2x1_kernel_cudnn"
    for tile in ("128x128x32", "64x64x32", "128x64x64")
)
INPUT = (
    '"Concrete Inputs": ["", "", ""], "Input type": ["float", "", ""], '
    '"Input Strides": [[150528, 50176, 224, 1], [], []], "Input Dims": [[8, 3, 224, 224], [], []]'
)


class Writer:
    """Events as text, with the host's and the streams' time."""

    def __init__(self) -> None:
        self.random = Random(0)
        self.now_ns = 4_512_345_678_123
        self.free_ns = dict.fromkeys((TORCH, COPIES, ORT), self.now_ns)
        self.correlation = self.external = 100
        self.runs_ns: list[tuple[int, int]] = []
        self.nodes_ns: list[tuple[int, int, int]] = []
        """Begin and end of onnxruntime's runs, and (number, begin, end) of their nodes, one for each of its kernels."""

    def span(self, cat: str, name: str, place: tuple[int, int], start_ns: int, length_ns: int, args: str) -> str:
        pid, tid = place
        return (
            f'\n  {{\n    "ph": "X", "cat": "{cat}", "name": "{name}", "pid": {pid}, "tid": {tid},\n    '
            f'"ts": {us(start_ns)}, "dur": {us(length_ns)},\n    "args": {{\n      {args}\n    }}\n  }}'
        )

    def host(self, cat: str, name: str, start_ns: int, args: str) -> str:
        return self.span(cat, name, (PROCESS, PROCESS), start_ns, self.now_ns - start_ns, args)

    def call(self, name: str, length_ns: int, external: int = 0) -> str:
        self.correlation += 1
        start_ns, self.now_ns = self.now_ns, self.now_ns + length_ns
        linked = f'"External id": {external},\n      ' if external else ""
        return self.host("cuda_runtime", name, start_ns, f'{linked}"cbid": 211, "correlation": {self.correlation}')

    def flow(self, phase: str, place: tuple[int, int], at_ns: int) -> str:
        return (
            f'\n  {{\n    "ph": "{phase}", "id": {self.correlation}, "pid": {place[0]}, "tid": {place[1]}, '
            f'"ts": {us(at_ns)},\n    "cat": "ac2g", "name": "ac2g"{BINDING if phase == "f" else ""}\n  }}'
        )

    def launch(self, call: str, cat: str, name: str, stream: int, args: str, external: int = 0) -> Iterator[str]:
        """A call, the work that it launches, and the arrow that Kineto draws between them."""
        called_ns = self.now_ns
        yield self.call(call, self.random.randint(2500, 6000), external)
        yield self.flow("s", (PROCESS, PROCESS), called_ns)
        start_ns = max(self.free_ns[stream] + self.random.randint(600, 1500), self.now_ns + 500)
        length_ns = self.random.randint(1500, 40_000)
        self.free_ns[stream] = start_ns + length_ns
        linked = f'"External id": {external},\n      ' if external else ""
        placed = f'{linked}"device": 0, "context": 1,\n      "stream": {stream}, "correlation": {self.correlation}'
        yield self.span(cat, name, (0, stream), start_ns, length_ns, f"{placed},\n      {args}")
        yield self.flow("f", (0, stream), start_ns)

    def kernel(self, names: tuple[str, ...], stream: int, external: int = 0) -> Iterator[str]:
        grid = self.random.randint(1, 4096)
        args = (
            '"queued": 0, "registers per thread": 32,\n      "shared memory": 16384,\n      '
            f'"blocks per SM": 3.{grid:04},\n      "grid": [{grid}, 1, 1],\n      "block": [256, 1, 1],\n      '
            '"est. achieved occupancy %": 62'
        )
        return self.launch("cudaLaunchKernel", "kernel", self.random.choice(names), stream, args, external)

    def copy(self, name: str, stream: int, size_bytes: int) -> Iterator[str]:
        return self.launch("cudaMemcpyAsync", "gpu_memcpy", f"Memcpy {name}", stream, f'"bytes": {size_bytes}')

    def op(self) -> Iterator[str]:
        self.external += 1
        start_ns, external = self.now_ns, self.external
        self.now_ns += 800
        yield from self.kernel(TORCH_KERNELS, TORCH, external)
        self.now_ns += self.random.randint(500, 1500)
        yield self.host("cpu_op", self.random.choice(OPS), start_ns, f'"External id": {external}, {INPUT}')

    def wait(self, call: str, kind: str, stream: int, extra: str = "", duration_ns: int = 0) -> Iterator[str]:
        start_ns = self.now_ns
        yield self.call(call, max(duration_ns, 0) + 900)
        args = f'"cuda_sync_kind": "{kind}",{extra} "stream": {stream}, "correlation": {self.correlation}, "device": 0'
        yield self.span("cuda_sync", kind, (0, stream), start_ns, max(duration_ns, 0) + 700, args)

    def one_pass(self) -> Iterator[str]:
        for _ in range(12):
            yield from self.op()
        yield from self.copy("HtoD (Pinned -> Device)", COPIES, 4_816_896)
        yield self.call("cudaEventRecord", 900)
        recorded = f' "wait_on_stream": {COPIES}, "wait_on_cuda_event_record_corr_id": {self.correlation},'
        yield from self.wait("cudaStreamWaitEvent", "Stream Wait Event", ORT, recorded)
        begun_ns, self.now_ns = self.now_ns, self.now_ns + 9_000
        for number in range(KERNELS_OF_A_RUN):
            node_ns, self.now_ns = self.now_ns, self.now_ns + 3_000
            yield from self.kernel(ORT_KERNELS, ORT)
            self.now_ns += self.random.randint(4_000, 8_000)
            self.nodes_ns.append((number, node_ns, self.now_ns - 2_000))
        yield from self.wait("cudaStreamSynchronize", "Stream Sync", ORT, duration_ns=self.free_ns[ORT] - self.now_ns)
        self.now_ns += 5_000
        self.runs_ns.append((begun_ns, self.now_ns))
        for _ in range(6):
            yield from self.op()
        yield from self.copy("DtoH (Device -> Pageable)", TORCH, 4000)
        self.now_ns += self.random.randint(1000, 200_000)

    def step(self, number: int, start_ns: int) -> str:
        self.external += 1
        return self.host("user_annotation", f"ProfilerStep#{number}", start_ns, f'"External id": {self.external}')


BINDING = ', "bp": "e"'
EVENTS_OF_A_PASS = 296
KERNELS_OF_A_RUN = 48


def us(time_ns: int) -> str:
    return f"{time_ns // 1000}.{time_ns % 1000:03}"


def write(path: Path, events: int, steps: int | None = None) -> Writer:
    """Write at least so many events, whole passes; returns what they were written by."""
    writer, passes = Writer(), -(-events // EVENTS_OF_A_PASS)
    per_step = max(passes // steps, 1) if steps else 1
    with path.open("w", buffering=1 << 22) as file:
        file.write(
            '{\n  "schemaVersion": 1,\n  "deviceProperties": [{"id": 0, "name": "NVIDIA H100 80GB HBM3"}],\n  '
            f'"displayTimeUnit": "ms",\n  "baseTimeNanoseconds": {BASE_NS},\n  "traceEvents": ['
        )
        begun_ns = writer.now_ns
        for number in range(passes):
            file.write(",".join(writer.one_pass()) + ",")
            if (number + 1) % per_step == 0:
                file.write(writer.step(number // per_step, begun_ns) + ",")
                begun_ns = writer.now_ns
        file.write(
            f'\n  {{\n    "ph": "X", "cat": "Trace", "ts": 0.000, "dur": {us(writer.now_ns)},\n    "pid": "Spans", '
            '"tid": "PyTorch Profiler",\n    "name": "PyTorch Profiler (0)",\n    "args": {\n      "Op count": 0\n    '
            '}\n  },\n  {\n    "name": "Record Window End", "ph": "i", "s": "g", "pid": "", "tid": "", "ts": '
            f'{us(writer.now_ns)}\n  }}\n  ],\n  "traceName": "large"\n}}\n'
        )
    return writer


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else None)
