"""What the benchmarks share: their command lines, and the files in `results/` that they write."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

RESULTS = Path(__file__).parent / "results"


def parser(description: str | None, **defaults: Any) -> argparse.ArgumentParser:
    """A command line with the option `--name` for each default, whose type its values have."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    return parser


def write(name: str, title: str, about: str, lines: Iterable[str]) -> None:
    """Write `results/<name>.md`, which begins with the command that is running, and print it."""
    command = " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    text = "\n".join([f"# {title}", "", f"`{command}`", "", about, "", *lines]).rstrip() + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    print(text)


def spread(values: Sequence[float], scale: float = 1.0, decimals: int = 2) -> str:
    """Mean ± sample deviation of values times `scale`; the mean alone of a single value."""
    scaled = scale * np.array(values)
    deviation = f" ± {scaled.std(ddof=1):.{decimals}f}" if len(scaled) > 1 else ""
    return f"{scaled.mean():.{decimals}f}{deviation}"


def device_of(name: str, threads: int) -> tuple[torch.device, str]:
    """The device of that name, and words for it; torch computes with that many threads from now on.

    Raises:
        SystemExit: there is no GPU here.
    """
    torch.set_num_threads(threads)
    device = torch.device(name)
    if device.type != "cuda":
        return device, f"CPU, {threads} thread(s)"
    if not torch.cuda.is_available():
        raise SystemExit("not measured: no GPU here")
    return device, torch.cuda.get_device_name(device)


def write_of_device(name: str, device: torch.device, title: str, about: str, lines: Iterable[str]) -> None:
    """As `write`; measurements on a GPU have a file of their own."""
    if device.type == "cuda":
        write(f"{name}_cuda", title, about, lines)
    else:
        write(name, title, about, [*lines, "", "On a GPU (`--device cuda`): not measured: no GPU here."])
