"""Whole ME-DARTS searches: stages that grow, mistakes found before any training, and kill -9 in the middle stage."""

import json
import shutil
import signal
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nasforge import NasforgeError
from nasforge.config.configuration import compose
from nasforge.experiment import experiment
from nasforge.experiment.parts import Parts
from nasforge_plugins.space.darts import DARTS as DARTSSpace
from nasforge_plugins.strategy.medarts import MEDARTS

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))  # its processes import it by name

import kill_and_resume as study

CELLS = ("normal", "reduce")
TINY = [
    "{name: init, cells: 3, epochs: 1, population: 2, channels: 4, images: 80, parents: null}",
    "{name: mid, cells: 4, epochs: 1, population: 3, channels: 4, images: 80, parents: 2}",
    "{name: final, cells: 5, epochs: 2, population: 1, channels: 4, images: 160, parents: 1}",
]
FOREIGN = '{"schema": 1, "space": "nasbench201", "genes": {"cell": []}}'
WORDS = ["strategy=medarts", "space=darts", "data=digits", "retrain.seeds=0", "executor.threads=1"]
COMMAND = [*WORDS, "strategy.evaluation_channels=4", f"strategy.stages=[{','.join(TINY)}]"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["strategy.stages=[{name: a, cells: 2, epochs: 1, population: 1}]"],
            "'a' has cells=2, all of which",
        ),
        (["strategy.stages=[{name: a, cells: 3, epochs: 1, population: 1, images: 9000}]"], "asks for 9000 images"),
        (
            ["strategy.stages=[{name: a, cells: 3, epochs: 1, pupolation: 1}]"],
            r"Did you mean strategy\.stages\[0\]\.pop",
        ),
        (["strategy.stages=[{name: a, cells: 0, epochs: 1, population: 1}]"], "a whole number, at least 1"),
        (["strategy.supernet.partial_channels=3"], "'init', on images of 8x8 pixels: space.channels=8 is"),
        (["strategy.scale=0.25"], "'init', on images of 2x2 pixels: images of 2x2 pixels are too small"),
        (["strategy.stages=[]"], "trains nothing"),
        (["strategy.start=DARTS_V3"], "Did you mean 'DARTS_V"),
        (
            [f"strategy.start='{FOREIGN}'"],
            "belongs to space 'nasbench201'",
        ),
        (
            ["space=nasbench201", f"strategy.stages=[{TINY[0]},{TINY[1]}]"],
            "space 'nasbench201' has a single cell type",
        ),
    ],
)
def test_mistakes_are_found_before_any_training(tmp_path, words, sentence):
    with pytest.raises(NasforgeError, match=sentence):
        experiment.search(compose([*WORDS, *words]).config, tmp_path / "run")
    assert not (tmp_path / "run" / "fits").exists()


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    return experiment.search(compose(COMMAND).config, tmp_path_factory.mktemp("medarts") / "run")


def test_stages_grow_and_inherit_alphas(outcome):
    family = {member["name"]: member for member in json.loads((outcome.folder / "artifacts/members.json").read_text())}
    assert list(family) == ["init/0", "init/1", "mid/0", "mid/1", "mid/2", "final/0"]
    assert {parent for member in family.values() for parent in member["parents"]} <= set(family)
    assert len(family["mid/2"]["parents"]) == 2
    assert {
        path.parent.relative_to(outcome.folder / "fits").as_posix()
        for path in (outcome.folder / "fits").rglob("weights.safetensors")
    } == set(family)
    page = (outcome.folder / "report.html").read_text()
    assert "lines lead from parents to children" in page
    assert "a member with two lines was crossed from both" in page
    assert "through all stages: init/" in page
    assert "final/0 (2 epochs)" in page
    assert all(0 <= member["accuracy"] <= 1 for member in family.values())


def test_supernets_begin_at_their_parents_alphas(outcome):
    """The normal cell comes from the first parent, the reduction cell from the last one."""
    fits = {
        path.parent.relative_to(outcome.folder / "fits").as_posix(): load_file(path)
        for path in (outcome.folder / "fits").rglob("weights.safetensors")
    }
    inherited = 0
    for member in json.loads((outcome.folder / "artifacts/members.json").read_text()):
        for cell, parent in zip(CELLS, (member["parents"][:1], member["parents"][-1:]), strict=True):
            if parent:
                start = fits[member["name"]][f"trace_{cell}"][0]
                assert torch.equal(start, fits[parent[0]][f"trace_{cell}"][-1])
                inherited += 1
    assert inherited == 2 * 4


def test_sizes_are_those_of_the_evaluation_network(outcome):
    family = {member["name"]: member for member in json.loads((outcome.folder / "artifacts/members.json").read_text())}
    network = DARTSSpace().build(outcome.architecture, (1, 8, 8), 10, channels=4, cells=20)
    assert family["final/0"]["x"] == sum(parameter.numel() for parameter in network.parameters()) / 1e6


