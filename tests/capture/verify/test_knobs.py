"""Which changes are taken, under which names, and what is refused."""

from __future__ import annotations

import onnxruntime
import pytest

from ortprobe.capture.verify.knobs import KNOBS, Setting, Where, parse_settings
from ortprobe.capture.verify.settings import put_into, put_into_for_now, run_options, with_cuda_options
from ortprobe.errors import UsageError

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


@pytest.mark.parametrize(
    ("word", "key", "value"),
    [
        ("cudnn_conv_algo_search=heuristic", "cudnn_conv_algo_search", "HEURISTIC"),
        ("use_tf32=off", "use_tf32", "0"),
        ("arena_extend_strategy=kSameAsRequested", "arena_extend_strategy", "kSameAsRequested"),
        ("intra_op_num_threads=1", "intra_op_num_threads", "1"),
        ("graph_optimization_level=off", "graph_optimization_level", "disable"),
        ("session.intra_op.allow_spinning=0", "session.intra_op.allow_spinning", "0"),
        ("sync=off", "disable_synchronize_execution_providers", "1"),
        ("graph=on", "enable_cuda_graph", "1"),
        ("stream=own", "stream", "own"),
        ("user_compute_stream=new", "stream", "user"),
        ("binding=off", "binding", "off"),
    ],
)
def test_names_and_values_are_those_of_onnxruntime(word: str, key: str, value: str) -> None:
    assert parse_settings("--set", [word], for_model=True) == (Setting(key, value),)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("cudnn_conv_algo_serch=DEFAULT", "no such knob; the nearest are cudnn_conv_algo_search"),
        ("session.intra_op.alow_spinning=0", "no such knob; the nearest are session.intra_op.allow_spinning"),
        ("zzz=1", "no such knob; see ortprobe verify --help"),
        ("use_tf32", "write KEY=VALUE"),
        ("use_tf32=maybe", "choose 0 or 1"),
        ("cudnn_conv_algo_search=FAST", "choose EXHAUSTIVE, HEURISTIC, DEFAULT"),
        ("intra_op_num_threads=-1", "takes a whole number from 0 on"),
        ("graph_optimization_level=most", "choose disable, basic, extended, layout, all"),
        ("sync=maybe", "choose on or off"),
        ("stream=own", "a program has its own way; try user_compute_stream=new"),
        ("binding=off", "a program has its own way"),
    ],
)
def test_what_is_not_known_is_refused_on_one_line(word: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_settings("--set", [word], for_model=False)
    assert message in str(refused.value)
    assert str(refused.value).startswith("--set ")


def test_a_knob_has_one_value() -> None:
    with pytest.raises(UsageError, match="enable_cuda_graph is set twice"):
        parse_settings("--set", ["enable_cuda_graph=0", "graph=on"], for_model=True)


def values_of(key: str) -> list[str]:
    knob = KNOBS[key]
    return list(dict.fromkeys(knob.values.values())) if knob.values is not None else ["1"]


@pytest.mark.parametrize("key", [key for key, knob in KNOBS.items() if knob.where is Where.SESSION])
def test_onnxruntime_has_each_attribute_and_takes_each_value(key: str) -> None:
    seen = set()
    for value in values_of(key):
        options = onnxruntime.SessionOptions()
        put_into(options, [Setting(key, value)])
        seen.add(getattr(options, key))
    assert len(seen) == len(values_of(key))


def test_options_of_the_program_are_its_own_again() -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 3
    options.add_session_config_entry("session.dynamic_block_base", "4")
    settings = [Setting("intra_op_num_threads", "1"), Setting("session.dynamic_block_base", "8")]
    with put_into_for_now(options, settings):
        assert options.intra_op_num_threads == 1
        assert options.get_session_config_entry("session.dynamic_block_base") == "8"
    assert options.intra_op_num_threads == 3
    assert options.get_session_config_entry("session.dynamic_block_base") == "4"


def test_options_of_runs_get_entries_and_are_made_only_where_needed() -> None:
    key = "disable_synchronize_execution_providers"
    given = onnxruntime.RunOptions()
    assert run_options([Setting(key, "1")], given) is given
    assert given.get_run_config_entry(key) == "1"
    made = run_options([Setting(key, "1")])
    assert made is not None
    assert made.get_run_config_entry(key) == "1"
    assert run_options([Setting("use_tf32", "0")]) is None


def test_options_of_cuda_go_where_the_program_put_its_own() -> None:
    ours = {"use_tf32": "0"}
    bare, none = with_cuda_options([CUDA, CPU], None, ours)
    assert (bare, none) == ([(CUDA, ours), CPU], None)
    tuples, _ = with_cuda_options([(CUDA, {"device_id": 1, "use_tf32": "1"}), CPU], None, ours)
    assert tuples == [(CUDA, {"device_id": 1, "use_tf32": "0"}), CPU]
    theirs = [{"device_id": 1}, {}]
    names, apart = with_cuda_options([CUDA, CPU], theirs, ours)
    assert (names, apart) == ([CUDA, CPU], [{"device_id": 1, "use_tf32": "0"}, {}])
    assert theirs == [{"device_id": 1}, {}]
