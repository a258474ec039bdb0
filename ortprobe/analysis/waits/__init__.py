"""Who waited for whom, how long, and whether it was needed."""
