import shutil

import pytest


@pytest.fixture
def run(trained_run, tmp_path):
    """A copy of a finished run."""
    return shutil.copytree(trained_run, tmp_path / "run")
