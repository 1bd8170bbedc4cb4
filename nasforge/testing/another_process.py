"""Call functions in another process, where strings hash differently and no plug-in was used before, as after a resume.

The process starts with the first call, imports what the suites import, and forks for each call, so that a call takes a
fork instead of the seconds of importing torch.
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
"""The end of messages about results that differ between processes."""


class Question(NamedTuple):
    """A call, and the state of this process that it needs.

    Attributes:
        function: a function in `nasforge.testing`.
        arguments: pickled, because they may hold plug-in classes that only `path` can import.
        path: `sys.path`.
        folder: the working directory.
        variables: the environment variables.
    """

    function: Callable[..., Any]
    arguments: bytes
    path: list[str]
    folder: str
    variables: dict[str, str]


def elsewhere(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return `function(*arguments)` from the other process; fail the test if it raises there."""
    process = _started()
    assert process.stdin is not None
    assert process.stdout is not None
    pickle.dump(Question(function, pickle.dumps(arguments), sys.path, os.getcwd(), dict(os.environ)), process.stdin)
    process.stdin.flush()
    answer = pickle.load(process.stdout)
    value, error = pickle.loads(answer) if answer else (None, "it ended at once, as in a crash")
    if error:
        pytest.fail(f"this works in one process but fails in another: {error}", pytrace=False)
    return value


@cache
def _started() -> subprocess.Popen[bytes]:
    """Start the process, which ends when the pipe of its questions closes, so always with this process."""
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
    """In the other process: answer questions until there are no more, with plug-ins' output discarded."""
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
    """Answer in a fork, which has no traces of earlier questions; return the pickled answer, empty if it crashed."""
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
    """Return the value and the error message (empty if none), pickled."""
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
