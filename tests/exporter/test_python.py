"""`nasforge export --to python`: a file that runs where nasforge is not installed; mistakes are one sentence."""

import ast
import json
import re
import runpy
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import nasforge
from nasforge import Exporter, ExportError
from nasforge.export.found import found_in
from nasforge.export.writing import export

ALONE = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("nasforge", "nasforge_plugins", "pytorch_lightning", "hydra", "torchvision"):
            raise ModuleNotFoundError(f"not installed here: {name}")
sys.meta_path.insert(0, Absent())
sys.argv = sys.argv[1:]
import runpy
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def alone(*words):
    """Run a Python file in a process in which nasforge and what it needs cannot be imported."""
    return subprocess.run([sys.executable, "-c", ALONE, *map(str, words)], capture_output=True, text=True, check=False)


@pytest.fixture
def exported(run, command):
    assert command("export", str(run), "--to", "python")[0] == 0
    return run / "export" / "random_search_arrays.py"


def test_the_file_classifies_an_image_as_the_run_does(exported, run, few_images):
    picture = exported.parent / "digit.png"
    Image.fromarray(np.load(few_images)["train_images"][7]).save(picture)
    done = alone(exported, picture)
    assert (done.returncode, done.stderr) == (0, "")
    best, probability = next(iter(nasforge.load(run).predict(picture).items()))
    assert done.stdout.startswith(f"{picture}: {best} {100 * probability:.1f} %, ")


@pytest.fixture
def refusal(exported, monkeypatch):
    """Run the file in this process; the sentence with which it ends."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", [str(exported), *map(str, words)])
        with pytest.raises(SystemExit) as ending:
            runpy.run_path(str(exported), run_name="__main__")
        return ending.value.code

    return run


def test_a_file_that_is_no_image_is_one_sentence(exported, refusal, tmp_path):
    deep = tmp_path / "deep.png"
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(deep)
    for file, reason in (
        ("nowhere.jpg", "No such file or directory"),
        (exported, "cannot identify image file"),
        (deep, "it has Pillow's mode I;16, more than 8 bits per channel; convert it to 8 bits"),
    ):
        assert refusal(file).startswith(f"{file} cannot be read as an image: {reason}")


def test_what_the_file_needs_and_does_not_find_is_one_sentence(exported, refusal, monkeypatch):
    assert refusal() == f"usage: python {exported.name} IMAGE..."
    with monkeypatch.context() as changed:
        changed.setitem(sys.modules, "PIL", None)  # as if it were not installed
        assert re.fullmatch(r"to read image files, Pillow and NumPy are needed \(.*PIL.*\): pip install pillow numpy",
                            refusal("digit.png"))  # fmt: skip
    weights = exported.with_suffix(".safetensors")
    weights.unlink()
    assert refusal("digit.png") == f"{weights} is missing; the weights belong beside {exported.name}"


def test_one_random_network_has_no_deviation(exported):
    assert re.search(r"^Random architectures, trained alike: [\d.]+ %\. ", exported.read_text(), re.M)


def test_the_file_imports_torch_and_safetensors_alone(exported):
    tree = ast.parse(exported.read_text())
    modules = {
        node.module if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert modules == {
        "__future__", "sys", "pathlib", "typing", "torch", "torch.nn", "safetensors.torch", "PIL", "numpy"
    }  # fmt: skip
    at_top = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert "PIL" not in at_top


def test_the_head_of_the_file_tells_what_it_is(exported, run):
    text = ast.get_docstring(ast.parse(exported.read_text()))
    result = nasforge.load(run).result
    assert text.startswith("An image classifier for arrays, found by random_search in the space darts with nasforge.")
    for told in (
        str(result.architecture),
        result.retrain.sentence,
        "    normal cell\n",
        "How to reproduce it: nasforge ",
    ):
        assert told in text


def test_the_seed_chooses_the_network(run, command, tmp_path):
    for seed in (0, 2):
        assert command("export", str(run), "--to=python", f"--seed={seed}", f"--out={tmp_path / str(seed)}")[0] == 0
    first, third = (tmp_path / seed / "random_search_arrays.safetensors" for seed in "02")
    assert first.read_bytes() != third.read_bytes()
    texts = [(tmp_path / seed / "random_search_arrays.py").read_text() for seed in "02"]
    assert ["seed 0\n" in texts[0], "seed 2\n" in texts[1]] == [True, True]


def test_names_of_classes_may_hold_anything(command, tmp_path, few_images):
    names = ['a "quoted" <b>', "Ünïcode 猫\\", 'three """ quotes\n']
    path = tmp_path / "names.npz"
    np.savez(path, **{**np.load(few_images), "classes": np.array(names)})
    words = ("architecture=DARTS_V1", "space=darts", "data=arrays", f"data.path={path}")
    assert command("export", *words, "--to=python", f"--out={tmp_path}")[0] == 0
    tree = ast.parse((tmp_path / "darts_v1_arrays.py").read_text(encoding="utf-8"))
    values = {
        target.id: node.value for node in tree.body if isinstance(node, ast.Assign) for target in node.targets
        if isinstance(target, ast.Name)
    }  # fmt: skip
    assert list(ast.literal_eval(values["CLASSES"])) == names


