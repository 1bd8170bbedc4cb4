"""The command: its words, its sentences, its exit statuses, and how quick it answers."""

import errno
import os
import shutil
import subprocess
import sys
import warnings
from importlib.metadata import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from nasforge import __version__
from nasforge.command import cli
from nasforge.config.configuration import compose
from nasforge.config.extras import LAUNCHERS
from nasforge.experiment import experiment
from nasforge.registry.entry_points import CONTRACTS
from nasforge.stopping import Interrupted

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def called(monkeypatch):
    """Every call of nasforge.experiment, which does nothing here."""
    calls = []

    def record(name):
        def function(*arguments, **options):
            calls.append((name, arguments, options))
            return SimpleNamespace(folder=Path())

        return function

    for name in ("search", "resume", "retrain", "report"):
        monkeypatch.setattr(experiment, name, record(name))
    return calls


def failing(monkeypatch, error):
    def search(*arguments):
        raise error

    monkeypatch.setattr(experiment, "search", search)


# Quick answers


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--version"], ["list"], ["list", "strategy"], ["serch"]])
def test_quick_answers_import_neither_torch_nor_lightning_nor_hydra(words):
    code = (
        "import sys; from nasforge.command.cli import run; run(sys.argv[1:]);"
        "heavy = {'torch', 'pytorch_lightning', 'hydra', 'pydantic', 'matplotlib', 'sklearn'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True)


def test_help_is_for_newcomers(command):
    for words in (["--help"], ["-h"], ["search", "--help"], ["retrain", "-h"]):
        status, said, _ = command(*words)
        assert status == 0
        assert all(f"\n  {name} " in said for name in cli.COMMANDS)
        assert "nasforge strategy=egnas" in said
        assert max(map(len, said.splitlines())) < 80


def test_version(command):
    assert command("--version") == (0, f"nasforge {__version__}\n", "")


def test_list_shows_each_plug_in_with_package_version_and_first_line(command):
    status, said, _ = command("list")
    assert status == 0
    assert [line for line in said.splitlines() if line in CONTRACTS] == list(CONTRACTS)
    (egnas,) = [line for line in said.splitlines() if line.startswith("  egnas ")]
    assert f"nasforge {__version__}" in egnas
    assert egnas.endswith(
        "EG-NAS: evolution strategies explore N directions per epoch, and the most accurate one moves the alphas."
    )
    assert "nasbench201" not in command("list", "strategy")[1]


@pytest.mark.parametrize("first", ["from nasforge import Odd", "class Odd: 'The first one.'"])
def test_of_a_name_bound_twice_the_last_one_is_described(guest, command, first):
    code = f"{first}\nclass Odd(Odd): 'The last one.'\n"
    guest("nasforge-odd", {"nasforge.strategy": ["odd = odd_guest:Odd"]}, {"odd_guest.py": code})
    (row,) = [line for line in command("list", "strategy")[1].splitlines() if line.startswith("  odd ")]
    assert row.split(maxsplit=3)[1:] == ["nasforge-odd", "1.0", "The last one."]


def test_list_check_imports_and_finds_all_sound(command):
    status, said, _ = command("list", "--check")
    assert status == 0
    assert "UNUSABLE" not in said
    assert said.endswith("\n\nall sound\n")


def test_list_has_presets_that_may_be_chosen_like_plug_ins(command, guest):
    files = {
        "odd/__init__.py": "",
        "odd/conf/__init__.py": "",
        "odd/conf/strategy/odd_fast.yaml": "# Odd.\nname: egnas\n",
    }
    guest("nasforge-odd", {"nasforge.conf": ["odd = odd.conf"]}, files)
    rows = {
        row.split()[0]: " ".join(row.split()[1:]) for row in command("list")[1].splitlines() if row.startswith("  ")
    }
    assert rows["egnas_reference"].startswith(f"nasforge {__version__} egnas: EG-NAS as its published code behaves")
    assert rows["zero_cost_te_nas"].endswith("zero_cost: The two scores of TE-NAS: zero_cost with other proxies.")
    assert rows["odd_fast"] == "nasforge-odd 1.0 egnas: Odd."
    chosen = {path.stem for kind in CONTRACTS for path in (ROOT / "conf" / kind).glob("*.yaml")}
    assert set(rows) == chosen | {"odd_fast"}


def test_list_wraps_between_words_on_a_terminal(command, monkeypatch):
    whole = command("list")[1].split()
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    said = command("list")[1]
    assert said.split() == whole
    assert max(map(len, said.splitlines())) <= 80


def test_list_marks_a_clash_and_check_a_broken_guest(guest, command):
    guest("impostor", {"nasforge.strategy": ["egnas = impostor:Egnas"], "nasforge.space": ["lost = not_there:Lost"]})
    status, said, _ = command("list")
    assert status == 1
    assert "UNUSABLE: strategy 'egnas' is claimed by impostor and nasforge" in said
    assert "UNUSABLE: space 'lost' of impostor cannot be loaded: ModuleNotFoundError" in command("list", "--check")[1]


# Words


@pytest.mark.parametrize("words", [[], ["search"], ["seed=3"], ["search", "seed=3", "strategy=egnas"]])
def test_search_may_be_left_out(command, called, words):
    assert command(*words)[0] == 0
    ((name, (config, folder, overrides), _),) = called
    assert name == "search"
    assert overrides == [word for word in words if "=" in word]
    assert config["seed"] == (3 if "seed=3" in words else 0)
    assert folder.parent == Path.cwd() / "runs"
    assert "hydra" not in config


def test_the_runs_folder_can_be_chosen(command, called, tmp_path):
    command(f"hydra.run.dir={tmp_path}/mine")
    assert called[0][1][1:] == (tmp_path / "mine", [])


def test_a_sweep_searches_once_for_each_combination(command, called):
    status, said, _ = command("-m", "seed=1,2", "strategy=egnas,egnas_reference")
    assert status == 0
    assert [overrides for _, (_, _, overrides), _ in called] == [
        [f"seed={seed}", f"strategy={name}"] for seed in (1, 2) for name in ("egnas", "egnas_reference")
    ]
    assert len({folder for _, (_, folder, _), _ in called}) == 4
    assert "job 3: seed=2 strategy=egnas_reference" in said


def test_a_failed_job_of_a_sweep_does_not_hide_nor_stop_the_others(command, monkeypatch):
    done = []

    def search(config, folder, overrides, **_):
        if config["seed"] == 1:
            raise cli.OptionError("seed=1 is unlucky")
        done.append(config["seed"])

    monkeypatch.setattr(experiment, "search", search)
    status, _, complaint = command("-m", "seed=0,1,2")
    assert status == 2
    assert done == [0, 2]
    assert "nasforge: job 1: seed=1 is unlucky" in complaint
    assert complaint.strip().endswith("nasforge: jobs of this sweep failed; see their messages above")
    assert "Traceback" not in complaint


def test_nor_does_a_plug_in_that_exits(command, monkeypatch):
    done = []

    def search(config, folder, overrides, **_):
        if config["seed"] == 1:
            sys.exit(3)
        done.append(config["seed"])

    monkeypatch.setattr(experiment, "search", search)
    status, said, complaint = command("-m", "seed=0,1,2")
    assert status == 1
    assert done == [0, 2]
    assert "nasforge: job 1: this is a bug in nasforge or a plug-in: SystemExit: 3." in complaint
    assert "2 finished, 1 failed" in said


@pytest.mark.parametrize("words", [[], ["resume", "run"]])
def test_a_plug_in_that_exits_does_so_with_a_word(command, monkeypatch, words):
    for name in ("search", "resume"):
        monkeypatch.setattr(experiment, name, lambda *_, **__: sys.exit(0))
    status, _, complaint = command(*words)
    assert status == 1
    assert complaint.startswith("nasforge: this is a bug in nasforge or a plug-in: SystemExit: 0.")


def test_what_hydra_says_of_its_own_flags_is_enough(command):
    status, _, complaint = command("--cfg", "nonsense")
    assert status == 2
    assert complaint.splitlines()[-1].startswith("nasforge: error: argument --cfg/-c: invalid choice: 'nonsense'")


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_launcher_that_is_not_here_is_told_with_the_line_that_installs_it(mistake, monkeypatch, launcher):
    Plugins.instance()  # those that are here have been found, and are forgotten again
    monkeypatch.delitem(ConfigStore.instance().repo["hydra"]["launcher"], f"{launcher}.yaml", raising=False)
    said = mistake("-m", "seed=1,2", f"hydra/launcher={launcher}")
    assert said.startswith(f"nasforge: no hydra/launcher named '{launcher}'.")
    assert said.endswith(f" Install it with: pip install 'nasforge[{LAUNCHERS[launcher]}]'")


def test_those_lines_install_what_there_is():
    assert set(LAUNCHERS.values()) <= set(metadata("nasforge").get_all("Provides-Extra"))


def test_cfg_prints_the_configuration_and_runs_nothing(command, called):
    status, said, _ = command("--cfg", "job", "seed=5")
    assert status == 0
    assert said.startswith("seed: 5\n")
    assert not called
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("words", [["--hydra-help"], ["--info", "defaults"], ["--cfg", "job", "--resolve"]])
def test_hydras_own_flags_work(in_process, words):
    said = in_process(*words)
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout


def test_resume_passes_folder_and_changes(command, called):
    assert command("resume", "runs/x", "budget.evaluations=20")[0] == 0
    assert called == [("resume", (Path("runs/x"), ["budget.evaluations=20"]), {"config_dir": None})]


@pytest.mark.parametrize("flag", [["--config-dir", "mine"], ["--config-dir=mine"], ["-cd", "mine"]])
def test_resume_passes_a_folder_of_configurations(command, called, flag):
    assert command("resume", *flag, "runs/x", "executor=cluster")[0] == 0
    assert called == [("resume", (Path("runs/x"), ["executor=cluster"]), {"config_dir": "mine"})]


def recorded(folder, *words):
    """A folder with the configuration that words stand for."""
    Path(folder).mkdir()
    (Path(folder) / "config.yaml").write_text(yaml.safe_dump(compose(words).config))


def test_retrain_begins_from_the_configuration_of_the_run(command, called):
    recorded("run", "seed=4", "retrain.epochs=3")
    assert command("retrain", "run", "retrain.epochs=9")[0] == 0
    ((_, (config, folder), options),) = called
    assert (config["seed"], config["retrain"]["epochs"]) == (4, 9)
    assert (folder, options) == (Path("run"), {"run": True})


def test_retrain_without_a_run_takes_an_architecture(command, called):
    assert command("retrain", "architecture=DARTS_V2", "hydra.run.dir=there")[0] == 0
    ((_, (config, folder), options),) = called
    assert config["architecture"] == "DARTS_V2"
    assert (folder, options) == (Path("there"), {"run": False})


def test_report_takes_a_run(command, called):
    assert command("report", "run")[0] == 0
    assert called == [("report", (Path("run"),), {})]


# Mistakes


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["serch"], "no command 'serch'. Did you mean 'search'?"),
        (["strategy"], "no command 'strategy'. Commands: search, resume, retrain, report, "),
        (["--multirn"], "no option --multirn. Did you mean --multirun?"),
        (["strategy=egna"], "no strategy named 'egna'. Did you mean 'egnas'?"),
        (["strategy.populaton=5"], "no option strategy.populaton. Did you mean strategy.population?"),
        (["strategy.population=many"], 'strategy.population="many": it must be a whole number, at least 2'),
        (["strategy.samples=0"], "strategy.samples=0: it must be a whole number, at least 1"),
        (["+strategy.sample=3"], "no option strategy.sample. Did you mean strategy.samples?"),
        (["retrain.epochs=0"], "retrain.epochs=0: it must be a whole number, at least 1"),
        (["budget.seconds=-1"], "budget.seconds=-1: it must be a number, above 0"),
        (["executor.threads=two"], 'executor.threads="two"'),
        (["seed=-1"], "seed=-1"),
        (["space.channels=6"], "6"),
        (["seed=1,2"], "add -m to sweep over them"),
        (["foo=1", "seed=2"], "no option foo."),
        (["seed=1", "extra"], "'extra' is not KEY=VALUE"),
        (["-m", "strategy=egnas,egna"], "no strategy named 'egna'"),
        (["--cfg", "job", "--info", "all"], "Only one of"),
        (["resume"], "resume needs a run's folder"),
        (["resume", "nowhere"], "nowhere"),
        (["resume", "."], "not a run's folder"),
        (["report"], "report needs a run's folder"),
        (["report", "nowhere"], "nowhere"),
        (["report", "a", "b"], "report takes only one run's folder and --follow, not also 'b'"),
        (["retrain"], "retrain needs a run's folder, or architecture="),
        (["retrain", "nowhere"], "there is no folder nowhere"),
        (["retrain", "-m", "seed=1,2"], "retrain takes KEY=VALUE and --config-dir, not -m"),
        (["retrain", "architecture=DARTS_V2", "strategy=darts"], "'strategy=darts' affects only a search"),
        (["retrain", "architecture=DARTS_V2", "+budget.seconds=1"], "'+budget.seconds=1' affects only a search"),
        (["retrain", "--config-dir=nowhere", "architecture=DARTS_V2"], "--config-dir=nowhere: there is no such folder"),
        (["resume", "--config-dir"], "--config-dir needs a folder of configurations"),
        (["retrain", "architecture=DARTS_V3"], "DARTS_V3"),
        (["architecture=DARTS_V2"], "a search finds an architecture, so it takes none: architecture=DARTS_V2"),
        (["estimator=[tabular,tabular]"], "estimator=[tabular,tabular] names tabular twice"),
        (["logger=[csv,csv]"], "logger=[csv,csv] names csv twice"),
        (["estimator=[]"], "estimator=[] leaves nothing to estimate candidates with"),
        (["~estimator"], "~estimator removes a section that is required; choose another one with estimator=NAME"),
        (["-m", "seed=range(0)"], "this sweep has no job: one of its lists or ranges is empty"),
        (["strategy=egnas", "-m", "seed=range(0)"], "this sweep has no job: one of its lists or ranges is empty"),
        (["+typo.key=1"], "there is no option typo. There are: "),
        (["strategy=random_search", "objectives=[accuracy,accuracy]"], "objectives lists 'accuracy' twice"),
        (["strategy=random_search", "constraints=['accuracy>=2']"], "excludes all candidates: accuracy is a fraction"),
        (["strategy=random_search", "constraints=['accuracy<=-1']"], "excludes all candidates: accuracy is a fraction"),
        (["list", "tables", "--check"], "list tables takes no other argument"),
        (["list", "strategies"], "list takes a kind (space, strategy, estimator, data, tables)"),
        (["doctor", "now"], "doctor takes no argument, not 'now'"),
    ],
)
def test_each_mistake_is_one_sentence_and_status_2(mistake, words, sentence):
    assert sentence in mistake(*words)


