"""Programs with one fault each of what rules F, N and G speak about, and programs that nearly have it.

    python tests/benchmarks/faulty_programs_nodes.py NAME         # on a GPU
    ortprobe trace tests/benchmarks/faulty_programs_nodes.py NAME
    python tests/benchmarks/faulty_programs_nodes.py --list

Each makes one session on a stream of its own and runs it `ROUNDS` times.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread

import torch  # isort: skip
import numpy as np
import onnx
import onnxruntime as ort
from faulty_models import activations, casts, convolutions, selections, shapes_on_the_cpu, slices
from workload_models import encoder, resnet50, tiny

ROUNDS = 40
DEVICE = "cuda"

PROGRAMS: dict[str, Callable[[], None]] = {}
EXPECTED: dict[str, str] = {}
"""What is planted in each program, and the code of the rule that should find it; `healthy` for those that nearly
have it, with the code of the rule that should pass."""


def program(expectation: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register a program by its name."""

    def register(run: Callable[[], None]) -> Callable[[], None]:
        PROGRAMS[run.__name__], EXPECTED[run.__name__] = run, expectation
        return run

    return register


class Loop:
    """A session on a stream that torch works on too, so that copies, runs and clones are in order."""

    def __init__(
        self, model: onnx.ModelProto, *, level: ort.GraphOptimizationLevel | None = None, **cuda_options: str
    ) -> None:
        self.stream = torch.cuda.Stream()
        options = ort.SessionOptions()
        if level is not None:
            options.graph_optimization_level = level
        cuda = {"user_compute_stream": str(self.stream.cuda_stream), **cuda_options}
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "model.onnx"
        onnx.save(model, path)
        self.session = ort.InferenceSession(
            path, options, providers=[("CUDAExecutionProvider", cuda), "CPUExecutionProvider"]
        )
        assert "CUDAExecutionProvider" in self.session.get_providers()
        self.output = self.session.get_outputs()[0].name
        self.results: list[torch.Tensor] = []

    def bind(self, x: torch.Tensor, y: torch.Tensor | None = None) -> ort.IOBinding:
        """A binding of this input, and of this output or one that ORT allocates."""
        binding = self.session.io_binding()
        binding.bind_input("x", DEVICE, 0, np.float32, list(x.shape), x.data_ptr())
        if y is None:
            binding.bind_output(self.output, DEVICE)
        else:
            binding.bind_output(self.output, DEVICE, 0, np.float32, list(y.shape), y.data_ptr())
        return binding

    def fixed(self, *shape: int, rounds: int = ROUNDS, options: ort.RunOptions | None = None) -> None:
        """One buffer of this shape, bound once and filled anew in every round."""
        with torch.cuda.stream(self.stream):
            x, data = torch.zeros(shape, device=DEVICE), torch.randn(shape, device=DEVICE)
            binding = self.bind(x)
            for _ in range(rounds):
                x.copy_(data)
                self.session.run_with_iobinding(binding, options)
        torch.cuda.synchronize()

    def changing(self, shapes: list[tuple[int, ...]]) -> None:
        """An input of another shape in each round, bound anew."""
        with torch.cuda.stream(self.stream):
            for shape in shapes:
                x = torch.randn(shape, device=DEVICE)
                self.session.run_with_iobinding(self.bind(x))
                self.stream.synchronize()
        torch.cuda.synchronize()


class GraphLoop(Loop):
    """A session that may capture a CUDA graph, with bound buffers."""

    def __init__(self) -> None:
        super().__init__(tiny(hardmax=False), enable_cuda_graph="1")
        self.x, self.y = (torch.zeros((16, 64), device=DEVICE) for _ in range(2))
        self.binding = self.bind(self.x, self.y)
        torch.cuda.synchronize()

    def step(self, binding: ort.IOBinding, x: torch.Tensor, options: ort.RunOptions | None = None) -> None:
        """A round with an input of its own; capturing forbids other CUDA calls, so all is done before."""
        with torch.cuda.stream(self.stream):
            x.copy_(torch.randn((16, 64), device=DEVICE))
            self.stream.synchronize()
            self.session.run_with_iobinding(binding, options)
            self.results.append(self.y.clone())
            self.stream.synchronize()


