"""A list, a mapping, a number or nothing where something else belongs: one sentence each, for every key there is."""

import copy
import json

import pytest

from nasforge import NasforgeError
from nasforge.config.configuration import compose
from nasforge.experiment.parts import Parts

WORDS = [
    [],
    ["strategy=nsga2", "space=nasbench201", "estimator=[training,latency]", "logger=[csv,tensorboard]"],
    ["strategy=medarts", "callbacks=learning_rate_monitor", "logger=csv", "trainer=ddp", "data=cifar10"],
    ["strategy=tsenas", "space=tsenas", "estimator=training", "executor=ray", "data=image_folder"],
    ["strategy=nevergrad", "space=reolon", "estimator=cascade", "data=fashion_mnist"],
]
WRONG = [[1, 2], {"a": 1}, [], [{"_target_": "os.system"}], None, True, 1e30]


def keys(section, above=()):
    for key, value in section.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from keys(value, (*above, key))


def parts_of(config):
    """All that a search makes before it reads data."""
    parts = Parts(config)
    parts.strategy.check_goals(parts.estimators, parts.goals.followed, parts.goals.constraints)
    parts.check_machinery()


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_every_key_refuses_what_it_cannot_hold(words):
    config = compose([*words, "trainer.accelerator=cpu"]).config
    refused = 0
    for path in keys(config):
        for value in WRONG:
            changed = copy.deepcopy(config)
            section = changed
            for key in path[:-1]:
                section = section[key]
            section[path[-1]] = value
            try:
                parts_of(changed)
            except NasforgeError:
                refused += 1
            except BaseException as error:
                pytest.fail(f"{'.'.join(path)}={json.dumps(value)}: {type(error).__name__}: {error}")
    assert refused > len(list(keys(config))) * len(WRONG) / 2


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("executor.name=[1,2]", "executor.name=[1, 2]: it must be one of local, ray"),
        ("logger=[1]", "choose a plug-in by its name"),
        ("estimator=[{a: 1}]", "choose a plug-in by its name"),
        ("callbacks=7", "choose a plug-in by its name"),
        ("executor.name={}", "executor.name={}: it must be one of local, ray"),
        ("space.name=[1,2]", "space.name=[1, 2]: it must be the name of a space: autoformer, "),
        ("strategy.name={a: 1}", "strategy.name={'a': 1}: it must be the name of a strategy"),
        ("data.name=[]", "data.name=[]: it must be the name of a data"),
        ("trainer.accelerator={a: 1}", 'trainer.accelerator={"a": 1}: it must be one of auto, cpu'),
        (
            "executor.threads=1000000000000000000",
            "executor.threads=1000000000000000000 makes 1000",
        ),
        ("executor.workers=3000", "executor.workers=3000 makes 3000 threads; this process may use"),
    ],
)
def test_what_is_wrong_is_named(word, sentence, mistake):
    assert sentence in mistake(word)


def test_threads_are_bounded_by_the_processors(monkeypatch):
    monkeypatch.setattr("nasforge.execution.options.available_threads", lambda: 4)

    def executor(**options):
        config = compose([f"executor.{key}={value}" for key, value in options.items()]).config
        return Parts(config).executor

    assert executor(threads=32).threads == 32
    assert executor(workers=16, threads=2).workers == 16
    for options in ({"threads": 33}, {"workers": 33}, {"workers": 17, "threads": 2}):
        with pytest.raises(NasforgeError, match=r"may use 4 processor\(s\), which can serve 8 threads each, 32 in all"):
            executor(**options)
