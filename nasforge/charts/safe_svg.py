"""Whether the text of an SVG may become part of a page: shapes and text alone, as they are, and nothing else."""

from __future__ import annotations

import html
import re

_TAGS = {
    "svg", "g", "defs", "path", "text", "tspan", "use", "rect", "circle", "ellipse", "line", "polyline", "polygon",
    "clippath", "title",
}  # fmt: skip
_PAINT = {
    "fill", "fill-opacity", "fill-rule", "clip-rule", "stroke", "stroke-dasharray", "stroke-dashoffset",
    "stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "stroke-opacity", "stroke-width", "opacity", "clip-path",
    "font", "font-family", "font-size", "font-stretch", "font-style", "font-variant", "font-weight", "text-anchor",
    "text-align", "dominant-baseline", "letter-spacing",
}  # fmt: skip
"""What a `style` may set, and what may stand as an attribute of its own: how ink looks, not where it lies."""
_ATTRIBUTES = _PAINT | {
    "id", "d", "points", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry", "dx", "dy", "width",
    "height", "viewbox", "transform", "clippathunits", "style", "role", "aria-label", "preserveaspectratio",
    "version", "href", "xlink:href", "xmlns", "xmlns:xlink", "xml:space",
}  # fmt: skip
_FUNCTIONS = {"url", "rgb", "rgba", "hsl", "hsla", "matrix", "translate", "scale", "rotate", "skewx", "skewy"}
"""What a value may call; `url` within the picture alone. All in lower case."""
_TAG = re.compile(r"""<(/?)([\w:-]+)((?:\s+[\w:-]+\s*=\s*"[^"<>]*")*)\s*/?>""")
_ATTRIBUTE = re.compile(r'''([\w:-]+)\s*=\s*"([^"]*)"''')
_CALL = re.compile(r"([\w-]*)\(\s*(#?)")


def is_drawing(svg: str) -> bool:
    """Whether all that `svg` holds are tags and attributes known to draw, whose values stay within the picture.

    Args:
        svg: from its `<svg` on, without style sheets, metadata and comments.
    """
    return "<" not in _TAG.sub("", svg) and all(
        tag.lower() in _TAGS
        and all(_harmless(tag.lower(), name.lower(), html.unescape(value)) for name, value in _ATTRIBUTE.findall(rest))
        for _, tag, rest in _TAG.findall(svg)
    )


def _harmless(tag: str, name: str, value: str) -> bool:
    if name.startswith("xmlns"):  # taken out before the picture becomes part of a page
        return True
    if name not in _ATTRIBUTES or (tag == "svg" and name == "transform"):  # which would move the picture on the page
        return False
    if name.endswith("href"):
        return value.startswith("#")
    if name == "style" and any(one.partition(":")[0].strip().lower() not in _PAINT for one in _declarations(value)):
        return False
    return (
        not any(hiding in value for hiding in ("\\", "/*"))
        and all(function.lower() in _FUNCTIONS for function, _ in _CALL.findall(value))
        and all(inside for function, inside in _CALL.findall(value) if function.lower() == "url")
    )


def _declarations(style: str) -> list[str]:
    return [one for one in style.split(";") if one.strip()]
