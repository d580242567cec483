"""A picture as PNG, drawn dot by dot: no other library is needed. Source: RFC 2083."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from math import floor

from bwctl.render.font import dots
from bwctl.render.layout import HEIGHT, TEXT_WIDTH, WIDTH, Dot, Ink, Line, Shape, Text

_MAGIC = b"\x89PNG\r\n\x1a\n"
_INKS = list(Ink)  # by their place in the palette; the paper is the first
_SCALE = 2  # pixels of the picture for one dot of the font


def png(shapes: Sequence[Shape]) -> bytes:
    """The file: 8 bits for each pixel, an index into the palette."""
    canvas = Canvas()
    for shape in shapes:
        canvas.draw(shape)
    header = struct.pack("!2I5B", WIDTH, HEIGHT, 8, 3, 0, 0, 0)
    palette = b"".join(bytes(ink.value) for ink in _INKS)
    rows = b"".join(b"\0" + row for row in canvas.rows)  # 0: no filter
    chunks = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(rows, 9)))
    return _MAGIC + b"".join(_chunk(*one) for one in (*chunks, (b"IEND", b"")))


def _chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(name + content)
    return struct.pack("!I", len(content)) + name + content + struct.pack("!I", check)


class Canvas:
    """Pixels, each the index of an ink; what is drawn beside them is lost."""

    def __init__(self) -> None:
        self.rows = [bytearray(WIDTH) for _ in range(HEIGHT)]

    def draw(self, shape: Shape) -> None:
        """Any shape."""
        if isinstance(shape, Text):
            self.text(shape)
        elif isinstance(shape, Dot):
            self.square(shape.x, shape.y, 7, shape.ink)
        else:
            self.line(shape)

    def square(self, x: float, y: float, size: int, ink: Ink) -> None:
        """A square with its middle at a place."""
        # a little more, as 80.99999999999999 is 81
        left, top = (floor(middle - size / 2 + 0.5001) for middle in (x, y))
        first, last = max(0, left), min(WIDTH, left + size)
        for row in self.rows[max(0, top) : max(0, top + size)]:
            row[first:last] = bytes([_INKS.index(ink)]) * max(0, last - first)

    def line(self, line: Line) -> None:
        """Squares from point to point, one for each pixel of the longer way."""
        for (x, y), (to_x, to_y) in zip(line.points, line.points[1:], strict=False):
            steps = max(1, round(max(abs(to_x - x), abs(to_y - y))))
            for step in range(steps + 1):
                part = step / steps
                self.square(x + (to_x - x) * part, y + (to_y - y) * part, line.width, line.ink)

    def text(self, text: Text) -> None:
        """A text in the dots of the font."""
        width = len(text.text) * TEXT_WIDTH
        left = text.x - {"start": 0.0, "middle": width / 2, "end": float(width)}[text.anchor]
        for x, y in dots(text.text):
            self.square(left + x * _SCALE + 1, text.y + y * _SCALE + 1, _SCALE, text.ink)
