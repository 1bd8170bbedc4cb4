"""Words become a plain configuration; what Hydra would complain of at length is one sentence each."""

import shutil

import pytest

from nasforge import NasforgeError, OptionError, UnknownNameError
from nasforge.config.configuration import GROUPS, compose, recomposed
from nasforge.journal.records import flat

CONFIG = {
    "guest_conf/__init__.py": "",
    "guest_conf/strategy/climb.yaml": (
        "defaults:\n  - override /estimator@_global_.estimator: [training]\n  - _self_\nname: climb\nsteps: 3\n"
    ),
    "guest_conf/experiment/both.yaml": (
        "# @package _global_\ndefaults:\n  - override /strategy: climb\n  - override /space: darts\nseed: 7\n"
    ),
}


def refused(*words):
    with pytest.raises(NasforgeError) as error:
        compose(words)
    return error.value


@pytest.fixture
def climb(guest):
    """A guest's strategy that chooses its own estimator."""
    return guest("climb", {"nasforge.conf": ["climb = guest_conf"]}, CONFIG)


def estimators(*words):
    return list(compose(words).config["estimator"])


def test_the_bare_command_is_whole():
    config = compose([]).config
    assert config["strategy"]["name"] == "egnas"
    assert config["space"]["name"] == "darts"
    assert config["data"]["name"] == "digits"
    supernet = {"name": "supernet", "run": None, "batch_size": 256, "images": None, "calibration_batches": None}
    assert config["estimator"] == {"supernet": supernet}
    assert config["budget"] == {"evaluations": None, "seconds": None}
    assert "hydra" not in config


def test_two_starts_get_two_folders():
    assert compose([]).folder != compose([]).folder
    assert str(compose(["hydra.run.dir=here"]).folder) == "here"


def test_an_option_that_only_another_launcher_has_is_named():
    with pytest.raises(OptionError, match=r"there is no option hydra\.launcher\.n_jobs; .*hydra/launcher=NAME"):
        compose(["hydra.launcher.n_jobs=2"])


def test_one_or_several_estimators():
    assert estimators("estimator=training") == ["training"]
    assert sorted(estimators("estimator=[training,supernet]")) == ["supernet", "training"]
    options = compose(["estimator=[training,supernet]", "estimator.training.epochs=1"]).config["estimator"]
    assert options["training"]["epochs"] == 1


def test_a_strategy_may_choose_its_estimator_and_the_command_line_wins(climb):
    assert estimators("strategy=climb") == ["training"]
    assert estimators("strategy=climb", "estimator=supernet") == ["supernet"]
    assert estimators("strategy=egnas") == ["supernet"]
    assert estimators("+experiment=both") == ["training"]
    assert estimators("+experiment=both", "estimator=supernet") == ["supernet"]


def test_an_experiment_sets_any_key(climb):
    config = compose(["+experiment=both", "strategy.steps=5"]).config
    assert (config["seed"], config["strategy"]["steps"]) == (7, 5)


def test_a_guest_cannot_shadow_a_built_in(guest):
    files = {"shadow_conf/__init__.py": "", "shadow_conf/strategy/egnas.yaml": "name: shadow\n"}
    guest("shadow", {"nasforge.conf": ["shadow = shadow_conf"]}, files)
    assert compose([]).config["strategy"]["name"] == "egnas"


def test_a_broken_guest_gives_one_warning_and_breaks_nothing(guest):
    guest("broken", {"nasforge.conf": ["broken = broken_conf"]}, {"broken_conf/__init__.py": "import not_there"})
    with pytest.warns(UserWarning, match="package broken are left out: ModuleNotFoundError") as warnings:
        compose([])
    assert len(warnings) == 1


