"""`nasforge doctor`: what is here, what is not, and what to type about it."""

import importlib.metadata
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from nasforge.config.extras import Extra, extras
from nasforge.devices import machine
from nasforge.registry.entry_points import CONTRACTS, registry
from nasforge_plugins.strategy.nsga2 import NSGA2

TITLES = ["Versions", "Devices", "Kernels", "Extras", "Data", "Tables", "Plug-ins"]


@pytest.fixture
def said(command, monkeypatch):
    """What it says of a place that has nothing, by section."""
    monkeypatch.delenv("NASFORGE_DATA", raising=False)
    monkeypatch.setattr("nasforge.diagnosis.doctor.broken_operations", dict)  # test_kernel_trials.py tries them

    def run():
        status, text, _ = command("doctor")
        assert status == 0
        sections = dict(block.split("\n", 1) for block in text.strip().split("\n\n"))
        assert list(sections) == TITLES
        assert not [line for line in text.splitlines() if len(line) > 100 and "/" not in line], "but for long paths"
        return {title: " ".join(block.split()) for title, block in sections.items()}

    monkeypatch.setenv("XDG_CACHE_HOME", str(Path.cwd() / "cache"))
    return run


def test_an_empty_place(no_installed_tables, said):
    sections = said()
    assert f"torch {torch.__version__.partition('+')[0]}" in sections["Versions"]
    assert re.search(r"processors \d+ .*memory [\d.]+ GiB.*disk \d+ GiB free in ", sections["Devices"])
    assert f"cifar10 missing; data=cifar10 downloads it, or put it in {Path.cwd()}" in (sections["Data"])
    assert f"arrays missing; put your files in {Path.cwd()}/data.npz, or set data.path=PATH" in (sections["Data"])
    assert "digits ready: it needs no files" in sections["Data"]
    assert f"searched {Path.cwd()}/data, {Path.cwd()}/cache/nasforge/tables" in sections["Tables"]
    assert "estimator=tabular cannot be used yet: there is no table 'nasbench201'" in sections["Tables"]
    total = sum(len(registry(kind)) for kind in CONTRACTS)
    assert sections["Plug-ins"] == f"nasforge {importlib.metadata.version('nasforge')} {total} plug-ins"


def test_what_lies_there_and_who_is_broken(said, guest, shared_data, monkeypatch):
    place = Path.cwd() / "mine"
    (place / "cifar-10-batches-py").mkdir(parents=True)
    table = shared_data("nasbench201.npz")
    (place / "nasbench201.npz").symlink_to(table)
    np.savez(place / "images.npz", images=np.zeros((1, 3, 4, 4)))
    (place / "cut.safetensors").write_bytes(b"cut off")
    monkeypatch.setenv("NASFORGE_DATA", str(place))
    guest("nasforge-lost", {"nasforge.space": ["lost = not_there:Lost"]})
    points = {"nasforge.data": ["odd = odd:Odd"], "nasforge.table": ["odd = not_there:read"]}
    guest("nasforge-odd", points, {"odd.py": "from nasforge import DataModule as Odd"})
    sections = said()
    assert f"cifar10 found: {place / 'cifar-10-batches-py'}" in sections["Data"]
    assert "odd cannot be checked: " in sections["Data"]
    assert f"nasbench201 found: {place / 'nasbench201.npz'}" in sections["Tables"]
    assert "images" not in sections["Tables"]
    assert f"cut BROKEN: {place / 'cut.safetensors'}" in sections["Tables"]
    assert "estimator=tabular" not in sections["Tables"]
    assert "nasforge-lost 1.0 1 plug-in" in sections["Plug-ins"]
    assert (
        "space=lost UNUSABLE: space 'lost' of nasforge-lost cannot be loaded: ModuleNotFoundError"
        in (sections["Plug-ins"])
    )
    remedy = "what to do fix, update or uninstall nasforge-lost, nasforge-odd; everything else works"
    assert remedy in sections["Plug-ins"]


