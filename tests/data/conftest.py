import pytest


@pytest.fixture
def no_network(monkeypatch):
    """Every download of torchvision's fails at once, as without a network; what was asked for."""
    asked = []

    def refuse(url, *_, **__):
        asked.append(url)
        raise OSError("Name or service not known")

    for module in ("cifar", "mnist"):
        monkeypatch.setattr(f"torchvision.datasets.{module}.download_and_extract_archive", refuse)
    return asked
