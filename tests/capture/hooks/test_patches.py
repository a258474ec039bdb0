"""Replaced attributes come back as they were."""

from __future__ import annotations

from ortprobe.capture.hooks.patches import Patches


class Base:
    def inherited(self) -> str:
        return "base"


class Owner(Base):
    def plain(self) -> str:
        return "plain"

    @classmethod
    def of_class(cls) -> str:
        return cls.__name__

    @staticmethod
    def static() -> str:
        return "static"


def loud(original):
    return lambda *args: original(*args).upper()


def test_every_kind_of_method_is_replaced_and_restored() -> None:
    before = dict(vars(Owner))
    patches = Patches()
    assert all(patches.replace(Owner, name, loud) for name in ("inherited", "plain", "of_class", "static"))
    assert (Owner().inherited(), Owner().plain(), Owner.of_class(), Owner.static()) == (
        "BASE",
        "PLAIN",
        "OWNER",
        "STATIC",
    )
    assert Base().inherited() == "base"
    patches.restore()
    assert dict(vars(Owner)) == before
    assert Owner().inherited() == "base"


def test_missing_name_is_told() -> None:
    assert not Patches().replace(Owner, "missing", loud)


def test_what_somebody_else_replaced_since_is_left_alone() -> None:
    class Mine(Owner):
        def plain(self) -> str:
            return "mine"

    patches = Patches()
    patches.replace(Mine, "plain", loud)
    hooked = Mine.plain
    Mine.plain = lambda self: hooked(self) + "!"
    patches.restore()
    assert Mine().plain() == "MINE!"
