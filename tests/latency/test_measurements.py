"""Networks are timed in fair turns, and a file of latencies says when something is wrong with it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nasforge import DataError, Measurements, Network, OptionError, build, measured_promise
from nasforge.latency import stopwatch
from nasforge.latency.measurements import parameters_of, this_machine
from nasforge.latency.runtimes import RUNTIMES
from nasforge.latency.stopwatch import TIMED, UNTIMED, Conditions, check_device, measured_rounds, networks_of
from nasforge.randomness import rng_of

CONDITIONS = Conditions(input_shape=(3, 8, 8), samples=5, rounds=4)


@pytest.fixture(scope="module")
def space():
    return build("space", {"name": "nasbench201"})


@pytest.fixture(scope="module")
def begun(space):
    architectures = [space.sample(rng_of("cells", number)) for number in range(5)]
    parameters = [parameters_of(network) for network in networks_of(space, architectures, CONDITIONS)]
    return Measurements({"name": "nasbench201"}, CONDITIONS, this_machine("cpu"), architectures, parameters)


@pytest.fixture
def measured(begun, tmp_path):
    """A file with four rounds of made-up latencies."""
    for number in range(4):
        begun = begun.with_round([1.0 + number / 10, 2.0, 3.0, 4.0, 5.0 + number])
    begun.write(tmp_path / "times.json")
    return Measurements.read(tmp_path / "times.json")


# Timing


def test_onnx_runtime_computes_what_the_network_computes_and_is_named():
    pytest.importorskip("onnxruntime", reason="ONNX NOT CHECKED: pip install 'nasforge[onnx]'")
    pytest.importorskip("onnxscript", reason="ONNX NOT CHECKED: pip install 'nasforge[onnx]'")
    network, images = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.Flatten()).eval(), torch.rand(1, 3, 4, 4)
    (logits,) = RUNTIMES["onnxruntime"].prepare(network, images, 1)()
    np.testing.assert_allclose(logits, network(images).detach(), rtol=1e-4, atol=1e-6)
    conditions = Conditions(runtime="onnxruntime", clock="processor", input_shape=(3, 4, 4))
    assert str(conditions) == "cpu, 1 thread, processor time, ONNX Runtime, 1 image"
    assert {"onnxruntime", "torch"} <= this_machine("cpu", conditions.runtime).keys()
    assert all(time > 0 for (time,) in measured_rounds([network], conditions, range(2)))
    with pytest.raises(OptionError, match="runtime=onnxruntime measures on the CPU"):
        Conditions(runtime="onnxruntime", device="cuda")


class Recorder(Network):
    """Remembers, in a list that several share, that it was asked."""

    def __init__(self, name, visits):
        super().__init__()
        self.name, self.visits = name, visits

    def forward(self, images):
        assert torch.get_num_threads() == 2
        self.visits.append((self.name, tuple(images.shape)))
        return images.flatten(1)


def orders(seed):
    """The order of visits in three rounds over four networks."""
    visits = []
    networks = [Recorder(name, visits) for name in "abcd"]
    rounds = list(measured_rounds(networks, Conditions(seed=seed, threads=2, batch_size=3), range(3)))
    assert np.array(rounds).shape == (3, 4)
    assert np.array(rounds).min() > 0
    assert {shape for _, shape in visits} == {(3, 3, 32, 32)}
    passes, names = UNTIMED + TIMED, [name for name, _ in visits[4:]]  # the first four warm up
    assert all(len(set(names[at : at + passes])) == 1 for at in range(0, len(names), passes))
    return ["".join(names[start : start + 4 * passes : passes]) for start in range(0, len(names), 4 * passes)]


def test_each_round_visits_all_networks_in_an_order_of_the_seed():
    assert [sorted(order) for order in orders(0)] == [["a", "b", "c", "d"]] * 3
    assert len(set(orders(0))) > 1
    assert orders(0) == orders(0) != orders(1)


@pytest.mark.parametrize("clock", stopwatch.CLOCKS)
def test_a_time_is_the_median_in_milliseconds_of_the_passes_that_count(clock, monkeypatch):
    now = 0.0

    class Lasting(Network):
        """Takes so many seconds in each pass, by a clock that nothing else moves."""

        def __init__(self, *seconds):
            super().__init__()
            self.left = list(seconds)

        def forward(self, images):
            nonlocal now
            now += self.left.pop(0)
            return images.flatten(1)

    monkeypatch.setitem(stopwatch.CLOCKS, clock, lambda: now)
    warming = [9.0, 8.0]  # the pass before all rounds, and the first one of a visit
    networks = [Lasting(*warming, 0.5, 0.125, 0.25), Lasting(*warming, 2.0, 1.0, 4.0)]
    assert list(measured_rounds(networks, Conditions(clock=clock), range(1))) == [[250.0, 2000.0]]
    assert not networks[0].left
    assert not networks[1].left


def test_processor_time_is_that_of_one_thread():
    with pytest.raises(OptionError, match=r"clock=processor .* needs device=cpu and threads=1"):
        Conditions(clock="processor", threads=2)


def test_a_missing_gpu_is_named():
    with pytest.raises(OptionError, match=r"device=cuda:99: torch can use (no GPU|\d+ GPUs?) of this machine"):
        check_device("cuda:99")


# Files


def test_a_file_holds_what_was_measured(measured, begun):
    assert measured.complete
    assert measured.latencies == pytest.approx([1.15, 2, 3, 4, 6.5])
    assert measured.spread == pytest.approx([0.15 / 1.15, 0, 0, 0, 1.5 / 6.5])
    assert measured.reliability == pytest.approx(1)
    assert (measured.architectures, measured.conditions) == (begun.architectures, begun.conditions)
    assert measured.fingerprint == replace(measured, path=None).fingerprint != begun.fingerprint


def test_a_changed_byte_is_noticed(measured):
    measured.path.write_text(measured.path.read_text().replace("2.0", "2.5", 1))
    with pytest.raises(DataError, match=r"times.json was altered: its checksum differs; restore it"):
        Measurements.read(measured.path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"checksum": 1', '{"checksum": "", "nasforge_latency": 2}'])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError, match=r"a.json (is not a file of|has the format 2)"):
        Measurements.read(tmp_path / "a.json")


def test_a_missing_file_is_named():
    with pytest.raises(DataError, match=r"there is no file nowhere\.json; `nasforge measure-latency` writes one"):
        Measurements.read(Path("nowhere.json"))


def test_an_unfinished_file_is_refused(measured, space):
    with pytest.raises(DataError, match=r"holds 3 of 4 rounds.*the same `nasforge measure-latency` continues it"):
        replace(measured, rounds=measured.rounds[:3]).check(space)


def test_networks_of_another_space_are_refused(measured, space):
    measured.check(space)
    with pytest.raises(DataError, match=r"of space 'nasbench201', but the run's space is 'darts': measure with"):
        measured.check(build("space", {"name": "darts"}))
    wider = build("space", {"name": "nasbench201", "channels": 32})
    with pytest.raises(DataError, match="measured with other options of space 'nasbench201' than the run's"):
        replace(measured, parameters=[number + 1 for number in measured.parameters]).check(wider)


# Promises


def promise(measured, space):
    return measured_promise(
        measured, space, measured.architectures[0], metric="latency_ms", predicted=1.5, references=[1, 2]
    )


def test_a_promise_is_measured_where_it_was_made(measured, space):
    kept = promise(measured, space)
    low, high = kept.middle_half
    assert 0 < low <= kept.measured <= high
    assert kept.slower > 0
    assert kept.sentence.startswith("latency 1.5 ms was predicted, ")
    assert f" known networks took {kept.slower:.2f} times as long" in kept.sentence


def test_another_device_keeps_no_promise(measured, space):
    elsewhere = promise(replace(measured, machine={**measured.machine, "device": "a phone"}), space)
    assert elsewhere.measured is None
    assert elsewhere.sentence == (
        f"latency 1.5 ms was predicted and not measured: this machine has {measured.device}, and the prediction is "
        "about a phone"
    )
