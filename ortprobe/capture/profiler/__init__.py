"""torch's profiler and CUPTI, attached for a stretch of the program at a time."""
