"""The command line for Nsight Systems, with a stand-in for nsys where one is needed."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from commands import ENVIRONMENT, ortprobe

RECENT = "usage: nsys profile\n\t--cuda-event-trace=\n\t   Possible values are 'true', 'false' or 'auto'.\n"
OLD = "usage: nsys profile\n\t--cuda-graph-trace=\n"
LINE = (
    "nsys profile -t cuda,nvtx --cuda-event-trace=true --cuda-graph-trace=node -s none --cpuctxsw=none "
    "-c nvtx -p program@ortprobe --capture-range-end=stop "
    "-o app python -m ortprobe trace --nvtx-only --no-report app.py --rounds 3"
)


@pytest.fixture
def nsys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder with programs, for a stand-in to lie in."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setattr("commands.ENVIRONMENT", {**ENVIRONMENT, "PATH": str(folder)})
    return folder / "nsys"


def install(nsys: Path, said: str, code: int = 0) -> None:
    """A stand-in that says this of `nsys profile --help`, and of anything else repeats its words."""
    nsys.write_text(
        f'#!/bin/sh\n[ "$2" = --help ] && {{ printf %s {shlex.quote(said)}; exit 0; }}\n'
        f"printf '%s|' \"$@\"\nexit {code}\n"
    )
    nsys.chmod(0o755)


def printed(tmp_path: Path, *words: str) -> str:
    done = ortprobe("nsys", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip("\n")


def test_the_line_records_the_program_under_the_tracer(nsys: Path, tmp_path: Path) -> None:
    assert printed(tmp_path, "app.py", "--rounds", "3").replace("python3", "python") == LINE


def test_the_whole_process_is_recorded_on_demand(nsys: Path, tmp_path: Path) -> None:
    whole = printed(tmp_path, "--whole", "app.py", "--rounds", "3").replace("python3", "python")
    assert whole == LINE.replace("-c nvtx -p program@ortprobe --capture-range-end=stop ", "")


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["--example", "missing-wait"], "missing-wait"),
        (["-m", "package.service"], "service"),
        (["my app.py"], "my app"),
        (["--name", "mine", "--", "app.py"], "mine"),
    ],
)
def test_the_file_is_named_for_the_target(nsys: Path, tmp_path: Path, words: list[str], name: str) -> None:
    line = shlex.split(printed(tmp_path, *words))
    assert line[line.index("-o") + 1] == name


def test_an_nsys_without_an_option_is_not_given_it(nsys: Path, tmp_path: Path) -> None:
    install(nsys, OLD)
    done = ortprobe("nsys", "app.py", "--rounds", "3", cwd=tmp_path)
    assert done.stdout.rstrip("\n").replace("python3", "python") == LINE.replace("--cuda-event-trace=true ", "")
    assert done.stderr.startswith("ortprobe: this nsys does not record events of CUDA")


def test_running_it_passes_the_same_words_and_gives_back_the_exit_code(nsys: Path, tmp_path: Path) -> None:
    install(nsys, RECENT, code=3)
    words = shlex.split(printed(tmp_path, "app.py", "a b;c"))
    done = ortprobe("nsys", "--run", "app.py", "a b;c", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.split("|")[:-1] == words[1:]


def test_without_nsys_the_line_is_printed_and_running_it_is_refused(nsys: Path, tmp_path: Path) -> None:
    assert printed(tmp_path, "app.py").startswith("nsys profile")
    done = ortprobe("nsys", "--run", "app.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr
        == "ortprobe: nsys is not on the PATH; install Nsight Systems, or run the printed line where it is\n"
    )


def test_nothing_to_record_is_wrong_usage(nsys: Path, tmp_path: Path) -> None:
    done = ortprobe("nsys", "--run", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "nothing to record" in done.stderr
