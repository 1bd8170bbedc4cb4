"""Fetching: whatever breaks on the way, only whole files are taken for data, and the next try mends it."""

import hashlib
import pickle
import socket
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torchvision

from nasforge import DataError
from nasforge_plugins.data.cifar import CIFAR100
from nasforge_plugins.data.fashion_mnist import FashionMNIST

THEIRS = torchvision.datasets.CIFAR100


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A folder from which torchvision fetches a small CIFAR-100 in the official form, checksums and all."""
    folder = tmp_path / "server" / THEIRS.base_folder
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    contents = {
        "train": {
            "data": rng.integers(0, 256, (500, 3072), dtype=np.uint8),
            "fine_labels": [i % 100 for i in range(500)],
        },
        "test": {"data": rng.integers(0, 256, (100, 3072), dtype=np.uint8), "fine_labels": list(range(100))},
        "meta": {"fine_label_names": [f"class {i}" for i in range(100)]},
    }
    for name, content in contents.items():
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    archive = tmp_path / "server" / THEIRS.filename
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, THEIRS.base_folder)
    monkeypatch.setattr(THEIRS, "train_list", [["train", md5(folder / "train")]])
    monkeypatch.setattr(THEIRS, "test_list", [["test", md5(folder / "test")]])
    monkeypatch.setattr(THEIRS, "meta", {**THEIRS.meta, "md5": md5(folder / "meta")})
    monkeypatch.setattr(THEIRS, "tgz_md5", md5(archive))
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    serve = partial(Quiet, directory=str(archive.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        monkeypatch.setattr(THEIRS, "url", f"http://127.0.0.1:{http.server_port}/{THEIRS.filename}")
        yield archive
        http.shutdown()


def complaint(data):
    with pytest.raises(DataError) as caught:
        _ = data.train
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_missing_is_fetched_once(tmp_path, server):
    root = tmp_path / "root"
    data = CIFAR100(root=str(root))
    assert (len(data.train), len(data.test), data.class_names[99]) == (500, 100, "class 99")
    server.unlink()
    assert CIFAR100(root=str(root)).train.fingerprint == data.train.fingerprint


def test_a_download_cut_short_is_not_taken_for_data_and_the_next_mends_it(tmp_path, server):
    whole = server.read_bytes()
    server.write_bytes(whole[: len(whole) // 2])
    root = tmp_path / "root"
    said = complaint(CIFAR100(root=str(root)))
    assert str(root / "cifar-100-python") in said
    assert "nothing was downloaded (File not found or corrupted.)" in said
    assert "data.download is false" in complaint(CIFAR100(root=str(root), download=False))
    server.write_bytes(whole)
    assert len(CIFAR100(root=str(root)).train) == 500


def test_files_unpacked_in_part_are_not_taken_for_data_and_the_next_download_mends_them(tmp_path, server):
    root = tmp_path / "root"
    assert len(CIFAR100(root=str(root)).train) == 500
    (root / "cifar-100-python" / "test").unlink()
    with (root / "cifar-100-python" / "train").open("r+b") as file:
        file.truncate(1000)
    said = complaint(CIFAR100(root=str(root), download=False))
    assert f"{root / 'cifar-100-python'} is incomplete or damaged, and nothing was downloaded" in said
    assert len(CIFAR100(root=str(root)).train) == 500


def test_an_archive_that_was_brought_by_hand_is_unpacked(tmp_path, server):
    root = tmp_path / "root"
    root.mkdir()
    server.rename(root / THEIRS.filename)
    assert len(CIFAR100(root=str(root)).test) == 100


def test_a_failed_download_leaves_nothing_and_says_why(tmp_path, server):
    server.unlink()
    root = tmp_path / "root"
    before = socket.getdefaulttimeout()
    said = complaint(CIFAR100(root=str(root)))
    assert f"{root / 'cifar-100-python'} is missing, and nothing was downloaded (" in said
    assert "404" in said
    assert not root.exists()
    assert socket.getdefaulttimeout() == before


def test_a_server_that_says_nothing_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("nasforge_plugins.data.benchmark.SILENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mirror = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", [mirror])
        for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(variable, raising=False)
        said = complaint(FashionMNIST(root=str(tmp_path / "root")))
    assert "timed out" in said
    assert not (tmp_path / "root").exists()


def test_files_in_a_root_that_was_there_stay(tmp_path, server):
    server.unlink()
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "notes.txt").write_text("mine")
    complaint(CIFAR100(root=str(tmp_path / "root")))
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["notes.txt"]