def test_who_claims_a_name_of_ours_or_of_each_other_is_to_go_and_not_we(said, guest):
    guest("nasforge-twin", {"nasforge.strategy": ["egnas = twin:EGNAS", "odd = twin:Odd"]})
    guest("a-twin", {"nasforge.strategy": ["odd = twin:Odd"]})
    plugins = said()["Plug-ins"]
    assert "nasforge-twin 1.0 2 plug-ins" in plugins
    assert "strategy=egnas UNUSABLE: strategy 'egnas' is claimed by nasforge and nasforge-twin" in plugins
    assert "what to do fix, update or uninstall a-twin, nasforge-twin; everything else works" in plugins


def test_a_library_of_ours_that_is_broken_is_no_reason_to_uninstall_us(said, monkeypatch):
    monkeypatch.setitem(sys.modules, "nasforge_plugins.strategy.nsga2", None)
    monkeypatch.delitem(registry("strategy")._classes, "nsga2", raising=False)
    plugins = said()["Plug-ins"]
    assert "strategy=nsga2 UNUSABLE: strategy 'nsga2' of nasforge cannot be loaded: ModuleNotFoundError" in plugins
    assert "uninstall" not in plugins


def test_our_configurations_are_built_as_those_of_others(said, monkeypatch):
    class Changed(NSGA2):
        def __init__(self) -> None:
            super().__init__()

    monkeypatch.setitem(registry("strategy")._classes, "nsga2", Changed)
    plugins = said()["Plug-ins"]
    assert "strategy=nsga2 UNUSABLE: strategy 'nsga2' of nasforge: strategy/nsga2.yaml has " in plugins
    assert "which Changed does not take" in plugins


# Extras


@pytest.fixture
def of_nasforge(monkeypatch):
    """Extras of an installed nasforge with these metadata."""

    def run(provided, required):
        message = importlib.metadata.metadata("nasforge")
        del message["Provides-Extra"]
        for name in provided:
            message["Provides-Extra"] = name
        monkeypatch.setattr("nasforge.config.extras.metadata", lambda package: message)
        monkeypatch.setattr("nasforge.config.extras.requires", lambda package: required)
        return {extra.name: extra for extra in extras()}

    return run


def test_an_extra_that_is_here_and_one_that_is_not(of_nasforge):
    found = of_nasforge(["ray", "odd", "dev"], ['numpy ; extra == "ray"', "torch", 'nowhere>=2 ; extra == "odd"'])
    assert found["ray"].lacking == ()
    assert found["ray"].versions == (f"numpy {importlib.metadata.version('numpy')}",)
    assert "executor=ray" in found["ray"].purpose
    assert found["odd"] == Extra("odd", "", ("nowhere>=2",), (), "pip install 'nasforge[odd]'")
    assert "dev" not in found


def test_an_extra_that_is_too_old_is_not_here(of_nasforge):
    assert of_nasforge(["ray"], ['numpy>=99 ; extra == "ray"'])["ray"].lacking == ("numpy>=99",)


def test_the_extras_of_setup_cfg_are_known():
    assert {"test"} <= {extra.name for extra in extras()}


# The machine


def test_a_container_has_its_share_of_the_memory(tmp_path, monkeypatch):
    (tmp_path / "limit").write_text(str(2**30))
    monkeypatch.setattr(machine, "_LIMITS", (str(tmp_path / "limit"),))
    assert machine.memory().startswith("1.0 GiB")
    (tmp_path / "limit").write_text("max\n")
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert machine.memory().startswith(f"{total / 2**30:.1f} GiB")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot bind a process to processors")
def test_processors_that_may_not_be_used_are_told(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert machine.processors() == f"{len(os.sched_getaffinity(0))} of 64 may be used here"


def test_gpus_are_listed_or_it_is_said_why_there_are_none(monkeypatch):
    if torch.cuda.is_available():
        assert [name for name, _ in machine.accelerators()] == [f"cuda:{i}" for i in range(torch.cuda.device_count())]
        return
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert machine.accelerators() == [("GPU", "none: CUDA_VISIBLE_DEVICES hides them all")]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    ((_, why),) = machine.accelerators()
    assert ("no driver answers" if torch.version.cuda else "built for CPUs alone") in why
