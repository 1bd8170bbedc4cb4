"""A small release of NAS-Bench-201, as its official code writes it: dictionaries of numbers, pickled."""

import bz2
import pickle
from collections import OrderedDict

import numpy as np
import torch

RESNET = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
DEEP = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"
POOLS = "|avg_pool_3x3~0|+|avg_pool_3x3~0|avg_pool_3x3~1|+|avg_pool_3x3~0|avg_pool_3x3~1|avg_pool_3x3~2|"
CELLS = (RESNET, DEEP, POOLS)
SCORED = {
    "cifar10-valid": ("x-valid", "ori-test"),
    "cifar10": ("ori-test",),
    "cifar100": ("x-valid", "x-test", "ori-test"),
    "ImageNet16-120": ("x-valid", "x-test", "ori-test"),
}
SEEDS = {"12": (111, 777), "200": (777, 888, 999)}


def trial(rng, string, name, seed, epochs):
    """One training, with the fields of `ResultsCount.state_dict()`; sizes are numpy's, as those of the releases are."""
    scores = {f"{scored}@{epoch}": 100 * rng.random() for scored in SCORED[name] for epoch in range(epochs)}
    return {
        "name": name,
        "net_state_dict": None,
        "train_acc1es": {epoch: 100 * rng.random() for epoch in range(epochs)},
        "train_acc5es": {epoch: 100 * rng.random() for epoch in range(epochs)},
        "train_losses": {epoch: rng.random() for epoch in range(epochs)},
        "train_times": OrderedDict((epoch, 10 * rng.random()) for epoch in range(epochs)),
        "arch_config": {"channel": 16, "num_cells": 5, "arch_str": string, "class_num": 10},
        "params": np.float64(len(string) / 100),
        "flop": np.float64(len(string) / 2),
        "seed": str(seed),  # the official code leaves it a text
        "epochs": epochs,
        "latency": [0.01 + 0.01 * rng.random(), 0.02],
        "eval_names": list(SCORED[name]),
        "eval_acc1es": scores,
        "eval_times": {key: rng.random() for key in scores},
        "eval_losses": {key: rng.random() for key in scores},
    }


def trials(rng, index, string, epochs):
    """All trainings of one cell, with the fields of `ArchResults.state_dict()`."""
    seeds = SEEDS[epochs]
    return {
        "arch_index": index,
        "arch_str": string,
        "all_results": {(name, seed): trial(rng, string, name, seed, int(epochs)) for name in SCORED for seed in seeds},
        "dataset_seed": {name: list(seeds) for name in SCORED},
        "clear_net_done": True,
    }


def write_bz2(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    with bz2.open(path, "wb") as file:
        pickle.dump(content, file, protocol=4)


def release():
    """Results by index, then by epochs."""
    rng = np.random.default_rng(0)
    return {
        index: OrderedDict((epochs, trials(rng, index, string, epochs)) for epochs in SEEDS)
        for index, string in enumerate(CELLS)
    }


def as_folder(folder, content):
    """NATS-Bench's folder of one file a cell."""
    path = folder / "NATS-tss-v1_0-3ffb9-simple"
    write_bz2(path / "meta.pickle.pbz2", {"meta_archs": list(CELLS), "arch2infos": None, "evaluated_indexes": set()})
    for index, of_one in content.items():
        write_bz2(path / f"{index:06d}.pickle.pbz2", of_one)
    return path


def as_file(folder, content):
    """NATS-Bench's single file."""
    path = folder / "NATS-tss-v1_0-3ffb9.pickle.pbz2"
    write_bz2(path, {"meta_archs": list(CELLS), "arch2infos": content, "evaluated_indexes": set(content)})
    return path


def as_pth(folder, content, zipped=True):
    """NAS-Bench-201's file."""
    path = folder / "NAS-Bench-201-v1_1-096897.pth"
    torch.save(as_dictionary(content), path, _use_new_zipfile_serialization=zipped)
    return path


def as_old_pth(folder, content):
    """The same as torch wrote it when NAS-Bench-201 was released."""
    return as_pth(folder, content, zipped=False)


def as_dictionary(content):
    """What NAS-Bench-201's file holds."""
    named = {index: {"full": of_one["200"], "less": of_one["12"]} for index, of_one in content.items()}
    indices = set(content)
    return {"meta_archs": list(CELLS), "total_archs": 3, "arch2infos": named, "evaluated_indexes": indices}


FORMS = (as_folder, as_file, as_pth, as_old_pth)
