"""`nasforge export --to torch`: a program that torch loads without any source code."""

import json

import pytest
import torch

from nasforge.registry.entry_points import build


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(("space", "shape"), [("darts", (1, 9, 14)), ("reolon", (3, 16, 16))])
def test_the_program_keeps_the_logits(space, shape, normalize, make_found, tmp_path):
    exporter, found = build("exporter", {"name": "torch", "normalize": normalize}), make_found(space, shape=shape)
    assert exporter.write(found, tmp_path) == [tmp_path / "found.pt2"]
    assert exporter.check(tmp_path, found) < 1e-5


def test_the_file_holds_the_class_names(make_found, tmp_path):
    names = ('a "quoted" <b>', "Ünïcode 猫\\")
    build("exporter", {"name": "torch"}).write(make_found("nasbench201", class_names=names), tmp_path)
    extra = {"classes.json": ""}
    torch.export.load(tmp_path / "found.pt2", extra_files=extra)
    assert tuple(json.loads(extra["classes.json"])) == names
