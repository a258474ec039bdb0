"""What an operation of torch does with each of its arguments: reads it, writes it, or looks at its shape alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Argument, FunctionSchema
    from torch._C import JitType


class Use(IntEnum):
    """What becomes of the memory of an argument. Where overloads differ, the greater one holds."""

    NONE = 0
    READ = 1
    WRITE = 2
    """Perhaps read as well, as by `add_`."""


_SHAPE_ALONE = frozenset(
    f"aten::{name}"
    for name in (
        *("empty_like", "zeros_like", "ones_like", "full_like", "rand_like", "randn_like", "randint_like"),
        *("new_empty", "new_empty_strided", "new_zeros", "new_ones", "new_full"),
        *("_unsafe_view", "unsafe_chunk", "unsafe_split", "unsafe_split_with_sizes"),
        *("size", "stride", "numel", "dim", "storage_offset", "sym_size", "sym_stride", "sym_numel"),
        *("is_pinned", "is_same_size", "is_set_to", "is_contiguous", "is_floating_point", "is_complex", "is_signed"),
        *("result_type", "can_cast", "cudnn_is_acceptable", "record_stream", "_version", "_shape_as_tensor"),
    )
)
"""What a schema does not tell: these take tensors without reading them (torch, native_functions.yaml)."""

_GIVEN_BACK = frozenset(f"aten::{name}dropout" for name in ("", "feature_", "alpha_", "feature_alpha_"))
"""`f(input, p, train)` gives back its very input unless it is training, which the schema does not say."""


class OperatorArguments:
    """Looks operations up in torch's registry, as `torch.profiler._memory_profiler.SchemaMatcher` does.

    A schema is believed: the few that write an argument which they don't declare (`native_batch_norm`'s running mean
    and variance) count as reading it.
    """

    def __init__(self, torch: ModuleType) -> None:
        self._torch = torch
        self._schemas: dict[str, tuple[FunctionSchema, ...]] = {}
        self._uses: dict[tuple[str, str, tuple[str, ...]], tuple[Use, ...] | None] = {}

    def uses(self, name: str, overload: str, inputs: Sequence[object]) -> tuple[Use, ...] | None:
        """What becomes of each of the recorded inputs; None when torch knows no operation that takes them.

        Args:
            name: with its namespace, `aten::add_`.
            overload: `Tensor`, as torch records it when asked to (`capture_overload_names`); "" when not known,
                and for the one that has no name.
            inputs: as the profiler recorded them: None also stands for what it does not record, such as lists of ints.
        """
        if name in _GIVEN_BACK and inputs[2:3] == [False]:
            return (Use.NONE,) * len(inputs)
        key = (name, overload, tuple([type(value).__name__ for value in inputs]))
        if key not in self._uses:
            self._uses[key] = self._look_up(*key)
        return self._uses[key]

    def _look_up(self, name: str, overload: str, kinds: tuple[str, ...]) -> tuple[Use, ...] | None:
        schemas = self._of_name(name)
        named = [schema for schema in schemas if overload and schema.overload_name == overload]
        counted = [schema for schema in named or schemas if len(schema.arguments) == len(kinds)]
        matching = [schema for schema in counted if self._accepts(schema, kinds)] or counted
        if not matching:
            return None
        if name in _SHAPE_ALONE or self._changes_shape_alone(name):
            return (Use.NONE,) * len(kinds)
        return tuple(max(uses) for uses in zip(*map(_declared, matching), strict=True))

    def _of_name(self, name: str) -> tuple[FunctionSchema, ...]:
        if name not in self._schemas:
            known = self._torch._C._jit_get_schemas_for_operator(name) if "::" in name else ()
            self._schemas[name] = tuple(known)
        return self._schemas[name]

    def _changes_shape_alone(self, name: str) -> bool:
        """Whether it is a view made in place (`t_`, `detach_`, `set_`), whose schema says that it writes."""
        namespace, _, base = name.partition("::")
        packet = getattr(getattr(self._torch.ops, namespace), base, None)
        overloads: Iterable[str] = packet.overloads() if packet is not None else ()
        tag = self._torch.Tag.inplace_view
        return any(tag in getattr(packet, overload).tags for overload in overloads)

    def _accepts(self, schema: FunctionSchema, kinds: Sequence[str]) -> bool:
        return all(self._takes(argument.type, kind) for argument, kind in zip(schema.arguments, kinds, strict=True))

    def _takes(self, declared: JitType, kind: str) -> bool:
        c = self._torch._C
        if isinstance(declared, c.OptionalType):
            return kind == "NoneType" or self._takes(declared.getElementType(), kind)
        if isinstance(declared, c.AnyType):
            return True
        if declared.isSubtypeOf(c.ListType.ofTensors()):
            return kind == "list"
        for jit_type, recorded in (
            (c.TensorType, ("_TensorMetadata", "NoneType")),
            (c.BoolType, ("bool",)),
            (c.IntType, ("int",)),
            (c.FloatType, ("float", "int")),
            (c.ComplexType, ("complex",)),
            (c.NumberType, ("bool", "int", "float", "complex")),
        ):
            if isinstance(declared, jit_type):
                return kind in recorded
        return kind == "NoneType"  # of a type that the profiler does not record


def _declared(schema: FunctionSchema) -> tuple[Use, ...]:
    """Of an operation that hands out a view of one argument, none is read: the others only say what it looks like."""
    makes_view = any(_is_alias(argument) for argument in schema.arguments)
    return tuple(_use(argument, Use.NONE if makes_view else Use.READ) for argument in schema.arguments)


def _is_alias(argument: Argument) -> bool:
    return argument.alias_info is not None and not argument.alias_info.is_write


def _use(argument: Argument, otherwise: Use) -> Use:
    return Use.WRITE if argument.alias_info is not None and argument.alias_info.is_write else otherwise
