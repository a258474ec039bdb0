"""Running a model whose program nobody has written: buffers bound once, and the four steps by name."""
