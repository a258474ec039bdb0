from __future__ import annotations

import os
from pathlib import Path

import pytest

from ortprobe.capture.processors import physical_cores, usable_cpus


def system(folder: Path, siblings: list[str], limits: dict[str, str]) -> Path:
    """A `/sys` of a machine with these logical processors, each with the list of those on its core."""
    for number, text in enumerate(siblings):
        topology = folder / f"devices/system/cpu/cpu{number}/topology"
        topology.mkdir(parents=True)
        (topology / "thread_siblings_list").write_text(text + "\n")
    for name, text in limits.items():
        (folder / "fs/cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "fs/cgroup" / name).write_text(text)
    return folder


def test_two_threads_of_one_core_count_once(tmp_path):
    assert physical_cores(system(tmp_path, ["0,4", "1,5", "2,6", "3,7"] * 2, {})) == 4


def test_a_machine_that_says_nothing(tmp_path):
    assert physical_cores(tmp_path) == 0


@pytest.mark.parametrize(
    ("limits", "processors"),
    [
        ({}, 64),
        ({"cpu.max": "max 100000\n"}, 64),
        ({"cpu.max": "250000 100000\n"}, 3),
        ({"cpu.max": "20000 100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 64),
        ({"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4),
        ({"cpu.max": "gibberish\n"}, 64),
    ],
)
def test_a_container_has_what_its_quota_allows(tmp_path, monkeypatch, limits, processors):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    assert usable_cpus(system(tmp_path, [], limits)) == processors


def test_a_process_that_is_bound_to_a_processor(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert usable_cpus(system(tmp_path, [], {"cpu.max": "800000 100000\n"})) == 1
