"""Reading of PNG files, as far as RFC 2083 has it for what is written here, and checks of SVG."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from dataclasses import dataclass
from xml.etree import ElementTree

_SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class Picture:
    """Width, height, and each row of pixels as indices into the palette."""

    width: int
    height: int
    palette: list[tuple[int, int, int]]
    rows: list[bytes]

    def colours(self) -> Counter[tuple[int, int, int]]:
        """How many pixels each colour has."""
        counted = Counter(b"".join(self.rows))
        return Counter({self.palette[index]: number for index, number in counted.items()})


def read_png(octets: bytes) -> Picture:
    """A picture of 8-bit indices without interlacing, every chunk of it checked.

    Raises:
        AssertionError: it is none.
    """
    assert octets[:8] == b"\x89PNG\r\n\x1a\n", octets[:8]
    chunks: list[tuple[bytes, bytes]] = []
    place = 8
    while place < len(octets):
        (length,) = struct.unpack_from("!I", octets, place)
        name, content = octets[place + 4 : place + 8], octets[place + 8 : place + 8 + length]
        (check,) = struct.unpack_from("!I", octets, place + 8 + length)
        assert check == zlib.crc32(name + content), name
        chunks.append((name, content))
        place += 12 + length
    assert [name for name, _ in chunks] == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    width, height, *kind = struct.unpack("!2I5B", chunks[0][1])
    assert kind == [8, 3, 0, 0, 0], kind
    colours = chunks[1][1]
    pixels = zlib.decompress(chunks[2][1])
    assert len(pixels) == height * (width + 1)
    rows = [pixels[row * (width + 1) :][: width + 1] for row in range(height)]
    assert all(row[0] == 0 for row in rows), "a filter that is not used here"
    palette = [tuple(colours[index : index + 3]) for index in range(0, len(colours), 3)]
    return Picture(width, height, palette, [row[1:] for row in rows])  # type: ignore[arg-type]


def read_svg(octets: bytes) -> tuple[list[str], list[list[tuple[float, float]]]]:
    """Texts and lines of an SVG.

    Raises:
        xml.etree.ElementTree.ParseError: it is no XML.
    """
    root = ElementTree.fromstring(octets)
    assert root.tag == f"{_SVG}svg", root.tag
    texts = [element.text or "" for element in root.iter(f"{_SVG}text")]
    lines = []
    for element in root.iter(f"{_SVG}polyline"):
        pairs = (pair.split(",") for pair in element.attrib["points"].split())
        lines.append([(float(x), float(y)) for x, y in pairs])
    return texts, lines
