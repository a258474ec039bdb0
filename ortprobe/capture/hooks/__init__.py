"""What stands in the place of the calls of onnxruntime and torch while a program is traced."""
