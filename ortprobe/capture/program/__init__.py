"""Running somebody's program as Python itself would, from its first line to however it ends; and its children."""
