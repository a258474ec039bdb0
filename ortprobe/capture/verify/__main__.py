"""`python -m ortprobe.capture.verify PLAN.json`."""

from __future__ import annotations

import sys

from ortprobe.capture.verify.child import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
