"""Where the time goes, and whether the result is right, when ONNX Runtime runs beside PyTorch on a GPU."""

__version__ = "0.1.0"