def test_a_plug_in_without_configuration_is_named(guest):
    code = "from nasforge import Strategy\nclass Bare(Strategy):\n    def search(self, run): ...\n"
    guest("bare", {"nasforge.strategy": ["bare = bare:Bare"]}, {"bare.py": code})
    assert "'bare' of bare has no configuration: the package must have strategy/bare.yaml" in str(
        refused("strategy=bare")
    )


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        (
            "strategy=egna",
            "no strategy named 'egna'. Did you mean 'egnas'? Available: asha, bananas, bayesian, darts, ",
        ),
        ("space=dart", "no space named 'dart'. Did you mean 'darts'?"),
        ("data=digit", "no data named 'digit'. Did you mean 'digits'?"),
        ("estimator=[supernet,trainin]", "no estimator named 'trainin'. Did you mean 'training'?"),
        ("+experiment=nothing_like_it", "no experiment named 'nothing_like_it'."),
        ("strategy.populaton=5", "no option strategy.populaton. Did you mean strategy.population? strategy has: "),
        ("retrain.epoch=5", "no option retrain.epoch. Did you mean retrain.epochs?"),
        ("trainer.device=2", "no option trainer.device. Did you mean trainer.devices?"),
        ("estimator.training.epochs=1", "no option estimator.training. estimator has: supernet."),
        ("strategi=egnas", "no option strategi. Did you mean strategy?"),
        ("seed.x=1", "seed is a single value: it has no option x"),
        ("seed=1,2", "seed=1,2 has several values: add -m to sweep over them, or write [a,b] for a list"),
        ("seed", "'seed' is not KEY=VALUE"),
        ("seed=[1", "'seed=[1' cannot be read"),
        ("seed=${nowhere}", "Interpolation key 'nowhere' not found"),
        ("seed=???", "seed must be given: add seed=VALUE"),
        *((f"{group}=null", f"{group}=null must name a plug-in, as in {group}=NAME") for group in GROUPS),
        *((f"{group}={{}}", f"options are set one by one, as in {group}.KEY=VALUE") for group in GROUPS),
        ("estimator={training: {}}", "must name a plug-in, as in estimator=NAME"),
        ("budget=5", "budget=5: it must be a section of the configuration"),
        ("~strategy", "~strategy removes a section that is required; choose another one with strategy=NAME"),
        ("~seed", "the configuration needs the key seed"),
        ("~nothing", "'nothing' does not exist"),
    ],
)
def test_each_mistake_is_one_sentence(word, sentence):
    error = refused(word)
    assert sentence in str(error)
    assert "\n" not in str(error)
    unknown_name = sentence.startswith("no ") and not sentence.startswith("no option")
    assert isinstance(error, UnknownNameError if unknown_name else OptionError)


# Onto a recorded configuration


@pytest.fixture
def recorded(climb):
    """The configuration of a guest's experiment, whose files are gone."""
    config = compose(["+experiment=both", "strategy.steps=5", "data.batch_size=32", "executor.workers=2"]).config
    shutil.rmtree(climb / "guest_conf/experiment")
    shutil.rmtree(climb / "guest_conf/strategy")
    return config


def changes(before, after):
    """What differs, by dotted key."""
    old, new = flat(before), flat(after)
    return {key: new.get(key) for key in {**old, **new} if old.get(key) != new.get(key)}


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        ([], {}),
        (["seed=8", "retrain.epochs=9"], {"seed": 8, "retrain.epochs": 9}),
        (["retrain.epochs=${strategy.steps}"], {"retrain.epochs": 5}),
        (["objectives=[accuracy]", "budget.seconds=1.5"], {"objectives": ["accuracy"], "budget.seconds": 1.5}),
        (["+trainer.profiler=simple", "~trainer.precision"], {"trainer.profiler": "simple", "trainer.precision": None}),
        (["data=digits", "executor=local"], {}),  # as they were, options included
        (["data=fashion_mnist"], {"data.name": "fashion_mnist", "data.download": True, "data.batch_size": 64}),
    ],
)
def test_words_change_what_they_name_in_a_recorded_configuration_and_nothing_else(recorded, words, changed):
    assert changes(recorded, recomposed(recorded, words)) == changed


def test_an_experiment_changes_what_it_names_in_a_recorded_configuration(recorded):
    changed = recomposed(recorded, ["+experiment=retrain_cifar10", "retrain.seeds=2"])
    assert changed["retrain"] == compose(["+experiment=retrain_cifar10", "retrain.seeds=2"]).config["retrain"]
    assert changed["data"] == compose(["data=cifar10"]).config["data"]
    assert {key.split(".")[0] for key in changes(recorded, changed)} == {"retrain", "data"}


@pytest.mark.parametrize("text", ["${nope}", "a/${x}/b", "\\${x}", "\\\\${x}", "$", "{}", "it's, [so]"])
def test_a_recorded_text_is_never_read_as_anything_else(recorded, text):
    recorded["architecture"] = text
    assert recomposed(recorded, ["seed=8"])["architecture"] == text


def test_a_folder_of_ones_own_gives_groups_and_experiments(recorded, tmp_path):
    own = tmp_path / "it's, [mine]"
    (own / "trainer").mkdir(parents=True)
    (own / "trainer/mine.yaml").write_text("accelerator: cpu\ndevices: 1\n")
    assert compose(["trainer=mine"], config_dir=own).config["trainer"] == {"accelerator": "cpu", "devices": 1}
    changed = recomposed(recorded, ["trainer=mine"], config_dir=own)
    assert changed == {**recorded, "trainer": {"accelerator": "cpu", "devices": 1}}
    with pytest.raises(UnknownNameError, match="no trainer named 'mine'"):
        compose(["trainer=mine"])


@pytest.mark.parametrize("word", ["+typo.key=1", "+sead=3", "+strateg={epochs: 3}"])
def test_a_section_or_key_that_nobody_reads_is_refused(word):
    assert "there is no option" in str(refused(word))


def test_the_nearest_right_section_is_named(recorded):
    assert "Did you mean strategy?" in str(refused("+strategi.epochs=1"))
    with pytest.raises(OptionError, match="Did you mean seed"):
        recomposed(recorded, ["+sed=1"])
