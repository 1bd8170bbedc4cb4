"""A small part of the campaign: altered files of a run give the same result, or one sentence, and execute nothing."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import damaged_folders as campaign


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Words of a small search, and two runs of it that were stopped in the second epoch of their supernet."""
    root = tmp_path_factory.mktemp("damaged")
    words = [*campaign.images(root / "images.npz"), "retrain.seeds=0"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        campaign.begun(root / "run", words)
        campaign.begun(root / "other", [*words, "seed=1"])
        whole = Path(shutil.copytree(root / "run", root / "whole" / "run"))
        assert campaign.ran("resume", str(whole))[0] == 0
    return root, words, (0, campaign.result_of("resume", whole))


@pytest.mark.parametrize("file", ["config.yaml", "journal.jsonl", ".ckpt"])
def test_resume(runs, tmp_path, monkeypatch, file):
    root, words, expected = runs
    monkeypatch.chdir(tmp_path)
    cases = list(campaign.HARMS) if file != ".ckpt" else ["cut", "one bit", "another run's", "hostile"]
    seen = {}
    for name, harm, run in campaign.altered(root / "run", root / "other", tmp_path / "altered", [file]):
        if harm in cases:
            seen[name, harm] = campaign.outcome("resume", run, words, expected)
    assert len(seen) >= 4
    assert not [(case, said) for case, said in seen.items() if said.startswith("WRONG")]
    if file == ".ckpt":
        assert set(seen.values()) == {"one sentence"}
