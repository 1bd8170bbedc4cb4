"""`report.html`: what a run found, how good it is, and how it got there, in one file that needs no network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from nasforge import charts
from nasforge.architecture import CellGraph
from nasforge.drawing import cell_svg
from nasforge.journal import atomic
from nasforge.svg import PALETTE, image, inline


def write_report(folder: Path, graphs: Sequence[CellGraph]) -> Path:
    """Write `folder/report.html` from what lies in the folder; parts that are not there are left out.

    Args:
        folder: a run's, with `result.json` at least.
        graphs: of the found architecture.
    """
    pages = Environment(loader=PackageLoader("nasforge", "."), autoescape=True, undefined=StrictUndefined)
    page = pages.get_template("report.html.jinja").render(_content(folder, graphs))
    path = folder / "report.html"
    with atomic(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _content(folder: Path, graphs: Sequence[CellGraph]) -> dict[str, Any]:
    result = _json(folder / "result.json")
    timing = _json(folder / "timing.json") or {"seconds": {}, "total": 0.0}
    evaluations = _json(folder / "evaluations.json") or []
    config = folder / "config.yaml"
    return {
        "result": result,
        "folder": folder,
        "palette": PALETTE,
        "cells": [_picture(cell_svg(graph), f"cell{i}", graph.title) for i, graph in enumerate(graphs)],
        "control": _control(result.get("control")),
        "fits": _fits(folder),
        "time": _picture(charts.time_bars(timing["seconds"]), "time", "where the time went")
        if timing["seconds"]
        else "",
        "total": timing["total"],
        "search_charts": _search_charts(result, evaluations),
        "best": _best(result, evaluations),
        "artifacts": [_artifact(folder, one) for one in _json(folder / "artifacts.json") or [] if one["caption"]],
        "config": config.read_text() if config.exists() else "",
        "environment": _json(folder / "environment.json") or {},
        "data": {key: _brief(value) for key, value in (_json(folder / "data.json") or {}).items()},
        "commands": [{**one, "command": one["command"].replace("RUN", str(folder))} for one in result.get("next", [])],
    }


def _control(control: Any) -> Markup | str:
    return _picture(charts.control_strip(control["found"], control["random"]), "control", "control") if control else ""


def _fits(folder: Path) -> list[dict[str, Any]]:
    """Curves of each fit; those of the search open, those of retraining folded."""
    found = []
    for number, file in enumerate(sorted((folder / "fits").rglob("history.json"))):
        metrics = _json(file)["metrics"]
        shares = {name: values for name, values in metrics.items() if name.endswith("accuracy")}
        others = {name: values for name, values in metrics.items() if name not in shares}
        pictures = [
            _picture(charts.curves(group, title, percent=percent), f"fit{number}{title}", f"{title} over epochs")
            for title, group, percent in (("accuracy", shares, True), ("loss", others, False))
            if group
        ]
        name = file.parent.relative_to(folder / "fits").as_posix()
        found.append({"name": name, "pictures": pictures, "open": not name.startswith("retrain/")})
    return sorted(found, key=lambda fit: not fit["open"])


def _search_charts(result: Any, evaluations: Any) -> list[Markup]:
    objectives = [one for one in result.get("objectives", []) if not one["report_only"]]
    if not evaluations or not objectives or not any(one["metrics"] for one in evaluations):
        return []
    first = objectives[0]
    pictures = [_picture(charts.best_so_far(evaluations, first), "best", "best so far")]
    if any("params_m" in one["metrics"] for one in evaluations) and first["metric"] != "params_m":
        drawn = charts.front(evaluations, first["metric"], first["direction"], "params_m")
        pictures.append(_picture(drawn, "front", "accuracy and size of the candidates"))
    return pictures


def _best(result: Any, evaluations: Any) -> list[Any]:
    """The ten best distinct candidates by the first objective."""
    objectives = [one for one in result.get("objectives", []) if not one["report_only"]]
    usable = {one["notation"]: one for one in evaluations if one["status"] == "ok"}
    if not objectives or not usable:
        return []
    sign = -1 if objectives[0]["direction"] == "max" else 1
    return sorted(usable.values(), key=lambda one: sign * one["metrics"][objectives[0]["metric"]])[:10]


def _artifact(folder: Path, artifact: dict[str, str]) -> dict[str, Any]:
    path = folder / artifact["file"]
    if path.suffix == ".svg":
        return {"caption": artifact["caption"], "picture": _picture(path.read_text(), path.stem, artifact["caption"])}
    return {
        "caption": artifact["caption"],
        "picture": Markup(image(path.read_bytes(), "image/png", artifact["caption"])),
    }


def _picture(svg: str, name: str, caption: str) -> Markup:
    """Safe to put in as it is: `inline` lets shapes and text alone pass."""
    return Markup(inline(svg, name.replace(" ", "-"), caption))


def _brief(value: Any) -> str:
    """A fact in one line; long lists by their length."""
    if isinstance(value, list):
        return f"{len(value)} in data.json" if len(value) > 20 else ", ".join(str(item) for item in value)
    return str(value)


def _json(path: Path) -> Any:
    return json.loads(path.read_text()) if path.exists() else None
