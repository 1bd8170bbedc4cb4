"""Check `executor.address` within seconds."""

from __future__ import annotations

import socket
import subprocess
import sys

from nasforge.errors import OptionError

SECONDS_TO_ANSWER = 5.0
SECONDS_FOR_STATUS = 15.0


def probe(address: str) -> None:
    """Check that a Ray cluster answers at the address; Ray itself would try for minutes.

    Raises:
        OptionError: nothing answers, or the cluster refuses the connection.
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
            f"executor.address={address}: nothing answers there ({error.strerror or error}); "
            "`ray status` on the cluster's head node prints its address, and null runs Ray on this machine"
        ) from error
    if not address.startswith("ray://"):  # Ray itself reports an error of its client within half a minute
        _probe_head(address)


def _probe_head(address: str) -> None:
    """Run `ray status` in a process, which a time limit can end."""
    command = [sys.executable, "-m", "ray.scripts.scripts", "status", "--address", address]
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_FOR_STATUS, check=True)
    except subprocess.TimeoutExpired:
        raise OptionError(
            f"executor.address={address}: something listens there, but did not answer as the head of a Ray cluster "
            f"within {SECONDS_FOR_STATUS:g} seconds; `ray status` on the head node prints the right address"
        ) from None
    except subprocess.CalledProcessError as refused:  # for example another version, or a cluster that wants a token
        *_, message = refused.stderr.strip().splitlines() or [f"`ray status` exits with {refused.returncode}"]
        raise OptionError(f"executor.address={address}: {message}") from None
