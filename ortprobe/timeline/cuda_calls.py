"""The CUDA calls that matter here, by the names that Kineto gives them."""

from __future__ import annotations

KERNEL_LAUNCHES = (
    "cudaLaunchKernel", "cudaLaunchKernelExC", "cudaLaunchCooperativeKernel", "cuLaunchKernel", "cuLaunchKernelEx",
    "cuLaunchCooperativeKernel",
)  # fmt: skip
GRAPH_LAUNCHES = ("cudaGraphLaunch", "cuGraphLaunch")
QUERIES = ("cudaEventQuery", "cudaStreamQuery", "cuEventQuery", "cuStreamQuery")
"""They wait for nothing, though CUPTI 12.9 and later write a synchronisation record for each of them, done or not
(`cuptiActivityEnableAllSyncRecords`)."""


def base_name(call: str) -> str:
    """The name of a CUDA call without its variant: `cudaStreamSynchronize` for `cudaStreamSynchronize_ptsz`."""
    return call.partition("_")[0]
