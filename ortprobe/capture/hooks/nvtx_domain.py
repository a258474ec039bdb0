"""The NVTX domain `ortprobe`, where a tool such as Nsight Systems listens."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from ortprobe.bundle import NVTX_DOMAIN

if TYPE_CHECKING:
    import nvtx

_TOOL = "NVTX_INJECTION64_PATH"
"""Names the tool's library to NVTX, in every process that nsys starts."""
_CALLS = ("get_event_attributes", "push_range", "pop_range", "start_range", "end_range")


@cache
def open_domain() -> nvtx.Domain | None:
    """The domain, which is made once; None where no tool listens, or the package nvtx can't be used.

    nvtx 0.2.12 and later asks the tool (`nvtxDomainIsEnabled`) and makes nothing of a no. Nsight Systems 2022.4 and
    2023.4 do not know the question, which counts as no, and record everything all the same: where a tool is named, a
    no is not believed.
    """
    try:
        import nvtx

        if not nvtx.enabled() or not all(hasattr(nvtx.Domain, call) for call in _CALLS):  # NVTX_DISABLE; nvtx 0.2.11
            return None
        domain = nvtx.get_domain(NVTX_DOMAIN)
        if isinstance(domain, nvtx.Domain):
            return domain
        return _unasked(nvtx.Domain) if os.environ.get(_TOOL) else None
    except Exception:
        return None


def _unasked(domain_class: type[nvtx.Domain]) -> nvtx.Domain:
    """What `Domain(NVTX_DOMAIN)` makes of a yes (nvtx 0.2.12 to 0.2.17)."""
    from nvtx._lib.lib import DomainHandle

    domain = object.__new__(domain_class)
    domain.handle = DomainHandle(NVTX_DOMAIN)
    domain.__init__(NVTX_DOMAIN)
    return domain
