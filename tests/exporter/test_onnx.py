"""`nasforge export --to onnx`: ONNX Runtime computes what the network computes, with what people need to use it."""

import json

import numpy as np
import pytest
import torch

from nasforge.registry.entry_points import build, registry

pytest.importorskip("onnxruntime", reason="ONNX NOT CHECKED: pip install 'nasforge[onnx]'")
pytest.importorskip("onnxscript", reason="ONNX NOT CHECKED: pip install 'nasforge[onnx]'")


def onnx(**options):
    return build("exporter", {"name": "onnx", **options})


def session(path):
    import onnxruntime

    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def darts(make_found, tmp_path_factory):
    """DARTS_V2 for gray images that are not square, with class names that need care."""
    names = ('a "quoted" <b>', "Ünïcode 猫\\", "two\nlines")
    found = make_found("darts", "DARTS_V2", shape=(1, 9, 14), class_names=names)
    folder = tmp_path_factory.mktemp("darts")
    return found, onnx().write(found, folder)[0]


@pytest.mark.parametrize("name", ["nasbench201", "reolon", "tsenas"])
def test_a_random_architecture_of_each_space_keeps_its_logits(name, make_found, tmp_path):
    exporter, found = onnx(), make_found(name)
    exporter.write(found, tmp_path)
    assert exporter.check(tmp_path, found) < 1e-5


def test_adaptive_max_pooling_to_sides_that_do_not_divide_the_images(make_found, tmp_path):
    space, rng = registry("space")["reolon"](), np.random.default_rng(0)
    candidates = (make_found("reolon", space.sample(rng), shape=(3, 15, 18)) for _ in range(50))
    found = next(found for found in candidates if "AdaptiveMaxPool2d" in found.plain.source)
    exporter = onnx()
    exporter.write(found, tmp_path)
    assert exporter.check(tmp_path, found) < 1e-5


def test_gray_images_that_are_not_square_and_any_number_of_them(darts):
    found, path = darts
    assert onnx().check(path.parent, found) < 1e-5
    described = session(path).get_inputs()[0]
    assert (described.name, described.type, described.shape[1:]) == ("images", "tensor(uint8)", [1, 9, 14])
    assert isinstance(described.shape[0], str)


def test_the_metadata_hold_the_class_names_and_the_normalization(darts):
    found, path = darts
    metadata = session(path).get_modelmeta().custom_metadata_map
    assert tuple(json.loads(metadata["classes"])) == found.classifier.class_names
    assert (json.loads(metadata["mean"]), json.loads(metadata["std"])) == ([0.4], [0.3])
    assert (metadata["title"], metadata["Size"]) == ("A network for tests.", "small")


def test_the_weights_are_in_the_file(darts):
    _, path = darts
    assert [file.name for file in path.parent.iterdir()] == ["found.onnx"]


def test_normalization_may_stay_outside(make_found, tmp_path):
    exporter, found = onnx(normalize=False), make_found("nasbench201")
    path = exporter.write(found, tmp_path)[0]
    assert exporter.check(tmp_path, found) < 1e-5
    running, images = session(path), found.classifier.transform(found.pixels(2))
    assert running.get_inputs()[0].type == "tensor(float)"
    with torch.no_grad():
        expected = found.classifier.network(images).numpy()
    np.testing.assert_allclose(running.run(["logits"], {"images": images.numpy()})[0], expected, atol=1e-5)


def test_integers_of_a_trained_network_and_what_they_cost(run, command):
    status, printed, _ = command("export", str(run), "--to", "onnx", "--int8", "--fold")
    assert status == 0
    assert "8-bit integers: the same class as in float32 for " in printed
    assert " of them right, " in printed
    import onnx

    exact, rounded = (onnx.load(run / "export" / f"random_search_arrays{end}") for end in (".onnx", ".int8.onnx"))
    kinds = {node.op_type for node in rounded.graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    assert "QuantizeLinear" not in {node.op_type for node in exact.graph.node}
    said = [{entry.key: entry.value for entry in model.metadata_props} for model in (exact, rounded)]
    assert said[0].items() <= said[1].items()


@pytest.mark.parametrize("name", ["nasbench201", "reolon"])
def test_integers_of_random_weights_tell_no_accuracy(name, make_found, tmp_path):
    exporter, found = onnx(int8=True), make_found(name)
    exporter.write(found, tmp_path)
    (note,) = exporter.notes(tmp_path, found)
    assert note.endswith(" of 40 test images")
    assert float(note.split(" for ")[1].split(" %")[0]) > 70
