"""Reproducible SVG text in one palette for light and dark pages, and safe ways to inline pictures."""

from __future__ import annotations

import base64
import io
import re
from typing import TYPE_CHECKING

from nasforge.charts.safe_svg import is_drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Pictures are drawn in the light colors; a page replaces each by `var(--name)`, which has a dark variant.
PALETTE = {
    "paper": ("#fffffe", "#171b21"),
    "ink": ("#1c2530", "#e8ecf1"),
    "muted": ("#5d6877", "#9ba7b6"),
    "line": ("#dde2e9", "#333b46"),
    "node": ("#eef1f6", "#2a323d"),
    "node-line": ("#8d99a9", "#6d7988"),
    "found": ("#c2255d", "#ff7aa5"),
    "random": ("#8796ab", "#7f8da0"),
    "sep": ("#2563c9", "#6ea8ff"),
    "sep-soft": ("#e3edfd", "#1b2d4d"),
    "dil": ("#7a3fc2", "#b892f2"),
    "dil-soft": ("#efe6fb", "#32234d"),
    "pool": ("#a55400", "#f0a34a"),
    "pool-soft": ("#fdeed9", "#43300f"),
    "skip": ("#277544", "#6cc58b"),
    "skip-soft": ("#e2f4e8", "#18361f"),
    "other": ("#0d737a", "#4fc4cc"),
    "other-soft": ("#dcf3f4", "#113638"),
    "none": ("#66717f", "#8f9aa8"),
    "none-soft": ("#f4f6f8", "#232a33"),
}
LIGHT = {name: light for name, (light, _) in PALETTE.items()}

_FONTS = ["DejaVu Sans", "Verdana", "Arial", "sans-serif"]


def svg_of(figure: Figure) -> str:
    """The figure as SVG, with text as text; equal figures give equal bytes (no date, no random ids)."""
    import matplotlib

    buffer = io.StringIO()
    settings = {"svg.hashsalt": "nasforge", "svg.fonttype": "none", "font.sans-serif": _FONTS}
    with matplotlib.rc_context(settings):  # type: ignore[arg-type]  # its keys are a Literal in the newest stubs only
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return buffer.getvalue()


def inline(svg: str, name: str, caption: str, *, scale: float = 1.0) -> str:
    """The SVG as HTML for a page, with unique ids, colors from the page's variables, and a caption for screen readers.

    If it holds anything but shapes and text (`is_drawing`), it becomes an image, which runs no script and loads nothing
    from outside.

    Args:
        svg: the text of an SVG file.
        name: prefix of the ids; different for each picture of a page.
        caption: a description for screen readers.
        scale: factor by which it is enlarged.
    """
    body = re.sub(r"<style.*?</style>|<metadata.*?</metadata>|<!--.*?-->", "", svg[svg.find("<svg") :], flags=re.S)
    if not is_drawing(body):
        return image(svg.encode(), "image/svg+xml", caption)
    name = re.sub(r"[^\w-]", "-", name)
    body = re.sub(r' xmlns(:\w+)?="[^"]*"', "", body)
    body = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", body)
    for color, light in LIGHT.items():
        body = body.replace(light, f"var(--{color})")
    head = re.match(r'<svg.*?viewBox="[\d.-]+ [\d.-]+ ([\d.]+) [\d.]+".*?>', body, re.S)
    if head:
        box = re.search(r'viewBox="[^"]*"', head[0])
        size = f'{box[0] if box else ""} width="{scale * float(head[1]):g}"'
        body = f'<svg {size} role="img" aria-label="{_quoted(caption)}">' + body[head.end() :]
    return body


def image(content: bytes, kind: str, caption: str) -> str:
    """An `<img>` tag with the image's bytes inside."""
    return f'<img src="data:{kind};base64,{base64.b64encode(content).decode()}" alt="{_quoted(caption)}">'


def _quoted(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
