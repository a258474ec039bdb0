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
    Access,
    AnyRecord,
    Call,
    Handover,
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
    "Access",
    "AnyRecord",
    "Bundle",
    "BundleWriter",
    "Call",
    "ClockAnchor",
    "Device",
    "Ending",
    "Environment",
    "Handover",
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
