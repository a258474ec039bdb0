"""What belongs to what: launches, kernels, nodes, runs, sessions."""
