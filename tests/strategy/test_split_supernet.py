"""Supernets in which the options of one decision share no weights."""

import json

import pytest
import torch
from torch.nn.functional import cross_entropy

from nasforge import FitData, OptionError, SGDOptions, build_supernet, isolated, search
from nasforge.networks.split_supernet import decision_rows
from nasforge.registry.entry_points import build
from nasforge.testing.samples import samples, tiny_data
from nasforge_plugins.strategy.single_path import SinglePaths, sandwich, uniform

SHAPE, CLASSES = (3, 8, 8), 2
SPACES = {
    "nasbench201": ({"channels": 4}, "1-3"),
    "mobilenet": ({"widths": [4] * 9, "multipliers": [0.5, 1.0, 2.0], "depths": [1, 2]}, "width_in_quarters"),
}


@pytest.fixture(params=SPACES)
def split(request):
    """A space, its supernet split by a decision, and the decision's row."""
    options, decision = SPACES[request.param]
    space = build("space", {"name": request.param, **options})
    with isolated(0):
        supernet = build_supernet(space, SHAPE, CLASSES, {"split": decision})
    return space, supernet, decision_rows(space)[decision]


def images(count=8):
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(1))


def module_of(supernet, space, sampling="uniform"):
    module = SinglePaths(supernet, space, sampling=sampling, **vars(SGDOptions()))
    halves = tiny_data(SHAPE, CLASSES).halves()
    module.bind("supernet", 0, FitData(halves.train, halves.validation, halves.preprocessing, 16))
    module.on_train_epoch_start()
    return module


def step(module, images, labels):
    module.on_train_batch_start((images, labels), 0)
    return module.training_step((images, labels), 0)


def test_an_architecture_is_computed_by_the_part_of_its_option(split):
    space, supernet, row = split
    for part in supernet.parts:  # different ones, so that it matters which one computes
        for tensor in part.parameters():
            torch.nn.init.normal_(tensor, std=0.1)
    for architecture in samples(space, 5):
        mix = space.mix_of(architecture)
        own = supernet.parts[int(mix[row.cell][row.number].argmax())]
        for dense in (False, True):  # with gradients, parts of weight 0 are computed too
            with torch.set_grad_enabled(dense):
                torch.testing.assert_close(supernet.eval()(images(), mix), own.eval()(images(), mix), rtol=0, atol=0)


def test_a_step_trains_each_part_as_if_it_were_alone(split):
    space, supernet, row = split
    labels = torch.arange(8) % CLASSES
    module = module_of(supernet, space).double()
    path = uniform(space, module.rng("paths"))[0]
    step(module, images().double(), labels).backward()
    learned = [{name: one.grad for name, one in part.named_parameters()} for part in supernet.parts]
    module.zero_grad()
    for option, (part, gradients) in enumerate(zip(supernet.parts, learned, strict=True)):
        mix = {cell: rows.double() for cell, rows in row.fixed(path, option).items()}
        cross_entropy(part(images().double(), mix), labels).backward()
        for name, one in part.named_parameters():
            assert (one.grad is None) == (gradients[name] is None), name
            if one.grad is not None:
                torch.testing.assert_close(one.grad, gradients[name])


def test_in_a_sandwich_the_largest_of_each_part_teaches_the_others_of_it():
    options, decision = SPACES["mobilenet"]
    space = build("space", {"name": "mobilenet", **options})
    with isolated(0):
        supernet = build_supernet(space, SHAPE, CLASSES, {"split": decision})
    labels, module = torch.arange(8) % CLASSES, module_of(supernet, space, "sandwich").double()
    paths = sandwich(space, module.rng("paths"))
    expected = 0.0
    for option, part in enumerate(supernet.parts):
        mixes = [supernet.row.fixed(path, option) for path in paths]
        logits = [part(images().double(), {cell: rows.double() for cell, rows in mix.items()}) for mix in mixes]
        teacher = logits[0].detach().softmax(1)
        expected += sum(cross_entropy(each, teacher) for each in logits[1:]) + cross_entropy(logits[0], labels)
    torch.testing.assert_close(step(module, images().double(), labels), expected)


def test_the_parts_begin_alike_and_then_learn_apart(split):
    _, supernet, _ = split
    first, *others = (part.state_dict() for part in supernet.parts)
    for other in others:
        assert all(torch.equal(tensor, other[name]) for name, tensor in first.items())
        assert all(tensor.data_ptr() != other[name].data_ptr() for name, tensor in first.items() if tensor.numel())


def test_the_decision_is_a_part_of_the_fits_key():
    space = build("space", {"name": "nasbench201", "channels": 4})
    about = [
        module_of(build_supernet(space, SHAPE, CLASSES, {"split": decision}), space).about
        for decision in ("0-1", "1-3", None)
    ]
    assert len({json.dumps(each) for each in about}) == 3


def test_its_weights_serve_another_search_of_the_same_space(few_images, tmp_path):
    sizes = ["space.widths=[4,4,4,4,4,4,4,4,4]", "space.depths=[1,1]", "space.gates=false", "space.expansions=[2]"]
    few = ["data=arrays", f"data.path={few_images}", "space=mobilenet", *sizes, "executor.threads=1", "retrain.seeds=0"]
    short = ["strategy.epochs=1", "strategy.evolution.population=2", "strategy.evolution.generations=1"]
    split = ["strategy=single_path", "strategy.split=width_in_quarters", "space.multipliers=[0.5,1.0]"]
    run = search(run_dir=tmp_path / "run", quiet=True, overrides=[*few, *split, *short, "control.samples=1"])
    more = [
        "strategy=random_search",
        "budget.evaluations=3",
        "estimator=supernet",
        f"estimator.supernet.run={run.folder}",
    ]
    found = search(run_dir=tmp_path / "more", quiet=True, overrides=[*few, *more, "space.multipliers=[0.5,1.0]"])
    assert run.result["failures"] == found.result["failures"] == []
    assert found.result["evaluations"]["requested"] == 3
    with pytest.raises(OptionError, match=r"does not fit this search's space; choose space.multipliers=\[0.5,1.0\]"):
        search(run_dir=tmp_path / "other", quiet=True, overrides=[*few, *more, "space.multipliers=[1.0]"])


def test_a_decision_that_there_is_not_is_refused(mistake):
    complaint = mistake("strategy=single_path", "space=nasbench201", "strategy.split=1-4")
    assert "strategy.split=1-4: no decision named '1-4'. Did you mean" in complaint
    assert "0-1, 0-2, 0-3, 1-2, 1-3, 2-3" in complaint


def test_a_space_whose_architectures_leave_edges_out_has_no_such_decision(mistake):
    complaint = mistake("strategy=single_path", "space=darts", "strategy.split=0-1")
    assert "Available: none. It must be one that every architecture takes." in complaint


def test_names_say_which_cell_if_several_have_a_decision_of_that_name(monkeypatch):
    space = build("space", {"name": "nasbench201"})
    labels = [f"{number} → 6" for number in range(6)], "abcde"
    monkeypatch.setattr(type(space), "mix_labels", {"normal": labels, "reduce": labels})
    monkeypatch.setattr(space, "mix_of", lambda architecture: {"normal": torch.eye(6, 5), "reduce": torch.eye(6, 5)})
    rows = decision_rows(space)
    assert rows["normal:0-6"] == ("normal", 0, 5)
    assert rows["reduce:5-6"] == ("reduce", 5, 5)
