"""C sessions and what they replace; the program's options and its own profiling stay as they are."""

from __future__ import annotations

import queue
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import ortprobe
from ortprobe.bundle import ATTACHED_ORT_PROFILE, Bundle, Call, ProfileEnded, SessionCreated, read_bundle
from ortprobe.ingest import load_bundle
from ortprobe.timeline import NONE

FEEDS = {"x": np.ones((2, 3), np.float32)}
CPU = ["CPUExecutionProvider"]


def created(bundle: Bundle) -> list[SessionCreated]:
    return [record for record in bundle.records if isinstance(record, SessionCreated)]


def calls(bundle: Bundle, what: str) -> list[Call]:
    return [record for record in bundle.records if isinstance(record, Call) and record.what == what]


def test_session_options_are_put_back(tmp_path: Path, model: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    with ortprobe.trace(tmp_path, torch_profiler=False) as capture:
        session = onnxruntime.InferenceSession(model, options, providers=CPU)
        assert (options.enable_profiling, options.profile_file_prefix) == (False, "onnxruntime_profile_")
        session.run(None, FEEDS)
        assert session.end_profiling() == ""
        session.set_providers(CPU)
        assert (options.enable_profiling, options.profile_file_prefix) == (False, "onnxruntime_profile_")
    assert options.intra_op_num_threads == 1
    assert session.get_session_options().enable_profiling is False
    assert (capture.folder / "ort-0.json").stat().st_size > 0
    assert (capture.folder / "ort-1.json").stat().st_size > 0
    assert sorted(path.name for path in capture.folder.glob("ort-*")) == ["ort-0.json", "ort-1.json"]


def test_set_providers_makes_another_c_session_of_the_same_owner(tmp_path: Path, model: Path) -> None:
    with ortprobe.trace(tmp_path, torch_profiler=False) as capture:
        session = onnxruntime.InferenceSession(str(model), providers=CPU)
        other = onnxruntime.InferenceSession(model.read_bytes(), providers=CPU)
        session.set_providers(CPU)
        other.run(None, FEEDS)
    first, second, third = created(read_bundle(capture.folder))
    assert [first.reason, second.reason, third.reason] == ["constructor", "constructor", "set_providers"]
    assert [first.owner, second.owner, third.owner] == [0, 1, 0]
    assert [first.replaces, third.replaces] == [-1, first.session]
    assert first.model_path == str(model)
    assert second.model_bytes == model.stat().st_size
    assert third.inputs == ("x",)
    assert third.outputs == ("y", "z")
    assert third.providers == tuple(CPU)
    (call,) = calls(read_bundle(capture.folder), "set_providers")
    assert call.start_ns <= third.start_ns < third.end_ns <= call.end_ns


@pytest.mark.skipif(
    tuple(map(int, onnxruntime.__version__.split(".")[:2])) < (1, 30),
    reason="earlier releases use the freed session: an error, a crash or a hang",
)
def test_stale_binding_is_told_from_the_session_it_is_used_on(tmp_path: Path, model: Path) -> None:
    with ortprobe.trace(tmp_path, torch_profiler=False) as capture:
        session = onnxruntime.InferenceSession(str(model), providers=CPU)
        binding = session.io_binding()
        binding.bind_cpu_input("x", FEEDS["x"])
        binding.bind_output("y")
        session.set_providers(CPU)
        with pytest.raises(ValueError, match="IOBinding must be used with the session that created it"):
            session.run_with_iobinding(binding)
    bundle = read_bundle(capture.folder)
    (made,), (run,) = calls(bundle, "io_binding"), calls(bundle, "run_with_iobinding")
    assert made.binding == run.binding
    assert (made.session, run.session) == (0, 1)
    assert run.error == "ValueError: IOBinding must be used with the session that created it."
    (bound,) = calls(bundle, "bind_cpu_input")
    assert (bound.buffer, bound.read_address, bound.read_bytes) == ("x", FEEDS["x"].ctypes.data, 24)


def test_failed_creation_is_recorded_with_its_error(tmp_path: Path, model: Path) -> None:
    with ortprobe.trace(tmp_path, torch_profiler=False) as capture:
        with pytest.raises(Exception, match=r"missing\.onnx"):
            onnxruntime.InferenceSession("missing.onnx", providers=CPU, enable_fallback=0)
        session = onnxruntime.InferenceSession(str(model), providers=CPU)
        session.run(None, FEEDS)
    failed, good = created(read_bundle(capture.folder))
    assert "missing.onnx" in failed.error
    assert good.error == ""
    assert not list(capture.folder.glob(f"ort-{failed.session}*"))


def test_programs_own_profiling_is_left_alone(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = "mine"
    with ortprobe.trace(tmp_path, torch_profiler=False) as capture:
        session = onnxruntime.InferenceSession(model, options, providers=CPU)
        session.run(None, FEEDS)
        written = session.end_profiling()
        session.run(None, FEEDS)
    assert (options.enable_profiling, options.profile_file_prefix) == (True, "mine")
    assert written.startswith("mine_")
    assert Path(written).read_bytes() == (capture.folder / "ort-0.json").read_bytes()
    bundle = read_bundle(capture.folder)
    assert [run.attached for run in calls(bundle, "run")] == [ATTACHED_ORT_PROFILE, 0]
    assert created(bundle)[0].profile_prefix == ""
    assert [record.file for record in bundle.records if isinstance(record, ProfileEnded)] == ["ort-0.json"]


def test_options_named_in_a_call_are_kept(tmp_path: Path, model: Path) -> None:
    with ortprobe.trace(tmp_path, torch_profiler=False) as capture:
        session = onnxruntime.InferenceSession(
            str(model), providers=["CPUExecutionProvider"], provider_options=[{"one": 1}]
        )
        session.set_providers([("CPUExecutionProvider", {"two": 2})])
        with pytest.raises(Exception, match="nothing"):
            session.set_providers(["nothing"])
    first, second, failed = created(read_bundle(capture.folder))
    assert first.requested_options == {"CPUExecutionProvider": {"one": "1"}}
    assert second.requested_options == {"CPUExecutionProvider": {"two": "2"}}
    assert second.requested_providers == ("CPUExecutionProvider",)
    assert failed.requested_providers == ("nothing",)


def test_profile_of_a_deleted_session_is_kept(tmp_path: Path, model: Path) -> None:
    with ortprobe.trace(tmp_path, torch_profiler=False) as capture:
        for _ in range(3):
            onnxruntime.InferenceSession(str(model), providers=CPU).run(None, FEEDS)
    ended = [record for record in read_bundle(capture.folder).records if isinstance(record, ProfileEnded)]
    assert [record.file for record in ended] == ["ort-0.json", "ort-1.json", "ort-2.json"]
    assert all((capture.folder / record.file).stat().st_size > 0 for record in ended)


def test_subclass_that_overrides_run_is_seen_once(tmp_path: Path, model: Path) -> None:
    class Doubling(onnxruntime.InferenceSession):
        def run(self, *args, **kwargs):
            return [2 * output for output in super().run(*args, **kwargs)]

    with ortprobe.trace(tmp_path, torch_profiler=False) as capture:
        (doubled, _) = Doubling(str(model), providers=CPU).run(None, FEEDS)
    np.testing.assert_array_equal(doubled, 4 * FEEDS["x"])
    assert len(calls(read_bundle(capture.folder), "run")) == 1


def test_hooks_are_gone_afterwards(tmp_path: Path, model: Path) -> None:
    from onnxruntime.capi.onnxruntime_inference_collection import IOBinding, OrtValue, Session

    classes = (onnxruntime.InferenceSession, Session, IOBinding, OrtValue)
    before = [dict(vars(owner)) for owner in classes]
    with ortprobe.trace(tmp_path, torch_profiler=False):
        assert [dict(vars(owner)) for owner in classes] != before
        session = onnxruntime.InferenceSession(str(model), providers=CPU)
    assert [dict(vars(owner)) for owner in classes] == before
    session.run(None, FEEDS)


def test_sessions_that_compare_in_their_own_way_are_told_apart(tmp_path: Path, model: Path) -> None:
    class Unhashable(onnxruntime.InferenceSession):  # noqa: PLW1641 - the point of it
        def __eq__(self, other: object) -> bool:
            return True

    class Alike(Unhashable):
        def __hash__(self) -> int:
            return 1

    with ortprobe.trace(tmp_path, torch_profiler=False) as capture:
        sessions = [kind(model, providers=CPU) for kind in (Unhashable, Alike, Alike)]
        for session in sessions:
            session.run(None, FEEDS)
    assert [call.session for call in calls(read_bundle(capture.folder), "run")] == [0, 1, 2]


def test_functions_of_onnxruntime_take_their_arguments_by_name_as_before(tmp_path: Path, model: Path) -> None:
    array = np.ones((2, 3), np.float32)
    with ortprobe.trace(tmp_path, torch_profiler=False) as capture:
        session = onnxruntime.InferenceSession(path_or_bytes=str(model), providers=CPU)
        value = onnxruntime.OrtValue.ortvalue_from_numpy(array, device_type="cpu")
        room = onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape=(2, 3), element_type=np.float32)
        binding = session.io_binding()
        binding.bind_ortvalue_input(name="x", ortvalue=value)
        binding.bind_ortvalue_output(name="y", ortvalue=room)
        session.run_with_iobinding(iobinding=binding)
        assert session.run(output_names=["y"], input_feed={"x": array})[0].tolist() == room.numpy().tolist()
    bundle = read_bundle(capture.folder)
    made = [*calls(bundle, "ortvalue_from_numpy"), *calls(bundle, "ortvalue_from_shape_and_type")]
    assert [(call.write_bytes, call.dtype) for call in made] == [(24, "float32")] * 2


def test_asynchronous_runs_are_recorded_on_the_thread_that_ran_them(tmp_path: Path, model: Path) -> None:
    done = threading.Event()
    answers = []

    def answer(results: list[np.ndarray], given: str, error: str) -> None:
        answers.append((results[0].shape, given, error))
        done.set()

    with ortprobe.trace(tmp_path, torch_profiler=False) as capture:
        session = onnxruntime.InferenceSession(model, providers=CPU)
        for _ in range(3):
            done.clear()
            session.run_async(["y"], FEEDS, callback=answer, user_data="mine")
            assert done.wait(10)
        with pytest.raises(ValueError, match="Required inputs"):
            session.run_async(["y"], {}, answer, None)
    assert answers == [((2, 3), "mine", "")] * 3
    bundle = read_bundle(capture.folder)
    runs, submitted = calls(bundle, "run_async"), calls(bundle, "run_async.submit")
    assert {run.thread for run in runs}.isdisjoint({call.thread for call in submitted})
    assert [bool(call.error) for call in submitted] == [False] * 3 + [True]
    assert all(call.start_ns <= run.end_ns for call, run in zip(submitted, runs, strict=False))
    timeline = load_bundle(capture.folder)
    assert timeline.runs.session.tolist() == [0, 0, 0]
    assert (timeline.runs.run_span != NONE).all()  # each holds the `model_run` that ORT profiled on that thread


def test_asynchronous_runs_of_one_thread_do_not_overlap_and_none_is_missing(tmp_path: Path, model: Path) -> None:
    answers: queue.Queue[str] = queue.Queue()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2  # its caller and one worker, which runs all of them
    with ortprobe.trace(tmp_path, torch_profiler=False) as capture:
        session = onnxruntime.InferenceSession(model, options, providers=CPU)
        for _ in range(20):
            session.run_async(["y"], FEEDS, lambda _results, _given, error: answers.put(error), None)
        assert [answers.get(timeout=10) for _ in range(20)] == [""] * 20
    runs = calls(read_bundle(capture.folder), "run_async")
    assert len({run.thread for run in runs}) == 1
    assert all(later.start_ns >= run.end_ns for run, later in pairwise(runs))
    timeline = load_bundle(capture.folder)
    assert len(timeline.runs) == 20
    assert (timeline.runs.hook_span != NONE).all()
