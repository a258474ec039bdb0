"""Which thread handed work to which, as far as the order of what they do depends on it."""
