"""How long a run took, over all its starts, and what the time went into."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_TELLING = ("clock", "generation")
"""Kinds of journal line that say how many seconds the run had taken."""


class Clock:
    """Seconds of wall-clock time. The journal's `clock` lines carry them from start to start.

    Args:
        lines: of the journal, of earlier starts.
    """

    def __init__(self, lines: Iterable[Mapping[str, Any]]) -> None:
        told = [line for line in lines if line["kind"] in _TELLING]
        self._before: float = max((line["seconds"] for line in told), default=0.0)
        self._start = self._charged = time.perf_counter()
        self._inside: list[str] = []
        self._parts: defaultdict[str, float] = defaultdict(float)
        for line in told:
            for label, seconds in line.get("parts", {}).items():
                self._parts[label] += seconds
        self._told = dict(self._parts)

    @property
    def seconds(self) -> float:
        """Of all starts together."""
        return self._before + time.perf_counter() - self._start

    @property
    def parts(self) -> dict[str, float]:
        """Seconds of all starts by what they went into; nothing is counted twice."""
        self._charge()
        return dict(self._parts)

    @contextmanager
    def counting(self, label: str) -> Iterator[None]:
        """Count the time inside towards `label`, but for what is counted towards another label inside of it."""
        self._charge()
        self._inside.append(label)
        try:
            yield
        finally:
            self._charge()
            self._inside.pop()

    def line(self) -> dict[str, Any]:
        """The content of the next `clock` line: the total, and what has come to each part since the last one."""
        new = {label: round(value - self._told.get(label, 0.0), 4) for label, value in self.parts.items()}
        self._told = dict(self._parts)
        return {"seconds": round(self.seconds, 3), "parts": {label: value for label, value in new.items() if value}}

    def _charge(self) -> None:
        """The time since the last charge goes to the innermost label."""
        now = time.perf_counter()
        if self._inside:
            self._parts[self._inside[-1]] += now - self._charged
        self._charged = now
