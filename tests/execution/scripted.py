"""Estimators that do what an architecture says. Workers import this module, so it imports no more than they need."""

import os
import signal
import time
from pathlib import Path

import torch

from nasforge import Architecture, Context, Estimate, Estimator, Objective


class Scripted(Estimator):
    """Does what the architecture says."""

    name = "scripted"
    objectives = (Objective("value", "max"),)

    def __init__(self, folder):
        self.folder = Path(folder)

    def estimate(self, architecture, context):
        behaviour = architecture["behaviour"]
        visits = self.folder / f"{behaviour}.visits"
        with visits.open("a") as file:
            file.write(f"{os.getpid()}\n")
        came = len(visits.read_text().splitlines())
        kills = {"kills once": 1, "kills twice": 2, "always kills": came}
        if came <= kills.get(behaviour, 0):
            os.kill(os.getpid(), signal.SIGKILL)
        if behaviour == "raises":
            raise ValueError("no such layer")
        if behaviour == "slow":
            time.sleep(60 if came == 1 else 0)
        return Estimate({"value": torch.rand(()).item()}, {"seed": torch.tensor([context.seed])})


class Together(Scripted):
    """Cheaper for many at once."""

    def estimate(self, architecture, context):
        super().estimate(architecture, context)
        return Estimate({"value": float(len(architecture["behaviour"]))})

    def estimate_many(self, architectures, context):
        return [self.estimate(architecture, context) for architecture in architectures]


class Images:
    fingerprint = "images"


IMAGES = Images()


def work(*behaviours):
    return [
        (Architecture.of("toy", {"behaviour": one}, one), Context(None, IMAGES, "cpu", 1, seed))
        for seed, one in enumerate(behaviours)
    ]


class Unreadable(Scripted):
    def __setstate__(self, state):
        raise ValueError("weights of another version")
