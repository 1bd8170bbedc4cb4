"""What an exported network is called, and how its size is told."""

from __future__ import annotations

import keyword
import re

from nasforge.networks.sizes import network_size
from nasforge.space import Network, Shape


def file_name(*words: str) -> str:
    """Return an identifier made of words, which is the name of a Python module and of files."""
    text = re.sub(r"\W+", "_", "_".join(words), flags=re.ASCII).strip("_").lower() or "network"
    return f"network_{text}" if keyword.iskeyword(text) or text[0].isdigit() else text


def size_facts(network: Network, input_shape: Shape) -> dict[str, str]:
    """Return the network's size in words, without its auxiliary head."""
    size = network_size(network, input_shape)
    return {"Size": f"{size['params_m']:.3f} million parameters, {size['macs_m']:.2f} million multiply-adds an image"}


def percent(share: float) -> str:
    """Return a share as "97.22 %"."""
    return f"{share:.2%}".replace("%", " %")
