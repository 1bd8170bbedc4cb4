"""`nasforge export --to timm`: a folder from which timm builds the network, with a model card."""

import ast
import json
import subprocess
import sys

import pytest

import nasforge
from nasforge.registry.entry_points import build

pytest.importorskip("timm", reason="TIMM NOT CHECKED: pip install 'nasforge[timm]'")

ALONE = """
import sys
import torch, timm, {name}
model = timm.create_model("local-dir:.", pretrained=True).eval()
images = torch.zeros(2, *model.pretrained_cfg["input_size"])
other = timm.create_model("local-dir:.", pretrained=True, num_classes=5).eval()
same = torch.equal(other.state_dict()["{weight}"], model.state_dict()["{weight}"])
print(tuple(model(images).shape), tuple(other(images).shape), same, model.pretrained_cfg["label_names"])
print([name for name in sys.modules if name.startswith("nasforge")])
"""


@pytest.mark.parametrize(("space", "shape"), [("darts", (1, 9, 14)), ("nasbench201", (3, 16, 16)),
                                              ("reolon", (3, 16, 16)), ("tsenas", (3, 16, 16))])  # fmt: skip
def test_timm_builds_the_network_from_the_folder(space, shape, make_found, tmp_path):
    exporter, found = build("exporter", {"name": "timm"}), make_found(space, shape=shape)
    exporter.write(found, tmp_path)
    assert exporter.check(tmp_path, found) < 1e-5


def test_the_folder_works_where_nasforge_is_not_used_and_for_other_classes(make_found, tmp_path):
    names = ('a "quoted" <b>', "Ünïcode 猫\\")
    found = make_found("nasbench201", class_names=names)
    build("exporter", {"name": "timm"}).write(found, tmp_path)
    code = ALONE.format(name="found", weight=next(iter(found.plain.weights)))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "found-timm", capture_output=True, text=True)
    assert done.stdout.splitlines() == [f"(2, 2) (2, 5) True {list(names)}", "[]"], done.stderr


def test_the_model_card_tells_how_good_and_how_it_came_about(run, command, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)  # so that an import leaves what it compiled
    assert command("export", str(run), "--to", "timm")[0] == 0
    written = {path.name for path in (run / "export" / "random_search_arrays-timm").iterdir()}
    assert written == {"README.md", "config.json", "model.safetensors", "random_search_arrays.py"}
    card = (run / "export" / "random_search_arrays-timm" / "README.md").read_text(encoding="utf-8")
    result = nasforge.load(run).result
    for words in (
        str(result.architecture), "- **Test accuracy**: ", " seeds\n", result.retrain.sentence, " million parameters",
        "- **Latency**: ", "- **How to reproduce it**: nasforge ", "The weights have no license yet",
    ):  # fmt: skip
        assert words in card
    config = json.loads((run / "export" / "random_search_arrays-timm" / "config.json").read_text())
    assert (config["architecture"], config["num_classes"]) == ("random_search_arrays", 3)
    ast.parse((run / "export" / "random_search_arrays-timm" / "random_search_arrays.py").read_text())
