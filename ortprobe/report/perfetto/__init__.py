"""Traces for viewers, in Perfetto's format and in Chrome's: what the page draws, and the Timeline to read back."""
