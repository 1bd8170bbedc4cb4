"""The command's help, and one sentence for each way in which it can fail."""

from __future__ import annotations

import errno
import os

from nasforge.errors import NasforgeError, out_of_memory, reason, shortened, text_of
from nasforge.stopping import Interrupted

HELP = """\
nasforge searches for neural network architectures: a strategy explores a
search space on your data.

  nasforge                               run EG-NAS on the DARTS space (2 min.)
  nasforge strategy=egnas data=cifar10   choose plug-ins (names: nasforge list)
  nasforge strategy.epochs=20 seed=1     set options (all: nasforge --cfg job)
  nasforge -m seed=1,2,3                 run a sweep: a search per combination

Commands (`search` is the default)
  search [KEY=VALUE]...         search, compare with random architectures,
                                retrain the best, and write a report
  resume RUN [KEY=VALUE]...     continue a stopped or killed run; budget,
                                executor and trainer may change
  retrain RUN [KEY=VALUE]...    train the architecture of a run from scratch;
                                without RUN: architecture=NAME or =FILE;
                                generation=3 (0,5,9 or all): the best of these;
                                stage= and member= likewise, if it has any
  report RUN [--follow]         write the report and the drawings again, or
                                the report so far while the run goes on
  export RUN [--to FORMATS]     write the trained network as plain Python and
                                ONNX, or in other formats; without RUN:
                                architecture=NAME, with random weights
  compare RUN... [out=FOLDER]   compare runs and sweeps: tables, curves and
                                rank tests
  simulate [KEY=VALUE]...       run a strategy on a table with many seeds, in
                                seconds: table= task= seeds=1000 out=FILE
  verdict STRATEGY... [out=]    judge strategies on all tables, against random
                                search and the best of the box
  table import SOURCE [TARGET]  convert a benchmark's published files to a
                                table for estimator=tabular
  table info [NAME or PATH]     describe a table, or all tables found
  measure-latency [KEY=VALUE].. measure 20 latencies of space=NAME here,
                                so that searches predict those of all others
  list [KIND] [--check]         list installed plug-ins and presets (space,
                                strategy, estimator, data), or tables;
                                --check tests them
  new-plugin NAME [KIND]...     write a package with a working plug-in for you
                                to change
  doctor                        check this machine and say how to fix what is
                                missing

Common keys
  space= strategy= data=        names of plug-ins
  estimator=                    name of one, or several: estimator=[a,b]
  seed=0                        seed of all randomness
  budget.evaluations=           stop after this many evaluations
  budget.seconds=               stop after this time
  space.channels= space.cells= data.batch_size=   sizes
  retrain.epochs=               epochs of the final training
  retrain.seeds=                number of final trainings; 0 for none
  trainer.accelerator=          type of device to train on
  trainer.devices=              number of devices; trainer=ddp shares a fit
                                among them
  executor.workers=             candidates to estimate in parallel;
                                executor=ray also uses a cluster
  executor.threads=             CPU threads per candidate
  hydra.run.dir=PATH            the run's folder (default: runs/ and the time)

Options
  -m, --multirun      sweep over lists and ranges: seed=1,2 'seed=range(8)'
  --cfg job           print the configuration and exit; --info and --resolve
                      print more of it
  --config-dir DIR    use your own configurations in DIR, such as
                      +experiment=mine; also for resume and retrain
  --hydra-help        show more options of the configuration system
  -sc install=bash    tab completion: eval "$(nasforge -sc install=bash)"
  --version, -h, --help

NASFORGE_TRACEBACK=1 shows the full Python traceback of an error.
"""


_OF_FILES = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY),
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.EFBIG, errno.EXDEV, errno.ENODEV, errno.EBUSY, errno.EIO, errno.ESTALE),
}
"""System errors about the file that they name, which the user can fix."""


class SweepError(Exception):
    """A job of a sweep failed; its own message has been printed."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def explained(error: BaseException) -> tuple[int, str]:
    """Return the exit status and the sentence for an error that ended a command."""
    if isinstance(error, NasforgeError):
        return 2, str(error)
    if isinstance(error, SweepError):
        return error.status, "jobs of this sweep failed; see their messages above"
    if isinstance(error, Interrupted):
        return 128 + error.number, f"interrupted; continue with: {error.again or _again(error)}"
    if isinstance(error, KeyboardInterrupt):
        return 130, "interrupted before anything was saved; run the same command again"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" ({error.filename})" if error.filename else ""
        return 1, f"the disk is full{where}; free some space, then continue with: {_again(error)}"
    if out_of_memory(error):
        return 1, f"out of memory ({text_of(error)}); free some, then continue with: {_again(error)}"
    if isinstance(error, FileNotFoundError) and not error.filename:  # from os.getcwd
        return 2, "the folder that this command runs in no longer exists; change into another one"
    if isinstance(error, OSError) and error.errno in _OF_FILES:
        return 2, f"{error.strerror}: {shortened(str(error.filename or 'a file that this command writes'))}"
    from nasforge.registry.libraries import broken_library

    if broken := broken_library(error):
        return 2, broken
    return 1, f"this is a bug in nasforge or a plug-in: {reason(error)}. NASFORGE_TRACEBACK=1 shows where"


def _again(error: BaseException) -> str:
    """Return how to continue after an error: `resume` if it ended a run that has a journal, and so keeps its work."""
    folder = getattr(error, "folder", None)
    return f"nasforge resume {os.path.relpath(folder)}" if folder else "the same command again"