def plain_session(model: onnx.ModelProto) -> ort.InferenceSession:
    """A session on streams of onnxruntime's own, which it makes for each thread."""
    return ort.InferenceSession(model.SerializeToString(), providers=["CUDAExecutionProvider", "CPUExecutionProvider"])


@program("a new shape in every fourth run: F2")
def convolutions_of_new_shapes() -> None:
    """Every shape is used four times and never again."""
    Loop(convolutions()).changing([(2, 3, 64 + 16 * (number // 4), 64) for number in range(ROUNDS)])


@program("three shapes in turn: F2; healthy: F3")
def convolutions_of_three_shapes() -> None:
    """Each is new once, and onnxruntime keeps the plan of the last one alone."""
    Loop(convolutions()).changing([(2, 3, 64 + 16 * (number % 3), 64) for number in range(ROUNDS)])


@program("a new shape in every run: F3")
def encoder_of_ever_new_shapes() -> None:
    """No batch has a size that was there before."""
    Loop(encoder(hardmax=False, layers=2)).changing([(1 + number, 64, 256) for number in range(ROUNDS)])


@program("larger than ever in every second run: F4")
def arena_grows_with_the_batch() -> None:
    """The arena takes what is asked for and no more, and batches grow."""
    loop = Loop(encoder(hardmax=False, layers=2), arena_extend_strategy="kSameAsRequested")
    loop.changing([(8 + 8 * (number // 2), 64, 256) for number in range(ROUNDS)])


@program("memory given back after every run: F4")
def arena_shrinks_after_each_run() -> None:
    """Each run gives the arena's memory back, and the next one asks the driver for it again."""
    options = ort.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "gpu:0")
    loop = Loop(encoder(hardmax=False, layers=2), arena_extend_strategy="kSameAsRequested")
    loop.fixed(64, 64, 256, options=options)


@program("healthy: F4")
def largest_batch_first() -> None:
    """The same batches, the largest first: then the arena holds what the others need."""
    loop = Loop(encoder(hardmax=False, layers=2), arena_extend_strategy="kSameAsRequested")
    loop.changing([(8 + 8 * (19 - number // 2), 64, 256) for number in range(ROUNDS)])


@program("a thread for every run: F5")
def thread_for_each_run() -> None:
    """Like a server that makes a thread for each request; onnxruntime makes a stream and handles for each."""
    session = plain_session(encoder(hardmax=False, layers=2))
    x = np.ones((8, 64, 256), np.float32)
    for _ in range(ROUNDS):
        thread = Thread(target=session.run, args=(None, {"x": x}))
        thread.start()
        thread.join()


@program("healthy: F5")
def pool_of_two_threads() -> None:
    """The same on two threads that stay."""
    session = plain_session(encoder(hardmax=False, layers=2))
    x = np.ones((8, 64, 256), np.float32)
    with ThreadPoolExecutor(2) as pool:
        for request in [pool.submit(session.run, None, {"x": x}) for _ in range(ROUNDS)]:
            request.result()


@program("nodes on the CPU: N1, and their copies: N2")
def nodes_on_the_cpu() -> None:
    """An operator that only the CPU has, between layers."""
    Loop(encoder(hardmax=True)).fixed(8, 64, 256)


@program("healthy: N1, N2")
def shapes_computed_on_the_cpu() -> None:
    """ORT leaves what is computed from shapes to the CPU, where it costs next to nothing and no copy."""
    Loop(shapes_on_the_cpu()).fixed(64, 256)


@program("copies for inputs that must be on the host: N2")
def bounds_computed_on_the_gpu() -> None:
    """`Slice` wants its bounds on the host, and the GPU has computed them."""
    Loop(slices(of_data=True)).fixed(64, 256)


@program("healthy: N2")
def bounds_known_before() -> None:
    """The same with bounds that are constant."""
    Loop(slices(of_data=False)).fixed(64, 256)


@program("waits inside nodes: N3")
def selected_by_indices() -> None:
    """`NonZero` has to know on the host how many there are."""
    Loop(selections(of_data=True)).fixed(512, 256)


@program("healthy: N3")
def selected_by_mask() -> None:
    """The same sum by a mask."""
    Loop(selections(of_data=False)).fixed(512, 256)


@program("launch-bound: N4")
def tiny_kernels() -> None:
    """80 nodes of which each takes the GPU less than the host needs to launch it."""
    Loop(tiny(hardmax=False)).fixed(16, 64)


@program("GPU-bound: N5; healthy: N4, N6, N7")
def large_kernels() -> None:
    """ResNet-50 with a batch that fills the GPU."""
    Loop(resnet50(hardmax=False), cudnn_conv_algo_search="HEURISTIC").fixed(64, 3, 224, 224)


@program("casts: N6")
def casts_between_layers() -> None:
    """Every second kernel only turns the elements into another type."""
    Loop(casts()).fixed(16, 1024, 1024)


@program("healthy: N6")
def one_precision() -> None:
    """The same layers without casts."""
    Loop(activations()).fixed(16, 1024, 1024)


@program("optimisation off: N7")
def optimisation_off() -> None:
    """Nothing is fused."""
    Loop(encoder(hardmax=False), level=ort.GraphOptimizationLevel.ORT_DISABLE_ALL).fixed(8, 64, 256)


@program("healthy: N7")
def optimisation_on() -> None:
    """The same as ORT does it by itself."""
    Loop(encoder(hardmax=False)).fixed(8, 64, 256)


@program("a CUDA graph is asked for, and each run says no: G1")
def graph_switched_off_by_each_run() -> None:
    """`gpu_graph_id` -1 means: no graph for this run."""
    options = ort.RunOptions()
    options.add_run_config_entry("gpu_graph_id", "-1")
    loop = GraphLoop()
    for _ in range(ROUNDS):
        loop.step(loop.binding, loop.x, options)


@program("a CUDA graph is captured again on each thread: G1")
def graph_on_a_new_thread_each_time() -> None:
    """onnxruntime keeps a graph for each thread."""
    loop = GraphLoop()
    for _ in range(ROUNDS // 2):
        thread = Thread(target=loop.step, args=(loop.binding, loop.x))
        thread.start()
        thread.join()


@program("healthy: G1, G2, N4")
def graph_replayed() -> None:
    """One binding, filled anew in every round."""
    loop = GraphLoop()
    for _ in range(ROUNDS):
        loop.step(loop.binding, loop.x)


@program("a buffer that the captured graph does not know: G2")
def graph_with_other_buffers() -> None:
    """The second binding has an input of its own, and the graph reads the first one's."""
    loop = GraphLoop()
    other = torch.zeros_like(loop.x)
    rebound = loop.bind(other, loop.y)
    for number in range(ROUNDS):
        loop.step(*((loop.binding, loop.x) if number < ROUNDS // 2 else (rebound, other)))


@program("healthy: G1, G2")
def graph_for_each_binding() -> None:
    """Two bindings in turn, each with a `gpu_graph_id` of its own."""
    loop = GraphLoop()
    other = torch.zeros_like(loop.x)
    bound = [(loop.binding, loop.x), (loop.bind(other, loop.y), other)]
    options = [ort.RunOptions() for _ in bound]
    for number, each in enumerate(options):
        each.add_run_config_entry("gpu_graph_id", str(number + 1))
    for number in range(ROUNDS):
        loop.step(*bound[number % 2], options[number % 2])


if __name__ == "__main__":
    if sys.argv[1] == "--list":
        print("\n".join(f"{name:<34}{expectation}" for name, expectation in EXPECTED.items()))
    else:
        if hasattr(ort, "preload_dlls"):
            ort.preload_dlls()
        torch.cuda.init()
        PROGRAMS[sys.argv[1]]()
