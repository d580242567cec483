"""A picture as SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from bwctl.render.layout import HEIGHT, TEXT_HEIGHT, WIDTH, Dot, Ink, Line, Shape, Text


def svg(shapes: Sequence[Shape]) -> bytes:
    """The file, in ASCII."""
    return "\n".join([*_lines(shapes), ""]).encode("ascii", "xmlcharrefreplace")


def _lines(shapes: Sequence[Shape]) -> Iterator[str]:
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    yield f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="14">'
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{_colour(Ink.PAPER)}"/>'
    for shape in shapes:
        yield _element(shape)
    yield "</svg>"


def _element(shape: Shape) -> str:
    if isinstance(shape, Text):
        return _text(shape)
    if isinstance(shape, Dot):
        return f'<circle cx="{shape.x:g}" cy="{shape.y:g}" r="3" fill="{_colour(shape.ink)}"/>'
    return _line(shape)


def _line(line: Line) -> str:
    points = " ".join(f"{x:g},{y:g}" for x, y in line.points)
    stroke = f'stroke="{_colour(line.ink)}" stroke-width="{line.width}"'
    return f'<polyline points="{points}" fill="none" {stroke}/>'


def _text(text: Text) -> str:
    place = f'x="{text.x:g}" y="{text.y + TEXT_HEIGHT - 2:g}" text-anchor="{text.anchor}"'
    shown = "".join(one if one.isprintable() else "?" for one in text.text)
    return f'<text {place} fill="{_colour(text.ink)}">{escape(shown)}</text>'


def _colour(ink: Ink) -> str:
    return "#{:02x}{:02x}{:02x}".format(*ink.value)
