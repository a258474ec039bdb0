"""Two captures of a program, or several of each, beside one another: what changed, and how sure that is."""
