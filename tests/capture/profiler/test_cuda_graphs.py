"""Anything that speaks for CUDA graphs keeps CUPTI where it is."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import captures
import pytest

from ortprobe.bundle import SessionCreated
from ortprobe.capture.hooks.patches import Patches
from ortprobe.capture.profiler.cuda_graphs import CudaGraphs


def created(provider: str = "CUDAExecutionProvider", **options: str) -> SessionCreated:
    return SessionCreated(
        session=0,
        owner=0,
        reason="constructor",
        start_ns=0,
        end_ns=1,
        thread=1,
        providers=(provider, "CPUExecutionProvider"),
        provider_options={provider: options, "CPUExecutionProvider": {}},
    )


def torch_of(cuda: str) -> tuple[SimpleNamespace, type]:
    class CUDAGraph:
        def __new__(cls) -> CUDAGraph:
            return super().__new__(cls)

    return SimpleNamespace(cuda=SimpleNamespace(CUDAGraph=CUDAGraph), version=SimpleNamespace(cuda=cuda)), CUDAGraph


def test_nothing_speaks_for_graphs_in_an_ordinary_program() -> None:
    graphs = CudaGraphs()
    graphs.hook_torch(Patches(), torch_of("13.0")[0])
    graphs.note_session(created(enable_cuda_graph="0", cudnn_conv_algo_search="EXHAUSTIVE"))
    assert graphs.may_exist() == ""


@pytest.mark.parametrize(
    "session",
    [
        created(enable_cuda_graph="1"),
        created("TensorrtExecutionProvider", trt_cuda_graph_enable="0"),
        created("NvTensorRTRTXExecutionProvider"),
    ],
)
def test_session_with_graphs_or_a_runtime_of_its_own(session: SessionCreated) -> None:
    graphs = CudaGraphs()
    graphs.note_session(session)
    assert graphs.may_exist()


def test_graph_made_through_torch() -> None:
    graphs = CudaGraphs()
    torch, graph = torch_of("13.0")
    patches = Patches()
    graphs.hook_torch(patches, torch)
    assert isinstance(graph(), graph)
    assert "torch" in graphs.may_exist()
    patches.restore()


def test_cuda_that_was_not_seen_to_survive_it() -> None:
    graphs = CudaGraphs()
    graphs.hook_torch(Patches(), torch_of("12.4")[0])
    assert "12.4" in graphs.may_exist()


def test_other_framework_in_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", ModuleType("cupy"))
    assert CudaGraphs().may_exist() == "cupy may make CUDA graphs"


@pytest.mark.parametrize(
    ("row", "in_use"),
    [
        ('{"name": "cudaGraphLaunch"}', True),
        ('{"name": "cudaGraphInstantiateWithFlags"}', True),
        ('{"name": "k", "args": {"graph id": 7}}', True),
        ('{"name": "k", "args": {"graph id": 0}}', False),
        ('{"name": "cudaGraphGetNodes"}, {"name": "cudaStreamBeginCapture"}', False),
    ],
)
@pytest.mark.parametrize("position", [0, (1 << 22) - 8, 5_000_000])
def test_graphs_at_work_show_in_a_trace(tmp_path: Path, row: str, in_use: bool, position: int) -> None:
    graphs = CudaGraphs()
    path = tmp_path / "torch-0.json"
    path.write_text(" " * position + row + " " * 100)
    graphs.note_trace(path)
    assert bool(graphs.may_exist()) == in_use


@pytest.mark.parametrize("name", ["missing-wait", "set-providers", "healthy"])
def test_graphs_with_which_cudnn_plans_are_none(tmp_path: Path, name: str) -> None:
    recorded = captures.DATA / "h100-examples" / f"{name}.ortprobe" / "torch-0.json.gz"
    path = tmp_path / "torch-0.json"
    path.write_bytes(gzip.decompress(recorded.read_bytes()))
    graphs = CudaGraphs()
    graphs.note_trace(path)
    assert graphs.may_exist() == ""
