"""The mark in every result: which model made it, at which scale. By it results are known again, whatever their names.

It is the software tag of the file's XMP, which PNG, JPEG, WebP, TIFF, AVIF, HEIF and JPEG XL have room for; all else
in a packet that came with the image stays as it was.
"""

import os
import re
from contextlib import suppress
from pathlib import Path

from srgan_kit import __version__

ENDS = 131_072
"""Metadata is in the first bytes of a file or in the last, in every format."""
MARK = re.compile(rb"srgan-kit [0-9][\w.+-]* \(([\w.+-]+), (x[0-9.]+|[0-9]+x[0-9]+|[0-9]+[wh]|map)\)")
# A run of white space is tried once, from its beginning: packets are padded with thousands of spaces.
OWN_TAG = re.compile(rb"(?<!\s)\s*<rdf:Description[^<>]*\btiff:Software=\"srgan-kit [^<>]*/>")
SOFTWARE = re.compile(rb"(?<!\s)\s+tiff:Software\s*=\s*(\"[^\"<]*\"|'[^'<]*')|<tiff:Software>[^<]*</tiff:Software>")
OWN_COMMENT = re.compile(rb"<!-- srgan-kit [^<>]* -->")
BEGINNING, END = re.compile(rb"<rdf:RDF(?:\s[^<>]*)?(?<!/)>"), re.compile(rb"</rdf:RDF>")
PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '</rdf:RDF></x:xmpmeta>\n<?xpacket end="r"?>'
).encode()


def software_tag(model: str, size: str) -> str:
    """What a result says made it; `size` is a scale such as x2.5, the box 1920x1080 that it was fitted into, a width
    such as 3840w, a height such as 2160h, or map for a map of a result.

    >>> software_tag("x4-fidelity", "x4")  # doctest: +ELLIPSIS
    'srgan-kit ... (x4-fidelity, x4)'
    """
    return f"srgan-kit {__version__} ({re.sub(r'[^A-Za-z0-9_.+-]', '_', model) or '_'}, {size})"


def marked(xmp: bytes | None, software: str, first: bool = False) -> bytes:
    """An XMP packet with that software tag: the given one, in which nothing else changes, or a new one.

    The tag is the last of the packet, or the `first`. UTF-16 and UTF-32 become UTF-8; to a packet that is damaged the
    tag is added as a comment.
    """
    packet = PACKET if xmp is None else _without_software(_in_utf8(xmp))
    ends = list((BEGINNING if first else END).finditer(packet))
    if not ends:
        return packet + f"<!-- {software} -->".encode()
    place = ends[0].end() if first else ends[-1].start()
    tag = f'<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Software="{software}"/>'
    return packet[:place] + tag.encode() + packet[place:]


def _without_software(xmp: bytes) -> bytes:
    for pattern in (OWN_COMMENT, OWN_TAG, SOFTWARE):
        xmp = pattern.sub(b"", xmp)
    return xmp


def _in_utf8(xmp: bytes) -> bytes:
    """XMP of any of the encodings that it may have; as it is where that cannot be told."""
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        with suppress(UnicodeError):
            if "</rdf:RDF>" in (text := xmp.decode(encoding)):
                return text.removeprefix("\ufeff").encode()
    return xmp


def read_mark(path: Path) -> str | None:
    """The model and the size of a result, such as "x4-fidelity, x4"; None for any other file.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        text = file.read(ENDS)
        file.seek(max(ENDS, file.seek(0, os.SEEK_END) - ENDS))
        text += file.read()
    found = MARK.search(text)
    return found and f"{found[1].decode()}, {found[2].decode()}"
