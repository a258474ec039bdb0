"""What a capture leaves on disk: a folder with a manifest, the hook log, ORT's profiles and torch's traces, all raw.

`pack` makes one file of it, which is read as the folder is.
"""

from ortprobe.bundle.confirmations import Confirmation, Suspect, read_confirmations, write_confirmations
from ortprobe.bundle.files import BundleFiles
from ortprobe.bundle.manifest import (
    CHILDREN,
    FORMAT_VERSION,
    HOOK_LOG_NAME,
    ClockAnchor,
    Device,
    Ending,
    Environment,
    Manifest,
    Model,
    Settings,
    Target,
)
from ortprobe.bundle.marks import NVTX_DOMAIN, PROGRAM_RANGE, RUN_MARK
from ortprobe.bundle.reader import Bundle, read_bundle, read_files, stored_trace
from ortprobe.bundle.records import (
    ATTACHED_ORT_PROFILE,
    ATTACHED_TORCH_PROFILER,
    NO_STREAM,
    NONE,
    Access,
    Anchor,
    AnyRecord,
    Call,
    Handover,
    Lost,
    ProfileEnded,
    Served,
    SessionCreated,
    SessionReleased,
    Stream,
    Thread,
    Window,
)
from ortprobe.bundle.writer import BundleWriter

__all__ = [
    "ATTACHED_ORT_PROFILE",
    "ATTACHED_TORCH_PROFILER",
    "CHILDREN",
    "FORMAT_VERSION",
    "HOOK_LOG_NAME",
    "NONE",
    "NO_STREAM",
    "NVTX_DOMAIN",
    "PROGRAM_RANGE",
    "RUN_MARK",
    "Access",
    "Anchor",
    "AnyRecord",
    "Bundle",
    "BundleFiles",
    "BundleWriter",
    "Call",
    "ClockAnchor",
    "Confirmation",
    "Device",
    "Ending",
    "Environment",
    "Handover",
    "Lost",
    "Manifest",
    "Model",
    "ProfileEnded",
    "Served",
    "SessionCreated",
    "SessionReleased",
    "Settings",
    "Stream",
    "Suspect",
    "Target",
    "Thread",
    "Window",
    "read_bundle",
    "read_confirmations",
    "read_files",
    "stored_trace",
    "write_confirmations",
]
