"""A hook on how a program gets the raw pointers that it binds: by `torch.Tensor.data_ptr`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ortprobe.capture.hooks.patches import Patches
from ortprobe.capture.pointers import Origin
from ortprobe.capture.recorder import Recorder

if TYPE_CHECKING:
    from torch import Tensor


def hook_data_ptr(patches: Patches, recorder: Recorder, torch: ModuleType) -> None:
    """Have the recorder know what each address belongs to, while calls are logged one by one: beside others nothing of
    a binding is written. The calls themselves are not logged.

    torch.compile must not compile the hook: what it makes of calling the original is `tensor.data_ptr()`, which is the
    hook again.
    """
    plain = (torch.Tensor, torch.nn.Parameter)
    is_compiling = torch.compiler.is_compiling
    weak_reference = torch.multiprocessing.reductions.StorageWeakRef
    past_modes = torch._C.DisableTorchFunction
    log, pointers = recorder.log, recorder.pointers

    def remember(tensor: Tensor, address: int) -> None:
        try:
            with past_modes():  # a mode of the program would see calls that the program did not make
                storage = tensor.untyped_storage()
                owner = weak_reference(storage) if storage.resizable() else None
                contiguous = tensor.is_contiguous()
                size_bytes = storage.nbytes() - tensor.storage_offset() * tensor.element_size()
                dtype = str(tensor.dtype).removeprefix("torch.")
            pointers.asked(address, Origin(owner, contiguous, dtype, max(size_bytes, 0)))
        except Exception as failure:
            log.lost("call:data_ptr", failure)

    def wrap(original: Callable[..., int]) -> Callable[..., int]:
        @wraps(original)
        def data_ptr(*args: Any, **kwargs: Any) -> int:
            if is_compiling() or not log.enabled or not log.detailed:
                return original(*args, **kwargs)
            address = original(*args, **kwargs)
            if address and type(args[0]) in plain:
                remember(args[0], address)
            return address

        return data_ptr

    frames = torch._C._dynamo.eval_frame
    if not (hasattr(frames, "skip_code") or hasattr(frames, "_FrameExecStrategy")):
        log.lost("hook:data_ptr", "this torch does not let a function be left alone by torch.compile")
    elif patches.replace(torch.Tensor, "data_ptr", wrap):
        _never_compile(torch, torch.Tensor.data_ptr)
    else:
        log.lost("hook:data_ptr", "this torch has no Tensor.data_ptr")


def _never_compile(torch: ModuleType, function: Callable[..., object]) -> None:
    """Have torch.compile leave a function alone, and what it calls.

    `torch.compiler.disable` would import all of the compiler into a program that may do without it.
    """
    frames, code = torch._C._dynamo.eval_frame, function.__code__
    if hasattr(frames, "skip_code"):
        frames.skip_code(code)
    else:
        skip = frames._FrameAction.SKIP
        frames.set_code_exec_strategy(code, frames._FrameExecStrategy(skip, skip))
