"""Whether what reads and writes the same memory is ordered: vector clocks over streams and threads."""
