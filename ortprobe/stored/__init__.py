"""A whole Timeline as bytes, and back: what an export carries, so that it can be analysed again.

Nothing in it is executed on reading, and what a stranger may have written into it is checked before it is a Timeline.
"""

from ortprobe.stored.encoding import decode_timeline, encode_timeline

__all__ = ["decode_timeline", "encode_timeline"]
