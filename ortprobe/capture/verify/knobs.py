"""What can be changed about a session from outside, by name, and which values it takes.

onnxruntime takes a session or run entry that it does not know for one that nobody reads, and a provider option that it
does not know for a reason to run on the CPU. So a name or a value that is not known here is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

import msgspec

from ortprobe.errors import UsageError

NEW_STREAM = "new"
"""As a value of `user_compute_stream`: a stream that is made for the session."""
_SWITCH = {"1": "1", "0": "0", "on": "1", "off": "0", "true": "1", "false": "0"}
_COUNT = re.compile(r"\d+")


class Where(StrEnum):
    """What holds a knob."""

    PROVIDER = "provider"
    """The options of the CUDA execution provider."""
    SESSION = "session"
    """SessionOptions, an attribute."""
    SESSION_ENTRY = "session-entry"
    """SessionOptions, `add_session_config_entry`."""
    RUN_ENTRY = "run-entry"
    """RunOptions, `add_run_config_entry`."""
    RUNNER = "runner"
    """How a model is run; programs have ways of their own."""


@dataclass(frozen=True, slots=True)
class Knob:
    """Where it is put, and its values: those that are written differently are keys. None: any number from 0 on."""

    where: Where
    values: Mapping[str, str] | None
    is_text: bool = False
    """Whether any text is a value."""


class Setting(msgspec.Struct, frozen=True):
    """A knob at a value, both as onnxruntime knows them."""

    key: str
    value: str

    @property
    def where(self) -> Where:
        return KNOBS[self.key].where

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


def _choices(*values: str) -> dict[str, str]:
    return {value.lower(): value for value in values}


def _all(where: Where, values: Mapping[str, str] | None, *keys: str) -> dict[str, Knob]:
    return {key: Knob(where, values) for key in keys}


_PROVIDER = {
    "cudnn_conv_algo_search": Knob(Where.PROVIDER, _choices("EXHAUSTIVE", "HEURISTIC", "DEFAULT")),
    "arena_extend_strategy": Knob(Where.PROVIDER, _choices("kNextPowerOfTwo", "kSameAsRequested")),
    "user_compute_stream": Knob(Where.PROVIDER, _choices(NEW_STREAM)),
    **_all(
        Where.PROVIDER, _SWITCH,
        "do_copy_in_default_stream", "cudnn_conv_use_max_workspace", "cudnn_conv1d_pad_to_nc1d", "enable_cuda_graph",
        "enable_cudnn", "enable_skip_layer_norm_strict_mode", "fuse_conv_bias", "prefer_nhwc", "tunable_op_enable",
        "tunable_op_tuning_enable", "use_ep_level_unified_stream", "use_tf32",
    ),
    **_all(
        Where.PROVIDER, None,
        "gpu_mem_limit", "sdpa_kernel", "tunable_op_max_tuning_duration_ms", "external_data_loader_reading_threads",
    ),
}  # fmt: skip
"""Those of onnxruntime-gpu 1.31.1 (`CUDAExecutionProviderInfo::FromProviderOptions`), but for what names memory or
functions of the process: `gpu_external_alloc` and the like."""

GRAPH_LEVELS = _choices("disable", "basic", "extended", "layout", "all") | {"off": "disable"}
EXECUTION_MODES = _choices("sequential", "parallel")
_SESSION = {
    "graph_optimization_level": Knob(Where.SESSION, GRAPH_LEVELS),
    "execution_mode": Knob(Where.SESSION, EXECUTION_MODES),
    **_all(Where.SESSION, None, "intra_op_num_threads", "inter_op_num_threads"),
    **_all(
        Where.SESSION, _SWITCH,
        "enable_mem_pattern", "enable_mem_reuse", "enable_cpu_mem_arena", "use_deterministic_compute",
    ),
}  # fmt: skip

_SESSION_ENTRIES = {
    "optimization.disable_specified_optimizers": Knob(Where.SESSION_ENTRY, None, is_text=True),
    "session.intra_op_thread_affinities": Knob(Where.SESSION_ENTRY, None, is_text=True),
    **_all(
        Where.SESSION_ENTRY, _SWITCH,
        "mlas.enable_gemm_fastmath_arm64_bfloat16", "optimization.enable_cast_chain_elimination",
        "optimization.enable_gelu_approximation", "session.disable_aot_function_inlining",
        "session.disable_cpu_ep_fallback", "session.disable_double_qdq_remover", "session.disable_prepacking",
        "session.disable_quant_qdq", "session.enable_quant_qdq_cleanup", "session.force_spinning_stop",
        "session.inter_op.allow_spinning", "session.intra_op.allow_spinning", "session.set_denormal_as_zero",
        "session.use_device_allocator_for_initializers",
    ),
    **_all(
        Where.SESSION_ENTRY, None,
        "optimization.constant_folding_max_output_size_in_bytes", "session.dynamic_block_base",
        "session.graph_optimizations_loop_level", "session.qdq_matmulnbits_accuracy_level",
    ),
}  # fmt: skip
"""Of onnxruntime_session_options_config_keys.h, what changes how fast a model runs."""

_RUN_ENTRIES = {
    "disable_synchronize_execution_providers": Knob(Where.RUN_ENTRY, _SWITCH),
    "memory.enable_memory_arena_shrinkage": Knob(Where.RUN_ENTRY, None, is_text=True),
}
_RUNNER = {
    "stream": Knob(Where.RUNNER, _choices("user", "own")),
    "binding": Knob(Where.RUNNER, {"on": "on", "off": "off", "1": "on", "0": "off"}),
}
KNOBS: Mapping[str, Knob] = {**_PROVIDER, **_SESSION, **_SESSION_ENTRIES, **_RUN_ENTRIES, **_RUNNER}
_ALIASES: Mapping[str, Mapping[str, Setting]] = {
    "sync": {
        "on": Setting("disable_synchronize_execution_providers", "0"),
        "off": Setting("disable_synchronize_execution_providers", "1"),
    },
    "graph": {"on": Setting("enable_cuda_graph", "1"), "off": Setting("enable_cuda_graph", "0")},
}
"""Short names, of which each value is a setting."""
_FOR_PROGRAMS = {"stream": "user_compute_stream=new"}


def parse_settings(option: str, words: Iterable[str], *, for_model: bool) -> tuple[Setting, ...]:
    """`("use_tf32=off",)` → `(Setting("use_tf32", "0"),)`. `option` is named when something is wrong.

    Raises:
        UsageError: no such knob, with those of the nearest names; no such value; a knob twice; one that programs lack.
    """
    settings: dict[str, Setting] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"{option} {word}: write KEY=VALUE, for example {option} use_tf32=0")
        setting = _setting(option, key.strip(), value.strip(), for_model=for_model)
        if setting.key in settings:
            raise UsageError(f"{option} {word}: {setting.key} is set twice")
        settings[setting.key] = setting
    return tuple(settings.values())


def _setting(option: str, key: str, value: str, *, for_model: bool) -> Setting:
    if key in _ALIASES:
        values = _ALIASES[key]
        if value.lower() not in values:
            raise UsageError(f"{option} {key}={value}: choose {' or '.join(values)}")
        return values[value.lower()]
    knob = KNOBS.get(key)
    if knob is None:
        raise UsageError(f"{option} {key}: there is no such knob{_nearest(key)}")
    if knob.where is Where.RUNNER and not for_model:
        instead = f"; try {_FOR_PROGRAMS[key]}" if key in _FOR_PROGRAMS else ""
        raise UsageError(f"{option} {key}: is how a model is run, and a program has its own way{instead}")
    if for_model and key == "user_compute_stream" and value == NEW_STREAM:
        return Setting("stream", "user")
    return Setting(key, _value(option, key, knob, value))


def _value(option: str, key: str, knob: Knob, value: str) -> str:
    if knob.is_text:
        return value
    if knob.values is None:
        if _COUNT.fullmatch(value) is None:
            raise UsageError(f"{option} {key}={value}: takes a whole number from 0 on")
        return value
    if value.lower() not in knob.values:
        known = "0 or 1" if knob.values is _SWITCH else ", ".join(dict.fromkeys(knob.values.values()))
        raise UsageError(f"{option} {key}={value}: choose {known}")
    return knob.values[value.lower()]


def _nearest(key: str) -> str:
    names = [*KNOBS, *_ALIASES]
    near = get_close_matches(key, names, 3, 0.5) or [name for name in names if key.lower() in name][:3]
    return f"; the nearest are {', '.join(near)}" if near else "; see ortprobe verify --help"


def of_where(settings: Iterable[Setting], where: Where) -> dict[str, str]:
    """The settings that are put into one place, as onnxruntime takes them."""
    return {setting.key: setting.value for setting in settings if setting.where is where}
