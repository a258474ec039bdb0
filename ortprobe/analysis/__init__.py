"""Pure functions from a Timeline to typed facts. No wording, no thresholds, no judgement."""
