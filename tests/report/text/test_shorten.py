from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from ortprobe.report.text.shorten import cut, shorten

NAMES = st.text(st.characters(categories=("L", "N", "P", "Zs")), max_size=60)


@pytest.mark.parametrize(
    ("text", "cells", "short"),
    [
        ("app/models/deep/model.py:12", 27, "app/models/deep/model.py:12"),
        ("app/models/deep/model.py:12", 22, "app/…/deep/model.py:12"),
        ("app/models/deep/model.py:12", 20, "…/deep/model.py:12"),
        ("app/models/deep/model.py:12", 16, "…/model.py:12"),
        ("app/models/deep/model.py:12", 12, "…model.py:12"),
        ("app/models/deep/model.py:12", 10, "mod….py:12"),
        ("/layer1/layer1.0/conv1/Conv", 26, "…/layer1.0/conv1/Conv"),
        ("app/models/model.py:12", 18, "app/…/model.py:12"),
        ("/l/convolution1/part/Conv", 18, "/l/…/part/Conv"),
        ("/layer1/layer1.0/conv1/Conv", 14, "…/conv1/Conv"),
        ("cudaStreamSynchronize", 15, "cuda…ynchronize"),
        ("ab", 1, "…"),
        ("ab", 0, ""),
    ],
)
def test_names_lose_their_middle_whole_folders_first(text, cells, short):
    assert shorten(text, cells) == short


def test_sentences_lose_their_end():
    assert cut("The session was built again", 16) == "The session was…"
    assert cut("The session", 11) == "The session"
    assert cut("The", 0) == ""


@given(NAMES, st.integers(0, 70))
def test_nothing_is_wider_than_it_may_be_and_what_fits_stays(text, cells):
    for shortened in (cut(text, cells), shorten(text, cells)):
        assert cell_len(shortened) <= cells
        assert shortened == text or cell_len(text) > cells
