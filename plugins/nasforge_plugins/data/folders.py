"""Image folders as people have them: which folders are splits, which are classes, and which files are images."""

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
"""What split folders are called, alone or as in `seg_train`, `train_images` or `Testing`."""
_SPLIT = re.compile(
    r"(?:\w+[ _-])?(?:"
    + "|".join(f"(?P<{split}>{'|'.join(words)})" for split, words in WORDS.items())
    + r")(?:[ _-]?(?:set|data|images|imgs|split))?",
    re.IGNORECASE,
)


class Layout(NamedTuple):
    """Where the images of a folder lie.

    Attributes:
        train: the folder that holds the classes to train on.
        test: likewise to test on, None if there is none.
        validation: whether `test` is what the user calls a validation set.
        unread: folders beside them that are not read.
    """

    train: Path
    test: Path | None = None
    validation: bool = False
    unread: tuple[Path, ...] = ()


def layout(root: Path) -> Layout:
    """The folders of training and test images: split folders by their usual names, or `root` itself.

    A validation folder is the test set where there is no test folder.

    Raises:
        DataError: there is no such folder, or its folders can be understood in more than one way.
    """
    if not root.is_dir():
        raise DataError(f"there is no folder {root}; it must hold one folder of images for each class")
    root = _unwrapped(root)
    folders = subfolders(root)
    splits = {split: _called(split, folders, root) for split in WORDS}
    train, test = splits["train"], splits["test"] or splits["validation"]
    others = [folder for folder in folders if folder not in splits.values()]
    if train and others and not subfolders(train):  # a class called train, beside bus and car
        return Layout(root)
    if test and not train:
        raise DataError(f"{root} has a folder '{test.name}', but no 'train' beside it")
    if not train:
        _check_classes(root, folders)
        return Layout(root)
    for split in filter(None, (train, test)):
        if not subfolders(_unwrapped(split)):
            raise DataError(f"{split} holds no folder; it must hold one folder of images for each class")
    unread = tuple(folder for folder in folders if folder not in (train, test))
    return Layout(_unwrapped(train), test and _unwrapped(test), test == splits["validation"] is not None, unread)


def subfolders(folder: Path) -> list[Path]:
    """The folders in it that are the user's own, sorted by name."""
    return sorted(one for one in folder.iterdir() if one.is_dir() and _own(one.name))


def images(folder: Path) -> tuple[list[Path], Counter[str]]:
    """The image files at any depth below `folder`, sorted, and how many other files there are, by their suffix."""
    found: list[Path] = []
    others: Counter[str] = Counter()
    for file in _files(folder):
        if file.suffix.lower() in SUFFIXES:
            found.append(file)
        else:
            others[file.suffix.lower() or "no suffix"] += 1
    return sorted(found), others


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if _own(name)]
        yield from (Path(place, name) for name in files if _own(name) and name not in ("Thumbs.db", "desktop.ini"))


def _own(name: str) -> bool:
    """Whether it is the user's own: systems and programs leave hidden files and folders behind."""
    return not name.startswith(".") and name not in LEFT_BEHIND


def _unwrapped(folder: Path) -> Path:
    """The folder itself, or the only one inside it that holds all, as `seg_train/seg_train/CLASS` has it."""
    inner = subfolders(folder)
    while len(inner) == 1 and subfolders(inner[0]) and not any(one.suffix.lower() in SUFFIXES for one in _here(folder)):
        folder, inner = inner[0], subfolders(inner[0])
    return folder


def _here(folder: Path) -> Iterator[Path]:
    return (one for one in folder.iterdir() if one.is_file() and _own(one.name))


def _called(split: str, folders: list[Path], root: Path) -> Path | None:
    """The folder whose name says that it is this split; a plain name goes before a longer one."""
    named = [one for one in folders if (found := _SPLIT.fullmatch(one.name)) and found[split]]
    plain = [one for one in named if one.name.lower() in WORDS[split]]
    fitting = plain or named
    if len(fitting) > 1:
        listed = ", ".join(f"'{one.name}'" for one in fitting)
        raise DataError(f"{root} has {len(fitting)} folders of {split} images, {listed}; leave one of them there")
    return fitting[0] if fitting else None


def _check_classes(root: Path, folders: list[Path]) -> None:
    """Refuse splits by unknown names, which would become classes."""
    inside = [frozenset(one.name for one in subfolders(folder)) for folder in folders]
    if len(folders) > 1 and len(inside[0]) > 1 and len(set(inside)) == 1:
        outer, inner = ", ".join(one.name for one in folders[:5]), ", ".join(sorted(inside[0])[:5])
        raise DataError(
            f"the folders of {root} ({outer}) all hold the same folders ({inner}); if those are the classes, "
            f"call the outer ones 'train' and 'test'"
        )
