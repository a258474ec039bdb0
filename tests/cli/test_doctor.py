"""`ortprobe doctor` from its command line, on this machine and on ones with planted faults."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from commands import ENVIRONMENT, ortprobe, run_python


def test_json_says_what_a_capture_contains_here(tmp_path: Path) -> None:
    done = ortprobe("doctor", "--format", "json", cwd=tmp_path)
    document = json.loads(done.stdout)
    assert document["schema_version"] == 1
    assert set(document) == {"schema_version", "complete", "checks", "contains", "lacks"}
    checks = {check["id"]: check for check in document["checks"]}
    assert all(set(check) == {"id", "status", "found", "means", "fix"} for check in checks.values())
    for name in ("onnxruntime", "torch", "torch-profiler", "provider.CPU", "disk"):
        assert checks[name]["status"] == "ok", checks[name]
    assert str(tmp_path) in checks["disk"]["found"]
    assert any("ORT's profile" in part for part in document["contains"])
    has_problem = any(check["status"] == "problem" for check in checks.values())
    assert document["complete"] is not has_problem
    assert done.returncode == (1 if has_problem else 0)
    assert list(tmp_path.iterdir()) == []


def test_text_ends_with_what_a_capture_contains_and_imports_no_library_itself(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom ortprobe.cli import main\nsys.argv = ['ortprobe', 'doctor']\n"
        "try:\n    main()\nfinally:\n    print(sorted({'torch', 'onnxruntime'} & set(sys.modules)), file=sys.stderr)"
    )
    done = run_python("-c", program, cwd=tmp_path)
    assert done.stderr == "[]\n"
    assert "\x1b" not in done.stdout
    assert "A capture here will contain:" in done.stdout
    assert "A capture here is complete" in done.stdout.splitlines()[-1]
    assert done.returncode == 0


def doctor_with_broken_libraries(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`ortprobe doctor WORDS…` where onnxruntime crashes and torch misses a library."""
    (folder / "onnxruntime.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)")
    (folder / "torch.py").write_text("raise ImportError('libcudart.so.12: cannot open shared object file: no')")
    environment = {**ENVIRONMENT, "PYTHONPATH": f"{folder}{os.pathsep}{ENVIRONMENT['PYTHONPATH']}"}
    command = [sys.executable, "-m", "ortprobe", "doctor", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


def test_a_library_that_crashes_makes_a_capture_partial_and_touches_nobody(tmp_path: Path) -> None:
    done = doctor_with_broken_libraries(tmp_path, "--format", "json")
    document = json.loads(done.stdout)
    checks = {check["id"]: check for check in document["checks"]}
    assert done.returncode == 1
    assert done.stderr == ""
    assert checks["onnxruntime"]["found"] == "onnxruntime can't be imported: crashed with SIGSEGV"
    assert checks["torch"]["found"] == "torch can't be imported: libcudart.so.12 is missing"
    assert checks["disk"]["status"] == "ok"
    assert document["contains"] == []


def test_text_says_what_to_do_and_how_the_folder_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = doctor_with_broken_libraries(tmp_path, "-o", "file/reports")
    printed = " ".join(done.stdout.split())
    assert done.returncode == 1
    assert "can't be written" in printed
    assert "→ choose another folder with -o" in printed
    assert printed.endswith("A capture here is partial: see the problems above.")


def test_wrong_usage_is_one_line(tmp_path: Path) -> None:
    done = ortprobe("doctor", "--format", "xml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ortprobe: Invalid value for '--format'")
    assert done.stderr.count("\n") == 1