def test_an_architecture_that_was_never_trained_says_so(command, tmp_path, few_images):
    words = ("architecture=DARTS_V2", "space=darts", "data=arrays", f"data.path={few_images}")
    status, printed, _ = command("export", *words, "--to", "python", "--out", str(tmp_path))
    assert status == 0
    assert "DARTS_V2 of the space darts for arrays: its weights are random, because it has not been trained" in printed
    assert "its weights are random" in (tmp_path / "darts_v2_arrays.py").read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--to", "pyton"], "no exporter named 'pyton'. Did you mean 'python'? Available: "),
        (["--to", "python", "--int4"], "--int4 is not an option of --to python; they have no options"),
        (["--to"], "--to needs a value: nasforge export RUN "),
        (["--to", "python", "--seed", "9"], "were trained with the seeds 0, 1, 2"),
        (["--to", "python", "--int8=["], "--int8=[: it must be a number, a word, or true or false"),
        (["--to", "python", "--seed", "x"], "--seed=x: it must be the number of a training, such as 0"),
        (["--to", "python", "space=darts"], "export of a run takes flags only, not space=darts: nasforge export RUN "),
    ],
)
def test_wrong_words_are_one_sentence(words, says, run, mistake):
    assert says in mistake("export", str(run), *words)
    assert not (run / "export").exists()


def test_a_run_without_a_trained_network_says_how_to_train_one(mistake, tmp_path, few_images):
    folder = tmp_path / "untrained"
    nasforge.search(
        "random_search", "darts", run_dir=folder, quiet=True, retrain={"seeds": 0}, budget={"evaluations": 2},
        overrides=["estimator=zero_cost", "estimator.zero_cost.proxies=[synflow]", "data=arrays",
                   f"data.path={few_images}"],
    )  # fmt: skip
    assert f"`nasforge retrain {folder} retrain.seeds=1` trains the one it found" in mistake(
        "export", str(folder), "--to=python"
    )


def test_the_command_that_reproduces_it_has_seed_and_version(exported, run):
    text = ast.get_docstring(ast.parse(exported.read_text()))
    (line,) = [line for line in text.splitlines() if line.startswith("How to reproduce it: ")]
    version = json.loads((run / "environment.json").read_text())["nasforge"]
    assert " seed=0 " in line
    assert " executor.threads=" in line
    assert line.endswith(f" (nasforge {version})")


class Broken(Exporter):
    """Writes a file, and then computes something else."""

    name = "broken"

    def write(self, found, folder):
        (folder / "model.bin").write_text("new")
        return [folder / "model.bin"]

    def logits(self, folder, found, pixels):
        return torch.zeros(len(pixels), len(found.classifier.class_names))


def test_a_file_that_computes_something_else_leaves_the_older_one(run, tmp_path):
    (tmp_path / "model.bin").write_text("old")
    with pytest.raises(ExportError, match="what --to broken wrote computes other logits than the network"):
        list(export(found_in(nasforge.load(run)), [Broken()], tmp_path))
    assert (tmp_path / "model.bin").read_text() == "old"
    assert not list(tmp_path.glob(".export-*"))
