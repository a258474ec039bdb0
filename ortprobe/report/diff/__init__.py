"""The report of a comparison: what changed, how sure that is, what makes the difference."""
