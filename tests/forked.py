"""The command in a process that is forked from one that has imported everything, so that it starts in no time."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PRELOAD = [
    "nasforge.command.cli",
    "nasforge.experiment.experiment",
    "nasforge_plugins.estimator.training",
    "nasforge_plugins.space.darts",
]


class Forked:
    """A running `nasforge WORDS`, with the methods of a `subprocess.Popen` whose output is captured as text.

    Args:
        folder: its working directory.
        words: of the command.
        new_session: whether it leads a session of its own, as a command that is typed does.
        environment: its variables, if they are not those of this process.
    """

    def __init__(self, folder, *words, new_session=False, environment=None):
        self._output = tempfile.TemporaryDirectory()
        variables = dict(os.environ if environment is None else environment)
        arguments = (str(folder), words, self._output.name, variables, new_session)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOAD)
        self._process = context.Process(target=_run, args=arguments)
        self._process.start()
        self.pid = self._process.pid
        self.kill, self.terminate = self._process.kill, self._process.terminate

    @property
    def returncode(self):
        """Its exit status, negative for a signal; None: it runs."""
        return self._process.exitcode

    def poll(self):
        return self.returncode

    def communicate(self, timeout=None):
        """Wait until it ends, and return its output and its error output."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("nasforge", timeout)
        return tuple(Path(self._output.name, name).read_text() for name in ("stdout", "stderr"))


def _run(folder, words, output, variables, new_session):
    """In the process."""
    if new_session:
        os.setsid()
    for descriptor, name in enumerate(("stdout", "stderr"), start=1):
        os.dup2(os.open(Path(output, name), os.O_WRONLY | os.O_CREAT), descriptor)
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    sys.argv[:] = ["nasforge", *words]
    from nasforge.command import cli

    cli.main()
