"""Judgement: one file a rule, named for the problem; the ordered tuple `RULES` is the registry."""
