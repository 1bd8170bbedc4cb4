"""What the command says: its help, and one sentence for each way in which it can end badly."""

from __future__ import annotations

import errno
import os

from nasforge.errors import NasforgeError, out_of_memory, reason, shortened, text_of
from nasforge.stopping import Interrupted

HELP = """\
nasforge searches neural network architectures: a strategy looks through a
search space, on your data.

  nasforge                               EG-NAS on the DARTS space: two minutes
  nasforge strategy=egnas data=cifar10   choose parts by name: nasforge list
  nasforge strategy.epochs=20 seed=1     set options, see nasforge --cfg job
  nasforge -m seed=1,2,3                 a sweep: a search for each combination

Commands (`search` may be left out)
  search [KEY=VALUE]...         search, compare with random architectures,
                                retrain, write a report
  resume RUN [KEY=VALUE]...     go on with a stopped or killed run; budget,
                                executor and trainer may change
  retrain RUN [KEY=VALUE]...    train what a run found from scratch; without
                                RUN: architecture=NAME or a file
  report RUN                    write the report and the drawings again
  compare RUN... [out=FOLDER]   runs and sweeps side by side: tables, curves
                                and rank tests
  table import SOURCE [TARGET]  make a table from a benchmark's published
                                files, for estimator=tabular
  table info [PATH]             what is in a table, or in all that are found
  list [KIND] [--check]         installed plug-ins and presets (space,
                                strategy, estimator, data); --check tries them
  new-plugin NAME [KIND]...     write a package with a plug-in of your own,
                                which works as it is
  doctor                        what this machine has and lacks, and what to
                                do about it

Common keys
  space= strategy= data=        which plug-ins
  estimator=                    the same; estimator=[a,b] takes several
  seed=0                        all randomness
  budget.evaluations=           when to stop
  budget.seconds=               the same
  space.channels= space.cells= data.batch_size=   sizes
  retrain.epochs=               of the final training
  retrain.seeds=                how often; 0 leaves it out
  trainer.accelerator=          where to train
  trainer.devices=              on how many, which trainer=ddp lets share a fit
  executor.workers=             candidates side by side; executor=ray: on a
                                cluster too
  executor.threads=             CPU threads of each
  hydra.run.dir=PATH            the run's folder (default: runs/ and the time)

Options
  -m, --multirun      sweep over lists and ranges: seed=1,2 'seed=range(8)'
  --cfg job           print the configuration instead of running; --info and
                      --resolve print more of it
  --config-dir DIR    a folder of your own configurations, for +experiment=mine
                      say; resume and retrain take it too
  --hydra-help        what else the configuration system can do
  -sc install=bash    tab completion: eval "$(nasforge -sc install=bash)"
  --version, -h, --help

NASFORGE_TRACEBACK=1 shows the whole Python traceback of an error.
"""


_OF_FILES = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY),
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.EFBIG, errno.EXDEV, errno.ENODEV, errno.EBUSY, errno.EIO, errno.ESTALE),
}
"""Errors of the system that are about the file that they name, and for the user to mend."""


class SweepError(Exception):
    """A job of a sweep failed; its own sentence has been printed."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def explained(error: BaseException) -> tuple[int, str]:
    """The exit status and the sentence for what ended a command."""
    if isinstance(error, NasforgeError):
        return 2, str(error)
    if isinstance(error, SweepError):
        return error.status, "jobs of this sweep failed, as said above"
    if isinstance(error, Interrupted):
        resume = f"nasforge resume {os.path.relpath(error.folder)}" if error.folder else "the same command again"
        how = error.again or resume
        return 128 + error.number, f"interrupted; continue with: {how}"
    if isinstance(error, KeyboardInterrupt):
        return 130, "interrupted before anything was kept; continue with: the same command again"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" ({error.filename})" if error.filename else ""
        return 1, f"the disk is full{where}; make room, then `nasforge resume` the run: what was finished is kept"
    if out_of_memory(error):
        return (
            1,
            f"out of memory ({text_of(error)}); make room, then `nasforge resume` the run: what was finished is kept",
        )
    if isinstance(error, FileNotFoundError) and not error.filename:  # of os.getcwd
        return 2, "the folder that this command runs in no longer exists; change into another one"
    if isinstance(error, OSError) and error.errno in _OF_FILES:
        return 2, f"{error.strerror}: {shortened(str(error.filename or 'a file that this command writes'))}"
    return 1, f"this is a fault of nasforge or of a plug-in: {reason(error)}. NASFORGE_TRACEBACK=1 shows where"
