"""What ONNX Runtime's graph transformers call the nodes they make.

Read in ORT's sources (`onnxruntime/core/optimizer`, `core/graph/graph.cc`), and seen in the profiles and optimised
models of 1.20.1, 1.26.0 and 1.32.0 (CPU), which agree but for the slash behind `MatMulAddFusion`:

`X`, with another operator: X and what was fused into it, as FusedConv, QLinear…, DynamicQuantizeMatMul
    (selectors_actions/actions.cc)
`…_token_N`: the same, where the name was taken (graph.cc, GenerateNodeName)
`X/MatMulAddFusion`, until 1.20 with a slash behind: Gemm of MatMul X and its Add (matmul_add_fusion.cc)
`X/MatmulTransposeFusion/`, `X/MatMulScaleFusion/`: FusedMatMul of X (matmul_transpose_fusion.cc and its like)
`X/GemmTransposeFusion/`, `X/GemmSumFusion/`: of Gemm X (gemm_transpose_fusion.cc, gemm_sum_fusion.cc)
`fused X`: FusedGemm of Gemm X and its activation (gemm_activation_fusion.cc)
`X/LayerNormFusion/`, `X/SimplifiedLayerNormFusion/`: X is the Mul by the scale (layer_norm_fusion.cc)
`X/QuickGeluFusion/`, `X/SwiGluFusion/`, `X_FusedActivation`: X with its activation (strings of 1.32.0's library)
`X_new_reshape`: Reshape X and those behind it (reshape_fusion.cc)
`X/duplicated`: a copy of DequantizeLinear X for one reader (qdq_transformer/ensure_unique_dq_for_node_unit.cc)
`V_nchwc`, `V_bn_nchwc`, `V_mul_nchwc`: the Conv or pooling that made the value V (nchwc_transformer.cc)
`_inlfunc_F_X`, `_inlfunc_F_token_N_X`: X of the body of function F (graph.cc)
`OP_i`: the unnamed node of index i (sequential_executor.cc)

Inserted, with no node of the model behind it:

`InsertedPrecisionFreeCast_V`, `InsertedCast_V`: a Cast of the value V (insert_cast_transformer.cc)
`Memcpy`: a copy between devices (transformer_memcpy.cc)
`ReorderInput`, `ReorderOutput`: to and from blocked layout (nchwc_transformer.cc)
`gemm_input_reshape`, `gemm_output_reshape`: around a Gemm of more than two dimensions (matmul_add_fusion.cc); the
    latter with `_new_reshape` behind is merged with the model's own Reshape (reshape_fusion.cc)
`Transpose`: of the layout (transpose_optimization/ort_optimizer_api_impl.cc)

`Gelu`, `BiasGelu`, `SkipLayerNormalization`, `Attention`, …: fused, and the name says not of what (gelu_fusion.cc, …).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(r"_token_\d+$")
_SUFFIXES = (
    "/MatMulAddFusion/", "/MatMulAddFusion", "/MatmulTransposeFusion/", "/MatMulScaleFusion/", "/GemmTransposeFusion/",
    "/GemmSumFusion/", "/LayerNormFusion/", "/SimplifiedLayerNormFusion/", "/QuickGeluFusion/", "/SwiGluFusion/",
    "_FusedActivation", "_new_reshape", "/duplicated",
)  # fmt: skip
_PREFIX = "fused "
_BLOCKED = ("_bn_nchwc", "_mul_nchwc", "_nchwc")
_CASTS = ("InsertedPrecisionFreeCast_", "InsertedCast_")
_INLINED = "_inlfunc_"
_GEMM_OUTPUT = re.compile(r"gemm_output_reshape(?:_token_(\d+))?(_new_reshape)?(_token_\d+)?")
_INSERTED_OPS = frozenset({"MemcpyToHost", "MemcpyFromHost", "ReorderInput", "ReorderOutput"})
_INSERTED_NAMES = frozenset(
    {("Reshape", "gemm_input_reshape"), ("Reshape", "gemm_output_reshape"), ("Transpose", "Transpose")}
)


def is_inserted(name: str, op_type: str) -> bool:
    """Whether a node that the model does not have was put in by ORT, with no node of the model behind it."""
    if op_type in _INSERTED_OPS:
        return True
    return (op_type == "Cast" and name.startswith(_CASTS)) or (op_type, _TOKEN.sub("", name)) in _INSERTED_NAMES


def origins(name: str) -> Iterator[str]:
    """Names of the nodes that a node of this name may have been made of, the nearest first."""
    while True:
        shorter = _TOKEN.sub("", name)
        if shorter == name:
            suffix = next((each for each in _SUFFIXES if name.endswith(each)), "")
            shorter = name.removesuffix(suffix) if suffix else name.removeprefix(_PREFIX)
        if shorter == name:
            return
        name = shorter
        yield name


def blocked_values(name: str) -> Iterator[str]:
    """The value whose maker was rewritten to blocked layout under this name, the likeliest first."""
    name = _TOKEN.sub("", name)
    for suffix in _BLOCKED:
        if name.endswith(suffix):
            value = name.removesuffix(suffix)
            yield from dict.fromkeys((value, original_value(value)))


def gemm_output_token(name: str) -> int | None:
    """For the Reshape behind a Gemm a number that grows from Gemm to Gemm in the order of their making."""
    match = _GEMM_OUTPUT.fullmatch(name)
    return int(match[1] or -1) if match else None


def is_merged_gemm_output(name: str) -> bool:
    """Whether the Reshape behind a Gemm was merged with one that stood behind it in the model."""
    match = _GEMM_OUTPUT.fullmatch(name)
    return match is not None and match[2] is not None


def original_value(name: str) -> str:
    """The value that a value of an optimised model holds: itself, or that of which it is a cast."""
    return next((name.removeprefix(cast) for cast in _CASTS if name.startswith(cast)), name)


def inlined_name(name: str, function: str) -> str:
    """The name that an inlined node had in the body of `function`; empty when it is of another one."""
    match = re.match(rf"{_INLINED}{re.escape(function)}(_token_\d+)?_(.+)", name, re.DOTALL)
    return match[2] if match else ""
