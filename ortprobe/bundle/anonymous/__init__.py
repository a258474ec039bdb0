"""A bundle without what identifies a model or a program: its names become pseudonyms, its figures stay.

Everything is rebuilt from what is known to be harmless, so that what a later version of a library writes is left out
until it is listed here.
"""

from ortprobe.bundle.anonymous.files import Anonymous, anonymous

__all__ = ["Anonymous", "anonymous"]
