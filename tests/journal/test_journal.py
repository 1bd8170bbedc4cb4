"""The journal keeps what was written, drops a torn tail, and stops at damage."""

import json
import multiprocessing

import pytest

from nasforge.errors import RunError
from nasforge.journal.journal import Journal, atomic, digest, write_json


def test_lines_come_back_by_kind_and_key(tmp_path):
    journal = Journal(tmp_path)
    journal.write("fit", "a", weights="1")
    journal.write("estimate", "a", metrics={"accuracy": 0.5})
    journal.write("fit", "a", weights="2", sync=True)
    journal.close()

    again = Journal(tmp_path)
    assert again.find("fit", "a") == {"kind": "fit", "key": "a", "weights": "2"}
    assert again.find("estimate", "a")["metrics"] == {"accuracy": 0.5}
    assert again.find("estimate", "b") is None
    assert [line["kind"] for line in again.lines] == ["fit", "estimate", "fit"]


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_torn_last_line_is_dropped_wherever_it_was_torn(tmp_path, cut):
    journal = Journal(tmp_path)
    journal.write("fit", "a", weights="1")
    whole = journal.path.stat().st_size
    journal.write("fit", "b", weights="2")
    journal.close()
    journal.path.write_bytes(journal.path.read_bytes()[:-cut])

    with pytest.warns(UserWarning, match="torn"):
        again = Journal(tmp_path)
    assert again.find("fit", "a") is not None
    assert again.find("fit", "b") is None
    assert journal.path.stat().st_size == whole
    again.write("fit", "c", weights="3")
    again.close()
    assert [line["key"] for line in Journal(tmp_path).lines] == ["a", "c"]


def test_a_damaged_line_elsewhere_is_named(tmp_path):
    journal = Journal(tmp_path)
    for key in "abc":
        journal.write("estimate", key, metrics={"accuracy": 0.25})
    journal.close()
    lines = journal.path.read_text().splitlines(keepends=True)
    lines[1] = lines[1].replace("0.25", "0.26")
    journal.path.write_text("".join(lines))

    with pytest.raises(RunError, match=r"line 2 of .*journal\.jsonl is damaged"):
        Journal(tmp_path)


def test_every_line_is_json_with_a_checksum(tmp_path):
    journal = Journal(tmp_path)
    journal.write("clock", "", seconds=1.5)
    line = json.loads(journal.path.read_text())
    assert line.pop("checksum") == digest(line)[:16]


def _try_to_open(folder, answers):
    try:
        Journal(folder).close()
        answers.put("opened")
    except RunError as error:
        answers.put(str(error))


def test_a_second_process_is_refused_until_the_first_lets_go(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    answers = spawn.Queue()
    journal = Journal(tmp_path)
    for expected in ("another process is writing the run", "opened"):
        process = spawn.Process(target=_try_to_open, args=(tmp_path, answers))
        process.start()
        assert expected in answers.get(timeout=60)
        process.join()
        journal.close()


def test_an_atomic_file_is_whole_or_absent(tmp_path):
    path = tmp_path / "folder" / "result.json"

    def dies_half_way():
        with atomic(path) as temporary:
            temporary.write_text("half")
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        dies_half_way()
    assert list(path.parent.iterdir()) == []

    write_json(path, {"b": 1, "a": [0.1]})
    first = path.read_bytes()
    write_json(path, {"a": [0.1], "b": 1})
    assert path.read_bytes() == first
