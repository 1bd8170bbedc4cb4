"""A chart of a population over its stages: size, accuracy and parents of each member."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nasforge import LIGHT, SERIES, WIDE, axes_of, in_percent, legend, svg_of


@dataclass(frozen=True)
class Relative:
    """One member of a population.

    Attributes:
        name: unique, `stage/number`; the chart shows it without the stage.
        stage: determines the color; stages are in order of appearance.
        x: the position on the horizontal axis, such as the size.
        accuracy: a fraction in [0, 1].
        parents: names of members of earlier stages.
    """

    name: str
    stage: str
    x: float
    accuracy: float
    parents: tuple[str, ...] = ()


def family_tree(members: Sequence[Relative], *, found: str, x: str, y: str = "accuracy of the supernet") -> str:
    """All members in one plane, lines from parents to children, as SVG.

    Args:
        found: name of the member that the search ended with.
        x, y: labels of the axes.
    """
    figure, axes = axes_of((WIDE[0], 400.0), x, y)
    by_name = {member.name: member for member in members}
    arrow = {"arrowstyle": "->", "color": LIGHT["node-line"], "linewidth": 1.1, "shrinkA": 6, "shrinkB": 7}
    for member in members:
        for parent in (by_name[name] for name in member.parents):
            axes.annotate(
                "",
                (member.x, member.accuracy),
                (parent.x, parent.accuracy),
                arrowprops=arrow,
            )
    with_heirs = {name for member in members for name in member.parents} | {found}
    for place, stage in enumerate(dict.fromkeys(member.stage for member in members)):
        color = LIGHT[SERIES[place % len(SERIES)]]
        own = [member for member in members if member.stage == stage]
        fills = [color if member.name in with_heirs else LIGHT["paper"] for member in own]
        xs, ys = [member.x for member in own], [member.accuracy for member in own]
        axes.scatter([], [], s=62, color=color, label=stage)
        axes.scatter(xs, ys, s=62, c=fills, edgecolors=color, linewidths=1.6, zorder=3)
        for member in own:
            label = member.name.removeprefix(f"{stage}/")
            axes.annotate(
                f"{label}: found" if member.name == found else label,
                (member.x, member.accuracy),
                (7, 5),
                textcoords="offset points",
                color=LIGHT["found"] if member.name == found else LIGHT["ink"],
                fontsize=10.5,
                parse_math=False,
            )
    axes.scatter([], [], s=62, facecolors=LIGHT["paper"], edgecolors=LIGHT["muted"], label="left behind")
    axes.margins(0.08)
    in_percent(axes.yaxis, "accuracy")
    legend(axes)
    return svg_of(figure)
