"""Damaged and hostile files of every form are a table, or one sentence that names them; none takes all memory."""

import bz2
import pickle
import resource
import time

import numpy as np
import pytest
from small_release import as_file, as_old_pth, as_pth, release
from test_published_arrays import accuracies, times

from nasforge import Column, DataError, Table
from nasforge.tables.files import import_table
from nasforge_plugins.shared import pickles


def as_table(folder, content):
    table = Table.of("stairs", (2, 2), {Column("d", "accuracy", "max"): np.array([0.1, np.nan, 0.3, 0.4])}, source="x")
    table.write(folder / "stairs.safetensors")
    return folder / "stairs.safetensors"


def as_npz(folder, content):
    np.savez(folder / "accuracies.npz", **accuracies())
    return folder / "accuracies.npz"


def as_latencies(folder, content):
    np.savez(folder / "latencies.npz", **times())
    return folder / "latencies.npz"


def outcome(path):
    """A table whose columns can be read, or the sentence that refuses it."""
    try:
        found = import_table(path)
        return [found.values(column) for column in found.columns]
    except DataError as error:
        return str(error)


def harmed(content, rng, times):
    """Cut short, a bit turned, eight bytes replaced, something put in."""
    for _ in range(times):
        at, bit = int(rng.integers(len(content))), 1 << int(rng.integers(8))
        yield content[:at]
        yield content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :]
        yield content[:at] + rng.bytes(8) + content[at + 8 :]
        yield content[:at] + content[: int(rng.integers(64))] + content[at:]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("write", [as_table, as_npz, as_latencies, as_file, as_pth, as_old_pth])
def test_a_damaged_file_is_a_table_or_one_sentence(tmp_path, write):
    path = write(tmp_path, {0: release()[0]})
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    contents = list(harmed(whole, rng, 8))
    if write is as_file:  # what is damaged before it is compressed is found by no checksum
        contents += [bz2.compress(damaged, 1) for damaged in harmed(bz2.decompress(whole), rng, 3)]
    for content in contents:
        path.write_bytes(content)
        found = outcome(path)
        if isinstance(found, str):
            assert str(path) in found
            assert "\n" not in found
            assert len(found) < 700


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_AS"), reason="this system bounds no memory")
@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04Nr\xff\xff\xff\x7f.",  # to be remembered under number 2,147,483,647
        b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b"short.",  # bytes that the file does not have
        b"\x80\x05\x96" + (1 << 40).to_bytes(8, "little") + b"short.",
        pickle.dumps(None)[:-1] + b"2" * 100_000,
    ],
)
def test_no_pickle_takes_all_memory(tmp_path, content):
    path = tmp_path / "HW-NAS-Bench.pickle"
    path.write_bytes(content)
    before = resource.getrlimit(resource.RLIMIT_AS)
    begin, peak = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "cannot be read" in outcome(path)
    assert time.perf_counter() - begin < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 2 * pickles.LEAST_MEMORY / 1024
    assert resource.getrlimit(resource.RLIMIT_AS) == before
