"""Another process, in which strings hash otherwise and no plug-in has been used: what a resumed run finds itself in.

It starts with the first question, imports what the suites import, and forks for each question. So a question costs a
fork, and not the seconds in which torch is imported.
"""

from __future__ import annotations

import atexit
import importlib
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import pytest

ORDER = "sort what must have an order, since sets, and hash() of text, differ between processes"
"""The end of the sentence for what differs between processes."""


class Question(NamedTuple):
    """What is to be called, and where it would stand in this process.

    Attributes:
        function: one of `nasforge.testing`.
        arguments: pickled, since only `path` leads to the plug-ins' classes among them.
        path: for imports.
        folder: the working directory.
        variables: of the environment.
    """

    function: Callable[..., Any]
    arguments: bytes
    path: list[str]
    folder: str
    variables: dict[str, str]


def elsewhere(function: Callable[..., Any], *arguments: Any) -> Any:
    """What `function(*arguments)` gives in the other process; the test fails where that raises."""
    process = _started()
    assert process.stdin is not None
    assert process.stdout is not None
    pickle.dump(Question(function, pickle.dumps(arguments), sys.path, os.getcwd(), dict(os.environ)), process.stdin)
    process.stdin.flush()
    answer = pickle.load(process.stdout)
    value, said = pickle.loads(answer) if answer else (None, "it ended at once, as a process does that crashes")
    if said:
        pytest.fail(f"what works in this process fails in another: {said}", pytrace=False)
    return value


@cache
def _started() -> subprocess.Popen[bytes]:
    """It ends with this process, however that ends, when the pipe of its questions does."""
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve()"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONHASHSEED": seed},
    )
    atexit.register(process.kill)
    return process


def serve() -> None:
    """In the other process: answer questions until there are no more. What plug-ins print is in nobody's way."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(nothing, stream)
    while True:
        try:
            question: Question = pickle.load(questions)
        except EOFError:
            return
        pickle.dump(_forked(question), answers)
        answers.flush()


def _forked(question: Question) -> bytes:
    """The pickled answer of a process of its own, in which nothing stays of earlier questions; empty if it crashed."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            with os.fdopen(writing, "wb") as answer:
                answer.write(_answered(question))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        content = answer.read()
    os.waitpid(child, 0)
    return content


def _answered(question: Question) -> bytes:
    """Pickled: the value, and what was raised instead, if something was."""
    try:
        sys.path[:] = question.path
        importlib.invalidate_caches()
        variables = {**question.variables, "PYTHONHASHSEED": os.environ["PYTHONHASHSEED"]}
        os.environ.clear()
        os.environ.update(variables)
        os.chdir(question.folder)
        return pickle.dumps((question.function(*pickle.loads(question.arguments)), ""))
    except (AssertionError, pytest.fail.Exception) as error:
        return pickle.dumps((None, str(error)))
    except BaseException:
        return pickle.dumps((None, traceback.format_exc()))
