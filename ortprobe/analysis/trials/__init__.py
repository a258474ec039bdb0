"""Facts about a change that was tried: what it saves, whether the outputs are the same, what a replay predicted."""
