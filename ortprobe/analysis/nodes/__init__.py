"""What ONNX nodes cost on the device and the host, and which device work found its node."""