@pytest.mark.parametrize("first", [[], ["-m"], ["retrain", "architecture=DARTS_V2"]])
@pytest.mark.parametrize("word", ["seed=${nope}", "seed=${seed}", "seed=${oc.env:NASFORGE_UNSET}"])
def test_what_cannot_be_resolved_is_named(command, first, word):
    status, _, complaint = command(*first, word)
    assert status == 2
    assert "nasforge: " in complaint
    assert "seed cannot be resolved: " in complaint
    assert "fault" not in complaint


def test_an_option_may_be_another_one(command, called):
    assert command("retrain.channels=${space.channels}")[0] == 0
    config, _, words = called[0][1]
    assert config["retrain"]["channels"] == config["space"]["channels"]
    assert words == ["retrain.channels=${space.channels}"]


LONG = "x" * 300


@pytest.mark.parametrize(
    "words",
    [
        [f"hydra.run.dir={LONG}"],
        ["resume", LONG],
        ["report", LONG],
        ["retrain", LONG],
        ["retrain", "architecture=DARTS_V2", f"hydra.run.dir={LONG}"],
        ["compare", LONG],
        ["table", "info", LONG],
        ["new-plugin", "good", f"in={LONG}"],
        ["data=arrays", f"data.path={LONG}"],
        ["data=image_folder", f"data.root={LONG}"],
        ["hydra.run.dir=/proc/nasforge"],
    ],
)
def test_names_that_the_system_refuses_are_the_users_to_mend(mistake, words):
    said = mistake(*words)
    assert "fault" not in said
    assert len(said) < 400


