"""The command in a process that is forked from one that has imported everything, so that it starts in no time."""

import multiprocessing
import os
import site
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
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
        packages: a further `site-packages` folder.
    """

    def __init__(self, folder, *words, new_session=False, environment=None, packages=None):
        self._output = tempfile.TemporaryDirectory()
        variables = dict(os.environ if environment is None else environment)
        arguments = (str(folder), words, self._output.name, variables, new_session, packages)
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


def _run(folder, words, output, variables, new_session, packages):
    """In the process."""
    if new_session:
        os.setsid()
    for descriptor, name in enumerate(("stdout", "stderr"), start=1):
        os.dup2(os.open(Path(output, name), os.O_WRONLY | os.O_CREAT), descriptor)
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    sys.path[:0] = [str(Path(entry).absolute()) for entry in variables.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.argv[:] = ["nasforge", *words]
    if packages:
        site.addsitedir(str(packages))
    from nasforge.command import cli

    cli.main()


@contextmanager
def shell_function(folder, words, packages):
    """Yield a function `nasforge` for bash, and a list that gets what its commands print.

    Args:
        folder: where the pipes lie by which the shell asks this process for a command.
        words: text that the shell appends to each command.
        packages: as for `Forked`.
    """
    asked, answered, printed = folder / "asked", folder / "answered", []

    def serve():
        while request := asked.read_text():
            variables, _, command = request.partition("\0\0")
            environment = dict(line.split("=", 1) for line in variables.split("\0"))
            process = Forked(*command.split("\0"), environment=environment, packages=packages)
            printed.extend(process.communicate())
            answered.write_text(f"{process.returncode}\n")

    for pipe in (asked, answered):
        os.mkfifo(pipe)
    server = threading.Thread(target=serve)
    server.start()
    ask = f"{{ env -0; printf '\\0%s' \"$PWD\" \"$@\" {words}; }} >'{asked}'"
    try:
        yield f"nasforge() {{ {ask}; read -r status <'{answered}'; return \"$status\"; }}\n", printed
    finally:
        asked.write_text("")  # nothing asked: the end
        server.join()
        asked.unlink()
        answered.unlink()
