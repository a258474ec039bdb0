"""Whole captures with known truth for every link.

The way of the data: a `Program` says what is done, `execute` gives its `History` (what happened, to the nanosecond), a
`Recording` says what of it was recorded and how, and `write_files` or `write_bundle` leave what torch, ONNX Runtime and
ortprobe's hooks would leave, with a `Truth` for every row. `strategies` draws programs and recordings.
"""
