"""How the children of a traced program are told that they are."""

PARENT_VARIABLE = "ORTPROBE_PARENT"
"""The environment variable that holds a `ChildOrder` as JSON."""
