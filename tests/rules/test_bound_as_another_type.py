"""B5: pointers that are bound as what they are not, and those that are bound as something that they can be."""

from __future__ import annotations

import pytest
from asking import ask, finding
from cases.bound_as_another_type import bound

from ortprobe.rules import Confidence, NotApplicable, Passed, Severity


@pytest.mark.parametrize(
    ("dtype", "own"),
    [("float32", "float16"), ("float", "float64"), ("int64", "int32"), ("float32", "int32"), ("float16", "bfloat16"),
     ("float64", "complex64")],
)  # fmt: skip
def test_elements_of_another_type(tmp_path, dtype, own):
    found = finding("B5", bound(dtype, own), tmp_path)
    assert (found.severity, found.confidence, found.count) == (Severity.ERROR, Confidence.CERTAIN, 1)
    assert f"as {dtype}" in found.title
    assert own in found.title
    assert [site.line for site in found.where] == [5]


@pytest.mark.parametrize(
    ("dtype", "own"),
    [("float32", "float32"), ("float", "float32"), ("double", "float64"), ("uint32", "int32"), ("float32", "complex64"),
     ("float16", "uint8"), ("bool", "uint8"), ("float8e4m3fn", "float8_e4m3fn"), ("int4", "quint4x2")],
)  # fmt: skip
def test_elements_that_can_be_meant(tmp_path, dtype, own):
    assert ask("B5", bound(dtype, own).load(tmp_path)) == Passed()


def test_more_than_the_storage_holds(tmp_path):
    found = finding("B5", bound("float32", "float32", tensor_bytes=60), tmp_path)
    assert found.severity is Severity.ERROR
    assert "ends after 60 B" in found.title


def test_less_than_it_holds(tmp_path):
    assert ask("B5", bound("float32", "float32", tensor_bytes=4096).load(tmp_path)) == Passed()


def test_a_pointer_of_which_nothing_is_known(tmp_path):
    outcome = ask("B5", bound("float32", "", tensor_bytes=0).load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert outcome.evidence_missing
