"""Models without the data of their weights are the same models."""

from __future__ import annotations

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx_models import MODELS, made

from ortprobe.ingest.models.onnx_weights import without_weights

_DATA = ("float_data", "int32_data", "int64_data", "raw_data", "double_data", "uint64_data")


@pytest.mark.parametrize("name", MODELS)
def test_only_the_data_is_gone(name):
    model = onnx.ModelProto.FromString(made(name)[0].SerializeToString())
    left = onnx.ModelProto.FromString(without_weights(memoryview(model.SerializeToString())))
    for tensor in model.graph.initializer:
        for field in _DATA:
            tensor.ClearField(field)
    assert left == model


@given(st.binary(max_size=64))
def test_what_is_no_model_comes_back_as_it_is_or_shorter(content):
    assert len(without_weights(memoryview(content))) <= len(content) + 2


@pytest.mark.parametrize("content", [b"[]", b"\x3a\xff\xff\xff\xff\x0f", b"\xff" * 20, b"\x3b"])
def test_what_breaks_off_in_a_field_comes_back_as_it_is(content):
    assert without_weights(memoryview(content)) == content
