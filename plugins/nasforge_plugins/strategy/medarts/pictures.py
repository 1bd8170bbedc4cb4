"""What an ME-DARTS run shows: its family, the alphas of the final member and its ancestors, and what to warn of."""

from __future__ import annotations

import json
from collections.abc import Sequence

from nasforge import Relative, Run, WeightSharing, family_tree, mix_over_time
from nasforge_plugins.strategy.medarts.crossover import lineages
from nasforge_plugins.strategy.medarts.members import Member
from nasforge_plugins.strategy.medarts.stages import Stage


def keep_pictures(run: Run, space: WeightSharing, everyone: Sequence[Member], best: Member) -> None:
    """`members.json`, a file with each one's architecture, the family, and a heat map for each cell type of `best`."""
    relatives = [
        Relative(one.name, one.name.split("/")[0], one.params_m, one.accuracy, one.parents) for one in everyone
    ]
    files = [f"members/{one.name.replace('/', '-')}.json" for one in everyone]
    listed = [{**vars(one), "architecture": file} for one, file in zip(relatives, files, strict=True)]
    run.keep("members.json", json.dumps(listed, indent=1, default=list))
    for one, file in zip(everyone, files, strict=True):
        assert one.architecture is not None  # everyone here has been trained
        run.keep(file, json.dumps(one.architecture.to_json(), indent=1))
    crossed = "; two arrows into one: it was crossed from both" if any(len(one.parents) > 1 for one in everyone) else ""
    run.keep(
        "family.svg",
        family_tree(relatives, found=best.name, x="parameters of the derived network, millions"),
        f"The population stage by stage, and who descends from whom{crossed}",
    )
    lines = lineages(best, everyone)
    for cell, svg in mix_over_time(best.trace, space.mix_labels).items():
        through = ", ".join(_with_epochs(line, cell) for line in zip([None, *lines[cell]], lines[cell], strict=False))
        run.keep(
            f"mix_{cell}.svg", svg, f"How the mixing weights of the {cell} cell moved, through all stages: {through}"
        )


def _with_epochs(pair: tuple[Member | None, Member], cell: str) -> str:
    before, member = pair
    epochs = len(member.trace[cell]) - (1 if before is None else len(before.trace[cell]))
    return f"{member.name} ({epochs} epoch{'' if epochs == 1 else 's'})"


def note_unequal(run: Run, stage: Stage, epochs: Sequence[int]) -> None:
    """Where the budget of seconds cut fits short, members were compared that had not learned alike."""
    if min(epochs) < stage.epochs:
        told = ", ".join(map(str, epochs))
        run.notes.append(f"out of time in stage '{stage.name}': its members had {told} of {stage.epochs} epochs")
