"""Image folders in their usual layouts: which folders are splits, which are classes, and which files are images."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nasforge import DataError

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
LEFT_BEHIND = {"__MACOSX", "@eaDir"}
"""Folders that archives and network drives leave behind; hidden ones begin with a dot."""
WORDS = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
    "validation": ("val", "valid", "validation"),
}
"""Names of split folders, alone or as in `seg_train`, `train_images` or `Testing`."""
_SPLIT = re.compile(
    r"(?:\w+[ _-])?(?:"
    + "|".join(f"(?P<{split}>{'|'.join(words)})" for split, words in WORDS.items())
    + r")(?:[ _-]?(?:set|data|images|imgs|split))?",
    re.IGNORECASE,
)


class Layout(NamedTuple):
    """Where the images of a folder are.

    Attributes:
        train: the folder with the classes to train on.
        test: the folder with the classes to test on; None if there is none.
        validation: whether the user calls `test` a validation set.
        unread: folders next to them that are ignored.
    """

    train: Path
    test: Path | None = None
    validation: bool = False
    unread: tuple[Path, ...] = ()


def layout(root: Path) -> Layout:
    """The folders of training and test images: split folders by their usual names, or `root` itself.

    Without a test folder, a validation folder is the test set.

    Raises:
        DataError: the folder does not exist, or its layout is ambiguous.
    """
    if not root.is_dir():
        raise DataError(f"there is no folder {root}; it must hold one folder of images for each class")
    root = _unwrapped(root)
    folders = subfolders(root)
    splits = {split: _called(split, folders, root) for split in WORDS}
    train, test = splits["train"], splits["test"] or splits["validation"]
    others = [folder for folder in folders if folder not in splits.values()]
    if train and others and not subfolders(train):  # a class named train, next to bus and car
        return Layout(root)
    if test and not train:
        raise DataError(f"{root} has a folder '{test.name}', but no folder 'train'")
    if not train:
        _check_classes(root, folders)
        return Layout(root)
    for split in filter(None, (train, test)):
        if not subfolders(_unwrapped(split)):
            raise DataError(f"{split} has no folders; it must hold one folder of images for each class")
    unread = tuple(folder for folder in folders if folder not in (train, test))
    return Layout(_unwrapped(train), test and _unwrapped(test), test == splits["validation"] is not None, unread)


def subfolders(folder: Path) -> list[Path]:
    """The user's own folders in `folder`, sorted by name."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and _is_user_file(path.name))


def images(folder: Path) -> tuple[list[Path], Counter[str]]:
    """The image files at any depth below `folder`, sorted, and the number of other files by suffix."""
    image_files: list[Path] = []
    others: Counter[str] = Counter()
    for file in _files(folder):
        if file.suffix.lower() in SUFFIXES:
            image_files.append(file)
        else:
            others[file.suffix.lower() or "no suffix"] += 1
    return sorted(image_files), others


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if _is_user_file(name)]
        names = (name for name in files if _is_user_file(name) and name not in ("Thumbs.db", "desktop.ini"))
        yield from (Path(parent, name) for name in names)


def _is_user_file(name: str) -> bool:
    """Whether the user made it: systems and programs leave hidden files and folders behind."""
    return not name.startswith(".") and name not in LEFT_BEHIND


def _unwrapped(folder: Path) -> Path:
    """The folder itself, or the single folder inside it that holds everything, as in `seg_train/seg_train/CLASS`."""
    inner = subfolders(folder)
    while len(inner) == 1 and subfolders(inner[0]) and not _has_images(folder):
        folder, inner = inner[0], subfolders(inner[0])
    return folder


def _has_images(folder: Path) -> bool:
    """Whether the folder itself, not a folder in it, holds images."""
    files = (path for path in folder.iterdir() if path.is_file() and _is_user_file(path.name))
    return any(file.suffix.lower() in SUFFIXES for file in files)


def _called(split: str, folders: list[Path], root: Path) -> Path | None:
    """The folder named after this split; a plain name takes precedence over a longer one."""
    named = [folder for folder in folders if (match := _SPLIT.fullmatch(folder.name)) and match[split]]
    plain = [folder for folder in named if folder.name.lower() in WORDS[split]]
    candidates = plain or named
    if len(candidates) > 1:
        names = ", ".join(f"'{folder.name}'" for folder in candidates)
        raise DataError(f"{root} has {len(candidates)} folders of {split} images, {names}; keep one of them")
    return candidates[0] if candidates else None


def _check_classes(root: Path, folders: list[Path]) -> None:
    """Refuse split folders with unknown names, which would become classes."""
    contents = [frozenset(inner.name for inner in subfolders(folder)) for folder in folders]
    if len(folders) > 1 and len(contents[0]) > 1 and len(set(contents)) == 1:
        outer, inner = ", ".join(folder.name for folder in folders[:5]), ", ".join(sorted(contents[0])[:5])
        raise DataError(
            f"the folders of {root} ({outer}) all hold the same folders ({inner}); if those are the classes, "
            f"name the outer ones 'train' and 'test'"
        )
