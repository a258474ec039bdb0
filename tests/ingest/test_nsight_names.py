"""Kernels of real recordings as Nsight Systems spells them, and as `abi::__cxa_demangle` does."""

from __future__ import annotations

import json
import re

import pytest
from captures import DATA
from hypothesis import given
from hypothesis import strategies as st

from ortprobe.ingest.sources.nsight.kernel_names import as_torch_spells_it

PAIRS = json.loads((DATA / "kernel-names" / "h200.json").read_text())
FRAGMENTS = [
    "<",
    ">",
    "(",
    ")",
    ", ",
    " *",
    " &",
    "const ",
    "T1",
    "T2",
    "(int)4",
    "(bool)0",
    "<unnamed>",
    "::",
    "float",
]


@pytest.mark.parametrize("name", [name for name in PAIRS if "lambda" not in name])
def test_names_come_out_as_the_demangler_gives_them(name):
    assert as_torch_spells_it(name) == PAIRS[name]


@pytest.mark.parametrize("name", [name for name in PAIRS if "lambda" in name])
def test_names_with_lambdas_are_left_alone(name):
    assert as_torch_spells_it(name) == name


@pytest.mark.parametrize("name", PAIRS.values())
def test_names_of_torchs_profiler_are_left_alone(name):
    assert as_torch_spells_it(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "void f<float>(T2)",
        "void f<float>(T1 ...)",
        "void f(float (*)(int))",
        "void f<g(int)>(T1)",
        "sm80_xmma_fprop_implicit_gemm",
        "void f<float(T1)",
        "f)",
        "void f" + "<" * 5000 + ">" * 5000 + "(T1)",
    ],
)
def test_what_is_not_understood_is_left_alone(name):
    assert as_torch_spells_it(name) == name


def test_pointers_to_constant_pointers():
    assert as_torch_spells_it("void f<char>(const T1 *const *, T1 &&)") == "void f<char>(char const* const*, char&&)"


@given(st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=3), max_size=40))
def test_any_name_is_survived(fragments):
    name = "void f<float>(" + "".join(fragments) + ")"
    spelt = as_torch_spells_it(name)
    assert spelt == name or not re.search(r"\(int\)4|(?<!\w)T[12]\b|<unnamed>| \*| &", spelt)