def test_each_member_has_a_file_that_the_space_reads(outcome):
    space, artifacts = DARTSSpace(), outcome.folder / "artifacts"
    family = {member["name"]: member for member in json.loads((artifacts / "members.json").read_text())}
    read = {name: space.read(str(artifacts / member["architecture"])) for name, member in family.items()}
    assert family["mid/1"]["architecture"] == "members/mid-1.json"
    assert read["final/0"] == outcome.architecture
    network = space.build(read["init/1"], (1, 8, 8), 10, channels=4, cells=20)
    assert family["init/1"]["x"] == sum(parameter.numel() for parameter in network.parameters()) / 1e6


def test_members_are_retrained_by_name_or_stage_and_compared(command, outcome, tmp_path):
    run = shutil.copytree(outcome.folder, tmp_path / "run")
    family = {member["name"]: member for member in json.loads((run / "artifacts/members.json").read_text())}
    line = ["final/0"]
    while parents := family[line[0]]["parents"]:
        line.insert(0, parents[0])  # the normal cell is the first parent's
    other = next(name for name in family if name.startswith("mid/") and name not in line)
    small = ["retrain.seeds=1", "retrain.epochs=1", "retrain.random=0", "retrain.channels=4", "retrain.cells=2"]
    trained = {}
    for words in ("stage=init,final", f"member={other}"):
        status, _, complaint = command("retrain", str(run), words, *small)
        assert status == 0, complaint
    for path in run.glob("retrain-*/result.json"):
        row = json.loads(path.read_text())["retrain"]["rows"][0]
        trained[row["name"]] = row
    space = DARTSSpace()
    for label, name in (("stage init", line[0]), ("stage final", line[2]), (f"member {other}", other)):
        file = run / "artifacts/members" / f"{name.replace('/', '-')}.json"
        assert trained[label]["notation"] == str(space.read(str(file)))
    assert command("compare", str(run), f"out={tmp_path / 'out'}")[0] == 0
    markdown = (tmp_path / "out/comparison.md").read_text()
    for label, row in trained.items():
        assert f"| {label} | 1 | 1 | {100 * row['mean']:.2f} |" in markdown
    assert markdown.index("| stage init |") < markdown.index("| stage final |") < markdown.index(f"| member {other} |")
    assert f"| member {line[0]} |" not in markdown, "it stands for its stage"


def test_a_member_or_stage_that_does_not_exist_is_refused(mistake, outcome):
    run = str(outcome.folder)
    assert "has no member init/3; it has init/0, init/1, mid/0, mid/1, mid/2, final/0" in mistake(
        "retrain", run, "member=init/3", "retrain.seeds=1"
    )
    assert "has no stage start; it has init, mid, final" in mistake("retrain", run, "stage=start", "retrain.seeds=1")
    assert not list(outcome.folder.glob("retrain-*"))


def test_a_search_killed_in_the_middle_stage_repeats_no_finished_fit(outcome, tmp_path):
    folder = tmp_path / "run"
    # an epoch is one batch: two fits in `init`, then mid/0; the fourth batch is mid/1's
    process = study.start(folder, tmp_path, "supernet fit", 4, command=COMMAND)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    before = finished(folder)
    assert set(before) == {"init/0", "init/1", "mid/0"}
    study.finish(folder, tmp_path)
    after = finished(folder)
    assert {name: after[name] for name in before} == before, "their weights were not written again"
    assert len(after) == 6
    for file in ("result.json", "artifacts/members.json", "artifacts/family.svg", "artifacts/mix_normal.svg"):
        assert (folder / file).read_bytes() == (outcome.folder / file).read_bytes(), file
    for weights in (outcome.folder / "fits").rglob("*.safetensors"):
        assert (folder / weights.relative_to(outcome.folder)).read_bytes() == weights.read_bytes(), weights


def finished(folder):
    """When the weights of each fit were written, and to which inode."""
    files = (folder / "fits").rglob("weights.safetensors")
    return {
        str(file.parent.relative_to(folder / "fits")): (file.stat().st_mtime_ns, file.stat().st_ino) for file in files
    }


def test_a_space_of_one_cell_type_crosses_nothing(tmp_path):
    few = ["{name: a, cells: 1, epochs: 1, population: 3, images: 40}", "{name: b, cells: 1, epochs: 1, population: 3}"]
    words = [*WORDS, "space=nasbench201", "space.channels=4", f"strategy.stages=[{','.join(few)}]"]
    outcome = experiment.search(compose(words).config, tmp_path / "run")
    family = json.loads((outcome.folder / "artifacts/members.json").read_text())
    assert sorted(member["parents"] for member in family[3:]) == [["a/0"], ["a/1"], ["a/2"]]
    assert "crossed" not in (outcome.folder / "artifacts.json").read_text()


def test_experiments_have_the_papers_stages():
    for name in ("medarts_cifar10", "medarts_cifar100"):
        strategy = Parts(compose([f"+experiment={name}"]).config).strategy
        assert isinstance(strategy, MEDARTS)
        sizes = [(stage.cells, stage.epochs, stage.images, stage.population) for stage in strategy.stages]
        assert sizes == [(4, 5, 10_000, 8), (6, 5, 10_000, 4), (8, 15, 20_000, 1)]
        assert {stage.channels for stage in strategy.stages} == {16}