@pytest.mark.parametrize(
    "words",
    [
        ["data=cifar10"],
        ["table", "info"],
        ["compare", ".", "out=~nobody9/x"],
        ["table", "info", "~nobody9/x"],
        ["new-plugin", "good", "in=~nobody9/x"],
        ["data=arrays", "data.path='~nobody9/x'"],
        ["data=image_folder", "data.root='~nobody9/x'"],
        ["space=nasbench201", "strategy=random_search", "estimator=tabular", "estimator.tabular.path='~nobody9/x'"],
    ],
)
def test_a_home_of_nobody_is_named(mistake, monkeypatch, words):
    monkeypatch.setenv("NASFORGE_DATA", "~nobody9/x")
    assert "~nobody9/x: ~nobody9 is not the home folder of any user" in mistake(*words)


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"TORCHELASTIC_RUN_ID": "1"}, "WORLD_SIZE is missing"),
        ({"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "two"}, "WORLD_SIZE=two, of torchrun or srun, must be 1 or more"),
        ({"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "2"}, "MASTER_ADDR is missing"),
        ({"RANK": "first"}, "RANK=first must be a whole number, 0 or more"),
        ({"SLURM_PROCID": "x", "SLURM_STEP_NUM_TASKS": "2"}, "SLURM_PROCID=x must be a whole number, 0 or more"),
        ({"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "-2"}, "SLURM_STEP_NUM_TASKS=-2"),
        ({"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "2"}, "SLURM_STEP_NODELIST is missing"),
        (
            {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NODELIST": "a", "SLURM_JOB_ID": "x"},
            "SLURM_JOB_ID=x",
        ),
    ],
)
@pytest.mark.parametrize("words", [["seed=-1"], ["retrain", "architecture=DARTS_V2", "retrain.epochs=0"]])
def test_malformed_variables_of_a_starter_are_named(mistake, monkeypatch, variables, sentence, words):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert sentence in mistake(*words)


@pytest.mark.parametrize("words", [["seed=1"], ["resume", "/"], ["report", "/"]])
def test_a_working_folder_that_is_gone_is_told(mistake, words):
    Path.cwd().rmdir()
    assert "the folder that this command runs in no longer exists" in mistake(*words)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EFBIG, errno.ENAMETOOLONG, errno.ENOENT, errno.EIO])
def test_what_the_system_says_of_a_file_is_enough(mistake, monkeypatch, number):
    failing(monkeypatch, OSError(number, os.strerror(number), "locked/run"))
    assert mistake() == f"nasforge: {os.strerror(number)}: locked/run"


def test_a_refused_run_leaves_no_folder(mistake):
    mistake("strategy.samples=0", "hydra.run.dir=here")
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("content", ["{", "- 1", "", "!!python/object:os.system {}"])
def test_a_damaged_configuration_of_a_run_is_named(mistake, content):
    Path("run").mkdir()
    Path("run/config.yaml").write_text(content)
    assert "run/config.yaml is damaged" in mistake("retrain", "run")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["retrain.epoch=2"], "there is no option retrain.epoch. Did you mean retrain.epochs?"),
        (["data=arrays", "data.pat=x"], "there is no option data.pat. Did you mean data.path?"),
        (["data=array"], "no data named 'array'. Did you mean 'arrays'?"),
        (["+experiment=retrain_cifar"], "no experiment named 'retrain_cifar'. Did you mean 'retrain_cifar10'?"),
        (["~data"], "~data removes a section that is required"),
        (["hydra.run.dir=there"], "is retrained in a folder inside the run's"),
        (["budget.seconds=3"], "'budget.seconds=3' affects only a search"),
        (["retrain.epochs=${nope}"], "nope"),
    ],
)
def test_each_mistake_in_a_change_of_a_run_is_one_sentence(mistake, words, sentence):
    recorded("run")
    assert sentence in mistake("retrain", "run", *words)


@pytest.mark.parametrize("name", ["seed=1,strategy=egnas", "a=b", "-x", "~y", "+z=1"])
def test_a_folder_that_is_there_is_a_folder_whatever_its_name(command, called, name):
    recorded(name)
    for word in ("resume", "report", "retrain"):
        assert command(word, name)[0] == 0
    assert [arguments[0] if kind != "retrain" else arguments[1] for kind, arguments, _ in called] == [Path(name)] * 3


def test_a_folder_that_may_not_be_written_is_named(mistake, monkeypatch):
    failing(monkeypatch, PermissionError(errno.EACCES, "Permission denied", "locked/run"))
    assert mistake() == "nasforge: Permission denied: locked/run"


def test_a_file_where_the_folder_should_be_is_named(mistake):
    Path("taken").write_text("")
    assert "taken" in mistake("hydra.run.dir=taken")


# Faults


@pytest.mark.parametrize("words", [("seed=7", "--cfg", "job", "space=darts"), ("--info", "config", "seed=7")])
def test_flags_may_stand_between_overrides(command, words):
    status, stdout, complaint = command(*words)
    assert (status, complaint) == (0, "")
    assert "seed: 7" in stdout.splitlines()


def test_without_a_word_it_searches(command, called):
    assert command()[0] == 0
    assert [kind for kind, *_ in called] == ["search"]


def test_a_removed_section_is_named_rather_than_its_options(mistake):
    assert "~data removes a section that is required; choose another one with data=NAME" in mistake(
        "~data", "data.path=x"
    )


def test_a_full_disk_is_one_sentence(command, monkeypatch):
    failing(monkeypatch, OSError(errno.ENOSPC, "No space left on device", "runs/x/journal.jsonl"))
    status, _, complaint = command()
    assert status == 1
    assert complaint == (
        "nasforge: the disk is full (runs/x/journal.jsonl); "
        "free some space, then continue with: the same command again\n"
    )


def test_a_lack_of_memory_is_one_sentence(command, monkeypatch):
    failing(monkeypatch, RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes."))
    status, _, complaint = command()
    assert status == 1
    assert complaint.startswith("nasforge: out of memory (DefaultCPUAllocator: can't allocate memory: ")
    assert len(complaint.splitlines()) == 1


def test_a_fault_of_ours_says_how_to_see_it_whole(command, monkeypatch):
    failing(monkeypatch, ZeroDivisionError("by zero"))
    status, _, complaint = command()
    assert status == 1
    assert complaint == (
        "nasforge: this is a bug in nasforge or a plug-in: ZeroDivisionError: by zero. "
        "NASFORGE_TRACEBACK=1 shows where\n"
    )


@pytest.mark.parametrize("variable", ["NASFORGE_TRACEBACK", "HYDRA_FULL_ERROR"])
def test_the_traceback_is_shown_when_asked_for(command, monkeypatch, variable):
    monkeypatch.setenv(variable, "1")
    failing(monkeypatch, ZeroDivisionError("by zero"))
    status, _, complaint = command()
    assert status == 1
    assert "Traceback" in complaint
    assert "in search" in complaint


def test_a_search_leaves_the_environment_as_it_was(command, monkeypatch):
    """A caller's later processes would print tracebacks."""
    seen = []
    monkeypatch.setattr(experiment, "search", lambda *_: seen.append(os.environ["HYDRA_FULL_ERROR"]))
    monkeypatch.delenv("HYDRA_FULL_ERROR")
    assert command()[0] == 0
    assert seen == ["1"]  # for the processes that the search starts
    assert "HYDRA_FULL_ERROR" not in os.environ


def test_warnings_are_one_line_and_libraries_advice_is_left_out(command, monkeypatch):
    def search(*arguments):
        warnings.warn("the last line was torn", UserWarning, stacklevel=2)
        warnings.warn("use another function", FutureWarning, stacklevel=2)

    monkeypatch.setattr(experiment, "search", search)
    status, _, complaint = command()
    assert (status, complaint) == (0, "nasforge: warning: the last line was torn\n")


def test_ctrl_c_names_the_command_that_goes_on(command, monkeypatch):
    stop = Interrupted(2)
    stop.folder = Path.cwd() / "runs" / "mine"
    failing(monkeypatch, stop)
    status, _, complaint = command()
    assert status == 130
    assert complaint.startswith("nasforge: interrupted; continue with: nasforge resume ")
    assert complaint.strip().endswith("runs/mine")


def test_ctrl_c_before_the_run_began(command, monkeypatch):
    failing(monkeypatch, KeyboardInterrupt())
    status, _, complaint = command()
    assert status == 130
    assert len(complaint.splitlines()) == 1


def test_ctrl_c_ends_a_whole_sweep(command, monkeypatch):
    begun = []

    def search(config, folder, overrides, **_):
        begun.append(config["seed"])
        raise Interrupted(2)

    monkeypatch.setattr(experiment, "search", search)
    assert command("-m", "seed=1,2")[0] == 130
    assert begun == [1]


def test_a_reader_that_went_away_is_no_error():
    nasforge = f"{sys.executable} -m nasforge"
    said = subprocess.run(f"{nasforge} --help | true; echo ${{PIPESTATUS[0]}}", shell=True, executable="bash",
                          capture_output=True, text=True)  # fmt: skip
    assert (said.stdout.strip(), said.stderr) == ("0", "")


# Tab completion


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("line", "choices"),
    [
        ("nasforge re", {"resume", "retrain", "report", "retrain."}),
        ("nasforge strat", {"strategy=", "strategy."}),
        ("nasforge strategy=eg", {"strategy=egnas", "strategy=egnas_reference"}),
        ("nasforge strategy.sampl", {"strategy.samples="}),
        ("nasforge search strategy=egnas trainer.dev", {"trainer.devices="}),
        ("nasforge retrain runs/x retrain.ep", {"retrain.epochs="}),
    ],
)
def test_tab_completion_knows_groups_and_keys(line, choices):
    environment = {**os.environ, "COMP_LINE": line, "COMP_POINT": str(len(line))}
    said = subprocess.run([sys.executable, "-m", "nasforge", "-sc", "query=bash"], env=environment,
                          capture_output=True, text=True)  # fmt: skip
    assert choices <= set(said.stdout.split()), said.stderr


def test_tab_completion_can_be_installed(command):
    status, said, _ = command("-sc", "install=bash")
    assert status == 0
    assert "hydra_bash_completion" in said
    assert "nasforge" in said.splitlines()[-1]
