"""Running a traced program once more, in a process of its own, to make its suspected races show."""
