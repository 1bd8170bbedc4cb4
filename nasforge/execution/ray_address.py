"""`executor.address`: what is wrong with one is said in seconds."""

from __future__ import annotations

import socket
import subprocess
import sys

from nasforge.errors import OptionError

SECONDS_TO_ANSWER = 5.0
SECONDS_FOR_STATUS = 15.0


def probe(address: str) -> None:
    """Whether a Ray cluster answers there; Ray itself would try for minutes.

    Raises:
        OptionError: it does not, or refuses us.
    """
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise OptionError(f"executor.address={address}: it must be HOST:PORT, ray://HOST:PORT or auto")
    try:
        socket.create_connection((host, int(port)), SECONDS_TO_ANSWER).close()
    except OSError as error:
        raise OptionError(
            f"executor.address={address}: nobody answers there ({error.strerror or error}); "
            "`ray status` on the cluster's head says its address, null runs Ray on this machine"
        ) from error
    if not address.startswith("ray://"):  # there it takes half a minute, and says so
        _probe_head(address)


def _probe_head(address: str) -> None:
    """In a process that can be ended."""
    command = [sys.executable, "-m", "ray.scripts.scripts", "status", "--address", address]
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_FOR_STATUS, check=True)
    except subprocess.TimeoutExpired:
        raise OptionError(
            f"executor.address={address}: something listens there, but in {SECONDS_FOR_STATUS:g} seconds it did not "
            "answer as the head of a Ray cluster does; `ray status` there says the address"
        ) from None
    except subprocess.CalledProcessError as refused:  # it is of another version, say, or wants a token
        *_, why = refused.stderr.strip().splitlines() or [f"`ray status` exits with {refused.returncode}"]
        raise OptionError(f"executor.address={address}: {why}") from None
