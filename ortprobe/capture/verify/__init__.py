"""Trying a change on a model or a program: with it and without it in turn, in processes of their own."""
