"""The lives of sessions: what making them cost, and what their first runs paid."""
