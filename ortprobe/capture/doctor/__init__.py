"""Whether a capture would work here: what there is, tried in processes of its own, and judged."""
