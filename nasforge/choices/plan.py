"""The plan that says what the choices of a constructor become."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from nasforge.errors import OptionError


@dataclass(frozen=True)
class Declared:
    """A decision as a constructor declares it.

    Attributes:
        key: identifies it by the order of declarations, which is the same in every network of the space.
        kind: `option`, `depth`, `width` or `kernel`.
        options: what it chooses from.
        name: the user's name for it, or None.
    """

    key: str
    kind: str
    options: tuple[str | int, ...]
    name: str | None


@dataclass
class Plan:
    """What the choices of a constructor become: everything in a supernet, or one network.

    Attributes:
        chosen: by key, the index of the option; None: everything is built.
        declared: the decisions so far.
    """

    chosen: Mapping[str, int] | None
    declared: dict[str, Declared] = field(default_factory=dict)
    _scope: str = ""
    _counts: dict[str, int] = field(default_factory=dict)

    @property
    def everything(self) -> bool:
        """Whether all options are built."""
        return self.chosen is None

    def declare(self, kind: str, options: tuple[str | int, ...], name: str | None) -> tuple[str, int]:
        """Note a decision; return its key and the index of its option (0 if everything is built)."""
        number = self._counts.get(self._scope, 0)
        self._counts[self._scope] = number + 1
        key = f"{self._scope}{number}"
        self.declared[key] = Declared(key, kind, options, name)
        if self.chosen is None:
            return key, 0
        if key not in self.chosen:
            raise OptionError(
                f"the constructor declares a {kind} ({', '.join(map(str, options))}) that it did not declare before: "
                "it must declare the same choices each time"
            )
        return key, self.chosen[key]

    @contextmanager
    def inside(self, scope: str) -> Iterator[None]:
        """Count declarations separately in this context."""
        outer, self._scope = self._scope, scope
        try:
            yield
        finally:
            self._scope = outer


class _Largest(Plan):
    """Outside of a search: the first of several options, the largest size."""

    def __init__(self) -> None:
        super().__init__({})

    def declare(self, kind: str, options: tuple[str | int, ...], name: str | None) -> tuple[str, int]:
        return "", 0 if kind == "option" else max(range(len(options)), key=lambda index: options[index])


_CURRENT: ContextVar[Plan | None] = ContextVar("plan", default=None)


def current_plan() -> Plan:
    """Return the plan of the innermost `planned`; outside of one, the largest network."""
    return _CURRENT.get() or _Largest()


@contextmanager
def planned(plan: Plan) -> Iterator[None]:
    """Let constructors inside this context follow `plan`."""
    token = _CURRENT.set(plan)
    try:
        yield
    finally:
        _CURRENT.reset(token)
