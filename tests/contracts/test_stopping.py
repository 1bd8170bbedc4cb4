"""Stop signals: raised in order, held back while a process is being started."""

import signal
import subprocess
import sys

import pytest

from nasforge.stopping import Interrupted, held_back, interruptible

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_raised_where_the_work_is(number):
    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as stop, interruptible():
        signal.raise_signal(number)
    assert stop.value.number == number
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", SIGNALS)
def test_held_back_it_is_raised_once_when_the_block_has_ended(number):
    done = []
    with pytest.raises(Interrupted) as stop, interruptible():  # noqa: PT012  # what comes after the block
        with held_back():
            signal.raise_signal(number)
            done.append("whole")
        done.append("never")
    assert (stop.value.number, done) == (number, ["whole"])
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


def test_without_a_signal_nothing_is_raised():
    with interruptible(), held_back():
        pass


def test_a_process_started_in_it_does_not_hear_ctrl_c():
    code = "import os, signal; os.kill(os.getpid(), signal.SIGINT); print('goes on')"
    with held_back():
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert said.stdout == "goes on\n"
