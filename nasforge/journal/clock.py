"""Measures how long a run takes over all its starts, and where the time goes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_TIMED = ("clock", "generation")
"""Kinds of journal line that hold the seconds that the run had taken."""


class Clock:
    """Counts seconds of wall-clock time. The journal's `clock` lines carry them from one start to the next.

    Args:
        lines: journal lines of earlier starts.
    """

    def __init__(self, lines: Iterable[Mapping[str, Any]]) -> None:
        timed = [line for line in lines if line["kind"] in _TIMED]
        self._before: float = max((line["seconds"] for line in timed), default=0.0)
        self._start = self._charged = time.perf_counter()
        self._inside: list[str] = []
        self._parts: defaultdict[str, float] = defaultdict(float)
        for line in timed:
            for label, seconds in line.get("parts", {}).items():
                self._parts[label] += seconds
        self._written = dict(self._parts)

    @property
    def seconds(self) -> float:
        """Seconds of all starts together."""
        return self._before + time.perf_counter() - self._start

    @property
    def parts(self) -> dict[str, float]:
        """Seconds of all starts by label; no second is counted twice."""
        self._charge()
        return dict(self._parts)

    @contextmanager
    def counting(self, label: str) -> Iterator[None]:
        """Count the time inside towards `label`, except time that a nested label counts."""
        self._charge()
        self._inside.append(label)
        try:
            yield
        finally:
            self._charge()
            self._inside.pop()

    def line(self) -> dict[str, Any]:
        """Return the content of the next `clock` line: the total, and the seconds added to each part since the last."""
        new = {label: round(value - self._written.get(label, 0.0), 4) for label, value in self.parts.items()}
        self._written = dict(self._parts)
        return {"seconds": round(self.seconds, 3), "parts": {label: value for label, value in new.items() if value}}

    def _charge(self) -> None:
        """Charge the time since the last charge to the innermost label."""
        now = time.perf_counter()
        if self._inside:
            self._parts[self._inside[-1]] += now - self._charged
        self._charged = now
