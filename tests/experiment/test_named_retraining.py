"""`nasforge retrain RUN generation=3`: architectures of a search that are retrained by name."""

import json
import shutil

import pytest

from nasforge.journal.records import read_json

SMALL = ("retrain.epochs=1", "retrain.seeds=1", "retrain.random=0", "retrain.channels=2", "retrain.cells=1")


@pytest.fixture(scope="module")
def evolved(tmp_path_factory, few_images):
    """The folder of a search of four generations: two random cells, then a child in each."""
    import nasforge

    folder = tmp_path_factory.mktemp("evolved") / "run"
    words = ["estimator=zero_cost", "estimator.zero_cost.proxies=[synflow]", "budget.evaluations=5", "seed=1"]
    sizes = ["retrain.seeds=0", "data=arrays", f"data.path={few_images}", "strategy.population=2", "strategy.sample=2"]
    nasforge.search("regularized_evolution", "nasbench201", run_dir=folder, quiet=True, overrides=[*words, *sizes])
    return folder


@pytest.fixture
def run(evolved, tmp_path):
    return shutil.copytree(evolved, tmp_path / "run")


def retrainings(run):
    """What each retraining is called, and its architecture."""
    folders = sorted(run.glob("retrain-*"))
    results = [read_json(folder / "result.json", dict) for folder in folders]
    return {result["retrain"]["rows"][0]["name"]: result["architecture"]["genes"] for result in results}


def named(run):
    content = read_json(run / "named_architectures.json", dict)
    genes = [architecture["genes"] for architecture in content["architectures"]]
    return {name: genes[place] for name, place in content["names"]["generation"]}


def test_the_best_of_one_generation_is_retrained_under_its_name(run, command):
    status, printed, complaint = command("retrain", str(run), "generation=1", *SMALL)
    assert status == 0, complaint
    assert "generation 1" in printed
    assert retrainings(run) == {"generation 1": named(run)["1"]}


def test_every_best_is_retrained_once(run, command):
    generations = named(run)
    assert list(generations) == ["1", "2", "3", "4"]
    assert generations["4"] == read_json(run / "architecture.json", dict)["genes"]
    command("retrain", str(run), "generation=all", *SMALL)
    trained = retrainings(run)
    assert len(trained) == len({json.dumps(genes) for genes in generations.values()}) > 1
    status, printed, _ = command("retrain", str(run), "generation=range(1,5,2)", *SMALL)
    assert status == 0
    assert retrainings(run) == trained  # nothing was trained again
    assert printed.count("finished: ") == len({json.dumps(generations[name]) for name in "13"})


def test_a_comparison_shows_what_was_retrained(run, command, tmp_path):
    command("retrain", str(run), "generation=1", *SMALL)
    command("retrain", str(run), *SMALL)
    command("retrain", str(run), "space=resnet", "architecture=RESNET18", *SMALL)
    status, printed, complaint = command("compare", str(run), f"out={tmp_path}/compared")
    assert status == 0, complaint
    markdown = (tmp_path / "compared/comparison.md").read_text()
    table = markdown.split("### Retrained from scratch for 1 epoch\n\n")[1].splitlines()
    rows = {cells[1].strip(): cells for line in table[2:] if len(cells := line.split("|")) > 2}
    generations = named(run)
    known = [name for name in generations if generations[name] in (generations["1"], generations["4"])]
    assert list(rows) == [*(f"generation {name}" for name in known), "found", "RESNET18"]
    assert rows["found"][2:] == rows["generation 4"][2:] != rows["RESNET18"][2:]
    assert rows["RESNET18"][6].strip() == "11.2"
    assert rows["found"][4].strip() != "–" == rows["RESNET18"][4].strip()  # the search has not evaluated the baseline
    assert "Retrained from scratch for 1 epoch" in printed
    assert "<h2>Retrained networks</h2>" in (tmp_path / "compared/comparison.html").read_text()
    assert (tmp_path / "compared/comparison_generations.svg").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["generation=9"], "has no generation 9; it has 1 to 4"),
        (["generation=0,1"], "has no generation 0; it has 1 to 4"),
        (["member=init/0"], "has no members to retrain: it has 4 generations"),
        (["generation="], "generation= chooses none; generation=all chooses every one"),
        (["generation=range(0,9,0)"], "generation=range(0,9,0) is not a range of at most 1,000,000 numbers"),
        (["generation=range(1000000000)"], "is not a range of at most 1,000,000 numbers, such as range(10)"),
        (["generation=1", "architecture=NOR_CONV_1X1"], "architecture= and generation= both choose what to retrain"),
    ],
)
def test_a_wrong_choice_trains_nothing(words, sentence, run, mistake):
    assert sentence in mistake("retrain", str(run), *words, *SMALL)
    assert not list(run.glob("retrain-*"))


def test_a_generation_needs_a_run(mistake):
    assert "generation= needs the folder of a search: nasforge retrain RUN generation=3" in mistake(
        "retrain", "generation=3"
    )


def test_altered_names_are_not_retrained(run, mistake):
    path = run / "named_architectures.json"
    path.write_text(path.read_text().replace('"2"', '"6"'))
    assert "named_architectures.json was altered since the run ended" in mistake("retrain", str(run), "generation=6")
