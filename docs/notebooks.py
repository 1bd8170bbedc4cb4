"""Runs the notebooks of this folder, which are stored without outputs, and turns what they show into pages."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

SECONDS = 180
"""What a single cell may take."""


def executed(path: Path) -> NotebookNode:
    """Return a notebook with its outputs, after it ran in an empty folder with this interpreter.

    Raises:
        CellExecutionError: a cell raised an exception; the message shows it.
        CellTimeoutError: a cell took too long.
    """
    notebook = nbformat.read(path, as_version=4)
    scripts = Path(sys.executable).parent  # of the environment, whose `nasforge` the notebook calls
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": folder}})
        return client.execute(env=environment)


def page(notebook: NotebookNode, name: str) -> tuple[str, dict[str, bytes]]:
    """Return a notebook as Markdown, and the pictures that it refers to by their file names.

    Args:
        notebook: with its outputs.
        name: begins the names of the pictures.
    """
    from nbconvert import MarkdownExporter

    markdown, resources = MarkdownExporter().from_notebook_node(notebook, resources={"unique_key": name})
    return markdown, resources["outputs"]
