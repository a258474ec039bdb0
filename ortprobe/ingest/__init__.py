"""One module a source, and what joins them: decoded traces on one clock, linked, as one Timeline."""

from ortprobe.ingest.load import load_bundle, load_bundles, load_files

__all__ = ["load_bundle", "load_bundles", "load_files"]
