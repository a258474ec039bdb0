"""What a capture leaves on disk: a folder with a manifest, the hook log, ORT's profiles and torch's traces, all raw."""

from ortprobe.bundle.manifest import (
    FORMAT_VERSION,
    ClockAnchor,
    Device,
    Ending,
    Environment,
    Manifest,
    Settings,
    Target,
)
from ortprobe.bundle.reader import Bundle, read_bundle
from ortprobe.bundle.records import (
    ATTACHED_ORT_PROFILE,
    ATTACHED_TORCH_PROFILER,
    NO_STREAM,
    NONE,
    AnyRecord,
    Call,
    Lost,
    ProfileEnded,
    SessionCreated,
    Stream,
    Thread,
    Window,
)
from ortprobe.bundle.writer import BundleWriter

__all__ = [
    "ATTACHED_ORT_PROFILE",
    "ATTACHED_TORCH_PROFILER",
    "FORMAT_VERSION",
    "NONE",
    "NO_STREAM",
    "AnyRecord",
    "Bundle",
    "BundleWriter",
    "Call",
    "ClockAnchor",
    "Device",
    "Ending",
    "Environment",
    "Lost",
    "Manifest",
    "ProfileEnded",
    "SessionCreated",
    "Settings",
    "Stream",
    "Target",
    "Thread",
    "Window",
    "read_bundle",
]
