"""What `nasforge doctor` says of this machine."""

from __future__ import annotations

from pathlib import Path

import torch

from nasforge.configuration import compose
from nasforge.environment import environment
from nasforge.errors import NasforgeError
from nasforge.parts import available_threads
from nasforge.registry import registry


def diagnosis() -> str:
    """Versions, devices, threads, data found and plug-ins that cannot be used, one a line."""
    facts = environment("cuda:0" if torch.cuda.is_available() else "cpu", available_threads())
    lines = [f"{name:18}  {value}" for name, value in facts.items() if value != ""]
    lines += [f"{'GPUs':18}  {torch.cuda.device_count()}"]
    lines += [f"{f'data={name}':18}  {_data(name)}" for name in registry("data")]
    return "\n".join(lines)


def _data(name: str) -> str:
    """Where these data are looked for, and whether that place exists; only reading tells if its files are whole."""
    try:
        options = compose([f"data={name}"]).config["data"]
    except NasforgeError as error:
        return str(error)
    place = options.get("root") or options.get("path")
    if not place:
        return "needs data.path or data.root" if {"root", "path"} & set(options) else "comes with an installed package"
    found = Path(str(place)).expanduser()
    return f"{found.absolute()} ({'found' if found.exists() else 'not there'})"
