"""Images that a search is given in memory: it keeps them in its folder, where every later command finds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from nasforge.command.labelled_images import LabelledImages, Part
from nasforge.errors import DataError, OptionError, RunError
from nasforge.journal.journal import atomic
from nasforge.journal.run_folder import RunFolder


def is_in_memory(data: Any) -> TypeGuard[LabelledImages]:
    """Return whether `data` holds images, and is neither the name of a plug-in nor a mapping of options."""
    return data is not None and not isinstance(data, str) and type(data) is not dict


@dataclass(frozen=True, eq=False)
class InMemory:
    """Checked images, as the data module `arrays` reads them.

    Attributes:
        arrays: `train_images` (N, H, W, C) uint8, `train_labels` (N,), `classes`, and the same of the test images.
    """

    arrays: Mapping[str, np.ndarray]

    @classmethod
    def of(
        cls, train: LabelledImages, test: LabelledImages | None = None, class_names: Sequence[str] | None = None
    ) -> InMemory:
        """Check images and labels.

        Args:
            class_names: in the order of the labels; None: those of the dataset, or else the labels themselves.

        Raises:
            DataError: images, labels or names are not what they must be; the message says what would be right.
        """
        parts = {"train": Part.of(train, "data")} | ({} if test is None else {"test": Part.of(test, "test")})
        own = next((part.class_names for part in parts.values() if part.class_names), ())
        highest = max(int(part.labels.max()) for part in parts.values())
        names = list(map(str, class_names or own or range(highest + 1)))
        if highest >= len(names):
            raise DataError(f"the labels go up to {highest}, but there are only {len(names)} class names")
        arrays = {"classes": np.array(names, dtype=str)}
        for name, part in parts.items():
            arrays |= {f"{name}_images": part.images, f"{name}_labels": part.labels}
        return cls(arrays)

    @contextmanager
    def written(self, folder: Path) -> Iterator[Path]:
        """Write the images into a run's folder; if no run begins inside this context, remove them again.

        Raises:
            RunError: there is such a file already.
        """
        files = RunFolder(folder)
        if files.images.exists():
            raise RunError(f"{files.images} exists already; remove it, or choose another run_dir")
        new = not folder.exists()
        try:
            with atomic(files.images) as temporary, temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, **self.arrays)
            yield files.images
        finally:
            if not files.journal.exists():
                files.images.unlink(missing_ok=True)
                with suppress(OSError):  # it holds something else, or is gone
                    folder.rmdir() if new else None


def check_no_extras(test: Any, class_names: Any) -> None:
    """Raise an `OptionError` for test images or class names that come without training images."""
    for name, value in (("test", test), ("class_names", class_names)):
        if value is not None:
            raise OptionError(f"{name}= goes with data in memory, as in data=(images, labels)")
