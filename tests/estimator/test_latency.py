"""Published latencies: the device that was asked for, by its published numbers, and beside a table of accuracies."""

import numpy as np
import pytest

from nasforge import Column, Context, DataError, Objective, OptionError, Table, UnknownNameError
from nasforge.config.configuration import compose
from nasforge.data import NoData
from nasforge.registry.entry_points import build
from nasforge.run.goals import composed
from nasforge.testing import EstimatorContract
from nasforge_plugins.estimator.latency import Latency

FIRST = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
README = {"raspi4": 10.481976820010459, "pixel3": 3.60585, "eyeriss": 3.645620000000001, "fpga": 2.57296}


@pytest.fixture
def shared(shared_data, monkeypatch):
    monkeypatch.setenv("NASFORGE_DATA", str(shared_data("hwnasbench201.npz").parent))


def metrics_of_the_first(estimator):
    space = build("space", {"name": "nasbench201"})
    context = Context(space, NoData(), "cpu", 1, seed=0)
    return estimator.estimate(space.read(FIRST), context).metrics


# The shared table


@pytest.mark.usefixtures("shared")
class TestLatency(EstimatorContract):
    @pytest.fixture(params=["1080ti_1", ["pixel2", "silver_4114"]], ids=["one", "several"])
    def estimator(self, request):
        return build("estimator", {"name": "latency", "device": request.param})

    @pytest.fixture
    def space(self):
        return build("space", {"name": "nasbench201"})


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("device", README)
def test_latencies_are_those_of_hw_nas_benchs_readme(device):
    estimator = Latency(device=device)
    assert estimator.objectives == (Objective("latency_ms", "min"),)
    assert metrics_of_the_first(estimator) == pytest.approx({"latency_ms": README[device]}, rel=1e-15)


@pytest.mark.usefixtures("shared")
def test_several_devices_give_a_metric_each():
    estimator = Latency(device=("raspi4", "fpga"))
    assert [objective.metric for objective in estimator.objectives] == ["latency_ms_raspi4", "latency_ms_fpga"]
    expected = {"latency_ms_raspi4": README["raspi4"], "latency_ms_fpga": README["fpga"]}
    assert metrics_of_the_first(estimator) == pytest.approx(expected, rel=1e-15)
    assert estimator.dataset == "raspi4, fpga"


@pytest.mark.usefixtures("shared")
def test_it_stands_beside_a_table_of_accuracies():
    parts = [build("estimator", {"name": name}) for name in ("tabular", "latency")]
    assert [objective.metric for objective in composed(parts)][-1] == "latency_ms"
    assert len({objective.metric for objective in composed(parts)}) == 6


@pytest.mark.usefixtures("shared")
def test_an_unknown_device_is_answered_with_all_that_there_are():
    with pytest.raises(
        UnknownNameError, match=r"named 'raspi'. Did you mean 'raspi4'\? Available: 1080ti_1, "
    ) as caught:
        Latency(device="raspi")
    assert str(caught.value).count(", ") == 26


# Mistakes


@pytest.fixture
def path(tmp_path):
    values = {Column("phone", "latency_ms", "min"): np.ones(4), Column("phone", "energy_mj", "min"): np.ones(4)}
    Table.of("stairs", (2, 2), values, source="").write(tmp_path / "times.safetensors")
    return str(tmp_path / "times.safetensors")


def test_only_latencies_are_devices(path):
    assert [objective.metric for objective in Latency(path=path, device="phone").objectives] == ["latency_ms"]
    with pytest.raises(UnknownNameError, match=r"no device in .* named 'raspi4'. Available: phone"):
        Latency(path=path)


def test_no_device_at_all_is_refused(path):
    with pytest.raises(OptionError, match=r"estimator.latency.device=\[\]: it must name a device"):
        Latency(path=path, device=())


def test_a_table_without_latencies_is_refused(tmp_path):
    Table.of("stairs", (2, 2), {Column("digits", "accuracy", "max"): np.ones(4)}, source="").write(
        tmp_path / "a.safetensors"
    )
    with pytest.raises(DataError, match="holds no latencies: it has digits/accuracy"):
        Latency(path=str(tmp_path / "a.safetensors"))


def test_devices_are_given_as_words():
    assert (
        compose(["estimator=latency", "estimator.latency.device=fpga"]).config["estimator"]["latency"]["device"]
        == "fpga"
    )
    several = compose(["estimator=latency", "estimator.latency.device=[fpga,pixel3]"]).config["estimator"]["latency"]
    assert several["device"] == ["fpga", "pixel3"]
