"""The Timeline in the form in which traces for viewers carry it (`ortprobe.ingest.exported` reads it back)."""

from __future__ import annotations

import sys

from ortprobe.stored import encode_timeline
from ortprobe.timeline import Timeline

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_OPTIONS = {
    int(zstd.CompressionParameter.compression_level): 3,
    int(zstd.CompressionParameter.checksum_flag): 1,
}
"""An eighth of the size, at 400 MB a second. The checksum tells damage that leaves a Timeline which could be so."""


def carried(timeline: Timeline) -> bytes:
    """The whole of a Timeline, compressed."""
    return zstd.compress(encode_timeline(timeline), options=_OPTIONS)
