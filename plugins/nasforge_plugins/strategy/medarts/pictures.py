"""The charts and notes of an ME-DARTS run: the family tree, and the mixing weights of the final lineage."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from nasforge import Run, Supernet, WeightSharing, mix_over_time
from nasforge_plugins.shared.family_tree import Relative, family_tree
from nasforge_plugins.strategy.medarts.population import TrainedMember
from nasforge_plugins.strategy.medarts.stages import Stage


@dataclass(frozen=True)
class Trace:
    """The content of a search's charts and notes.

    Attributes:
        members: every member of every stage.
        best: the final member.
        supernet: the supernet of `best`.
        scale: the factor by which all images were scaled.
        controlled: whether its weights fit full-size images, on which the control scores.
    """

    members: Sequence[TrainedMember]
    best: TrainedMember
    supernet: Supernet
    scale: float
    controlled: bool


def keep_family(run: Run[WeightSharing], trace: Trace) -> None:
    """Keep `members.json`, a file with the architecture of each member, and the family tree."""
    relatives = [
        Relative(member.name, member.stage, member.params_m, member.accuracy, member.parents)
        for member in trace.members
    ]
    files = [f"members/{member.name.replace('/', '-')}.json" for member in trace.members]
    listed = [{**vars(relative), "architecture": file} for relative, file in zip(relatives, files, strict=True)]
    run.keep("members.json", json.dumps(listed, indent=1, default=list))
    for member, file in zip(trace.members, files, strict=True):
        run.keep(file, json.dumps(member.architecture.to_json(), indent=1))
    crossed = any(len(member.parents) > 1 for member in trace.members)
    run.keep(
        "family.svg",
        family_tree(relatives, found=trace.best.name, x="parameters of the derived network, millions"),
        "The population stage by stage; lines lead from parents to children"
        + (", and a member with two lines was crossed from both" if crossed else ""),
    )


def name_members(run: Run[WeightSharing], trace: Trace) -> None:
    """Name each member for `nasforge retrain`. Those that passed on the final one's normal cell stand for their stages.

    So g'_init and g'_mid of section IV.D.1 are `stage=init` and `stage=mid`.
    """
    for ancestor in next(iter(lineages(trace.best, trace.members).values())):
        run.name_architecture("stage", ancestor.stage, ancestor.architecture)
    for member in trace.members:
        run.name_architecture("member", member.name, member.architecture)


def keep_mix(run: Run[WeightSharing], trace: Trace) -> None:
    """Keep a heatmap of the mixing weights for each cell type of the final member, through all stages."""
    lines = lineages(trace.best, trace.members)
    for cell, svg in mix_over_time(trace.best.trace, run.space.mix_labels).items():
        through = ", ".join(
            f"{member.name} ({member.epochs} epoch{'' if member.epochs == 1 else 's'})" for member in lines[cell]
        )
        run.keep(f"mix_{cell}.svg", svg, f"Mixing weights over time: {cell}, through all stages: {through}")


def lineages(member: TrainedMember, members: Sequence[TrainedMember]) -> dict[str, list[TrainedMember]]:
    """By cell type, the members that passed on its alphas, from the first stage to `member` itself."""
    by_name = {other.name: other for other in members}
    lines = {}
    for place, cell in enumerate(member.alphas):
        line = [member]
        while parents := line[0].parents:
            line.insert(0, by_name[parents[0 if place == 0 else -1]])
        lines[cell] = line
    return lines


def unequal_training(members: Sequence[TrainedMember], stages: Sequence[Stage]) -> list[str]:
    """A note for each stage in which `budget.seconds` ended fits early, so that members trained unequally."""
    notes = []
    for stage in stages:
        epochs = [member.epochs for member in members if member.stage == stage.name]
        if min(epochs) < stage.epochs:
            listed = ", ".join(map(str, epochs))
            notes.append(
                f"out of time in stage '{stage.name}': its members trained for {listed} of {stage.epochs} epochs"
            )
    return notes


def approximations(space: WeightSharing, trace: Trace, stages: Sequence[Stage]) -> list[str]:
    """Notes on supernets that cannot grow, and on images of lower resolution."""
    notes = []
    if len(stages) > 1 and "cells" not in trace.supernet.options:
        notes.append(f"supernets of space '{space.name}' have a fixed depth, so they did not grow from stage to stage")
    if trace.scale != 1.0:
        at_full_size = "scores them on full-size images"
        control = at_full_size if trace.controlled else "is omitted, because full-size images need a different stem"
        notes.append(f"the supernets were trained on images scaled by {trace.scale:g}; the control {control}")
    return notes
