from __future__ import annotations

import io
import re

import captures
import pytest
from rich.console import Console
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.ingest import load_bundle
from ortprobe.report.text import render_details
from ortprobe.rules import judge
from ortprobe.timeline import Timeline

ESCAPE = "\x1b"


def text_of(timeline: Timeline, **options: object) -> str:
    out = io.StringIO()
    render_details(judge(Analyses(timeline)), Console(file=out, width=120, **options))
    return out.getvalue()


def test_the_report_on_resnet():
    text = text_of(captures.resnet())
    assert text.splitlines()[0] == "The session was built again once, which cost 234 ms (S1)"
    for said in (
        "S1 warning",
        "cost 234 ms, 23.4 ms a run (likely)",
        "creation of session 0, 351 ms: setting up providers 151 ms, initialising 100 ms, loading the model 100 ms",
        "first 2 runs of session 0, +446 ms over steady: Conv nodes on the host 274 ms, loading GPU code 65.4 ms",
        "2,340 of 2,340 kernels of ORT have their node: 2,340 seen inside it",
        "waits-unresolved",
    ):
        assert said in text
    assert text.index("S1 warning") < text.index("F1 info") < text.index("Sessions") < text.index("Device")


def test_the_device_section_names_the_dearest_lines_and_the_starved_stream():
    text = text_of(captures.example("missing-wait").timeline)
    device = text[text.index("Device\n") : text.index("Nodes\n")]
    assert "ortprobe/examples/missing_wait.py:48" in device
    assert "missing_wait.py:40 → ortprobe/examples/missing_wait.py:47" in device
    assert "stream 29 starved 98.8 ms of 277 ms while stream 7 ran" in device


def test_what_changes_would_give_comes_with_bounds_and_the_replays_error():
    timeline = load_bundle(captures.DATA / "h100-workloads" / "resnet50-pageable.ortprobe")
    text = " ".join(text_of(timeline).split())
    assert re.search(r"host copies from and to pinned memory 2\.8\d ms 2\.8\d ms 2\.9\d ms 1\d\.\d %", text)
    assert re.search(r"a loop of 13 runs, 3\.72 ms each as traced, replayed in 3\.7\d ms \(error 0\.\d %\)", text)
    assert "3.32 ms each untraced" in text
    assert "of 14 steady runs: host 100.0 % (onnxruntime's host code 9" in text


def test_what_re_initialisations_take_is_said_with_both_bounds():
    text = text_of(captures.example("set-providers").timeline)
    assert "without its re-initialisation: " in text


@pytest.mark.parametrize("capture", [captures.resnet, captures.racy, captures.healthy])
def test_no_line_is_wider_than_the_terminal(capture):
    assert max(len(line) for line in text_of(capture()).splitlines()) <= 120


def test_colour_is_left_out_on_request(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[33m" not in text_of(captures.resnet(), force_terminal=True)
    monkeypatch.delenv("NO_COLOR")
    assert "\x1b[33m" in text_of(captures.resnet(), force_terminal=True)


def test_names_from_a_trace_are_data(tmp_path):
    scene = Scene()
    scene.profile().run(10, 50).node(f"[bold red]{ESCAPE}[2Jboo[/]\nbelow", 20, 20, op="[link=http://x]Conv")
    text = text_of(scene.load(tmp_path))
    assert "[bold red]" in text
    assert "[link=http://x]Conv" in text
    assert ESCAPE not in text
    assert "\nbelow" not in text


HOSTILE = f"[bold]{ESCAPE}[2Jx\r\n\u202ey"


def test_a_finding_and_the_verdict_print_names_as_they_are(tmp_path):
    scene = Scene().session(0, 0, 100, outputs=(HOSTILE,)).hook("io_binding", 200, 1, session=0, binding=0)
    for address in (4096, 8192):
        scene.hook("bind_output", 300 + address / 100, 1, binding=0, buffer=HOSTILE, write_address=address)
    text = text_of(scene.hook("run_with_iobinding", 1000, 10, session=0, binding=0).load(tmp_path))
    head, body = text.split("Findings")
    for part in (head, body):
        assert "[bold]" in part
        assert not {ESCAPE, "\r", "\u202e"} & set(part)


def test_a_fix_shows_what_comes_in_and_what_goes():
    lines = [line.strip(" ") for line in text_of(captures.example("missing-wait").timeline).splitlines()]
    at = lines.index("+ torch.cuda.current_stream().synchronize()")
    assert lines[at + 1] == "session.run_with_iobinding(binding)"
    assert '-     "CUDAExecutionProvider", "CPUExecutionProvider"])' in lines


def test_what_nobody_measured_reads_so(tmp_path):
    text = text_of(Scene().session(0, 0, 100).hook("run", 200, 10, session=0).load(tmp_path))
    assert "median not measured" in text
    assert " 0 ns" not in text


def test_the_line_to_change_is_named(tmp_path):
    scene = Scene().session(0, 0, 100).hook("run", 200, 10, session=0)
    scene.session(1, 1000, 100, reason="set_providers", replaces=0, site="app.py:12")
    assert "at app.py:12" in text_of(scene.load(tmp_path))


def test_kernels_without_a_node_are_counted_by_reason(tmp_path):
    scene = Scene(window_us=(0, 1000)).launch("conv", 115, 120, 5, 1).launch("other", 315, 320, 5, 11)
    scene.profile().load(0, 10).initialize(10, 50).run(100, 100).node("a", 110, 20)
    scene.session(0, 0, 70).hook("run", 98, 104, session=0, attached=3).hook("run", 298, 104, session=0, attached=2)
    text = " ".join(text_of(scene.kernel("orphan", 250, 5, 99).load(tmp_path)).split())
    said = "1 of 2 kernels of ORT have their node: 1 seen inside it; without: 1 with no launch in the trace, 1 of a run"
    assert f"{said} without profile whose sequence no profiled run has" in text


def test_kernels_of_others_are_no_gap(tmp_path):
    scene = Scene().torch_op("aten::add", 0, 9).launch("add", 2, 5, 3, 2).launch("conv", 115, 120, 5, 1)
    scene.profile().load(20, 10).initialize(30, 50).run(100, 100).node("a", 110, 20)
    lines = [line.strip() for line in text_of(scene.load(tmp_path)).splitlines()]
    assert "1 of 1 kernels of ORT have their node: 1 seen inside it" in lines


def test_the_last_line_says_how_to_read_on_about_the_gravest_finding(tmp_path):
    assert text_of(captures.resnet()).splitlines()[-1] == "next: ortprobe explain S1"
    nothing = Scene().session(0, 0, 100).hook("run", 200, 10, session=0)
    assert "ortprobe explain" not in text_of(nothing.load(tmp_path))
