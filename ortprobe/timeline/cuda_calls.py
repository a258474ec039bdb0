"""The CUDA calls that matter here, by the names that Kineto gives them; AMD's go by their CUDA counterparts."""

from __future__ import annotations

KERNEL_LAUNCHES = (
    "cudaLaunchKernel", "cudaLaunchKernelExC", "cudaLaunchCooperativeKernel", "cuLaunchKernel", "cuLaunchKernelEx",
    "cuLaunchCooperativeKernel",
)  # fmt: skip
GRAPH_LAUNCHES = ("cudaGraphLaunch", "cuGraphLaunch")
PAGEABLE_TO_DEVICE = "HtoD (Pageable"
"""Part of the names of copies from pageable memory. All copies are called like `Memcpy HtoD (Pageable -> Device)`."""
EVENT_RECORDS = ("cudaEventRecord", "cudaEventRecordWithFlags", "cuEventRecord", "cuEventRecordWithFlags")
QUERIES = ("cudaEventQuery", "cudaStreamQuery", "cuEventQuery", "cuStreamQuery")
"""They wait for nothing, though CUPTI 12.9 and later write a synchronisation record for each of them, done or not
(`cuptiActivityEnableAllSyncRecords`)."""

_OF_HIP = {
    "hipModuleLaunchKernel": "cuLaunchKernel",
    "hipExtModuleLaunchKernel": "cuLaunchKernel",
    "hipExtLaunchKernel": "cudaLaunchKernel",
    "hipExtLaunchMultiKernelMultiDevice": "cudaLaunchCooperativeKernel",
    "hipMemcpyWithStream": "cudaMemcpy",
}


def base_name(call: str) -> str:
    """The name of a CUDA call without its variant: `cudaStreamSynchronize` for `cudaStreamSynchronize_ptsz`.

    `hipStreamSynchronize` is that too (HIP's porting guide: all of these calls have the names of CUDA's runtime API).
    """
    name = call.partition("_")[0]
    return _OF_HIP.get(name) or (f"cuda{name[3:]}" if name.startswith("hip") else name)
