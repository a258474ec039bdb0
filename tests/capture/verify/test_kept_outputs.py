"""Outputs of a run as they are kept for comparing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import torch

from ortprobe.bundle.trials import OUTPUTS_NAME
from ortprobe.capture.verify.outputs import KeptOutputs


def test_arrays_tensors_and_ort_values_are_kept_as_copies(tmp_path: Path) -> None:
    array = np.array([1.5, -2.0], np.float32)
    values = {
        "array": array,
        "tensor": torch.tensor([[1, 2]]),
        "bfloat16": torch.tensor([1.5], dtype=torch.bfloat16),
        "value": onnxruntime.OrtValue.ortvalue_from_numpy(array.copy()),
        "texts": np.array(["a", "bc"], dtype=object),
        "scalar": np.array(True),
    }
    kept = KeptOutputs()
    saved = kept.keep("0:0", values.items())
    array[0] = 9
    kept.save(tmp_path)
    with np.load(tmp_path / OUTPUTS_NAME, allow_pickle=False) as stored:
        found = {each.name: stored[each.key] for each in saved}
    assert {name: content.tolist() for name, content in found.items()} == {
        "array": [1.5, -2.0],
        "tensor": [[1, 2]],
        "bfloat16": [1.5],
        "value": [1.5, -2.0],
        "texts": ["a", "bc"],
        "scalar": True,
    }
    assert [each.dtype for each in saved[:4]] == ["float32", "int64", "bfloat16", "float32"]
    assert kept.unseen == ""


def test_what_can_not_be_kept_is_told(tmp_path: Path) -> None:
    kept = KeptOutputs(most_bytes=100)
    assert kept.keep("0:0", [("map", {"a": 1})]) == ()
    assert kept.unseen == "output 'map': a dict can't be compared"
    small = KeptOutputs(most_bytes=100)
    (first,) = small.keep("0:0", [("small", np.zeros(10)), ("large", np.zeros(10))])
    assert first.name == "small"
    assert small.unseen == "the outputs are too large for all of them to be kept"
    KeptOutputs().save(tmp_path)
    assert not (tmp_path / OUTPUTS_NAME).exists()
