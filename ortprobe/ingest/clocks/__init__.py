"""Putting sources on one clock, with the bound that is known of each."""
