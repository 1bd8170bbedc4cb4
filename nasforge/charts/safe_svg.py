"""Check that an SVG holds only shapes and text, so that it can be inlined in a page."""

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
"""Properties allowed in `style` and as attributes: they change the look of ink, not its position."""
_ATTRIBUTES = _PAINT | {
    "id", "d", "points", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry", "dx", "dy", "width",
    "height", "viewbox", "transform", "clippathunits", "style", "role", "aria-label", "preserveaspectratio",
    "version", "href", "xlink:href", "xmlns", "xmlns:xlink", "xml:space",
}  # fmt: skip
_FUNCTIONS = {"url", "rgb", "rgba", "hsl", "hsla", "matrix", "translate", "scale", "rotate", "skewx", "skewy"}
"""Functions allowed in a value, in lower case; `url` only within the picture."""
_TAG = re.compile(r"""<(/?)([\w:-]+)((?:\s+[\w:-]+\s*=\s*"[^"<>]*")*)\s*/?>""")
_ATTRIBUTE = re.compile(r'''([\w:-]+)\s*=\s*"([^"]*)"''')
_CALL = re.compile(r"([\w-]*)\(\s*(#?)")


def is_drawing(svg: str) -> bool:
    """Whether `svg` holds only known drawing tags and attributes, with values that refer to nothing outside.

    Args:
        svg: the text from `<svg` on, without style sheets, metadata and comments.
    """
    return "<" not in _TAG.sub("", svg) and all(
        tag.lower() in _TAGS
        and all(_harmless(tag.lower(), name.lower(), html.unescape(value)) for name, value in _ATTRIBUTE.findall(rest))
        for _, tag, rest in _TAG.findall(svg)
    )


def _harmless(tag: str, name: str, value: str) -> bool:
    if name.startswith("xmlns"):  # removed before the picture is inlined
        return True
    if name not in _ATTRIBUTES or (tag == "svg" and name == "transform"):  # it would move the picture on the page
        return False
    if name.endswith("href"):
        return value.startswith("#")
    if name == "style" and any(
        declaration.partition(":")[0].strip().lower() not in _PAINT for declaration in _declarations(value)
    ):
        return False
    return (
        not any(hiding in value for hiding in ("\\", "/*"))
        and all(function.lower() in _FUNCTIONS for function, _ in _CALL.findall(value))
        and all(inside for function, inside in _CALL.findall(value) if function.lower() == "url")
    )


def _declarations(style: str) -> list[str]:
    return [declaration for declaration in style.split(";") if declaration.strip()]
