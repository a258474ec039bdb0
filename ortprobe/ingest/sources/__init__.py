"""One module or folder a source: files as streams of bytes and events, and each kind of source as columns."""
