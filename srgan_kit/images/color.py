"""What the numbers of an image mean: colour profiles, and PNG's short tags, which other formats have as a profile.

The tags are those of the PNG specification (third edition, section 11.3.2): cICP (code points of ITU-T H.273), sRGB,
gAMA, cHRM, and mDCV and cLLI of HDR images. A profile made of them is one of matrix and curves (ICC.1:2022).
"""

import struct
from io import BytesIO
from typing import Any

import numpy as np
from PIL import ImageCms

Chromaticities = tuple[float, ...]
"""x and y of white, red, green and blue."""

TAGS = ("cICP", "sRGB", "gAMA", "cHRM", "mDCV", "cLLI")
SRGB_CHROMATICITIES: Chromaticities = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
D65 = (0.3127, 0.3290)
PRIMARIES: dict[int, Chromaticities] = {
    1: SRGB_CHROMATICITIES,
    4: (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    9: (*D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
"""By H.273's ColourPrimaries."""
SRGB_CURVE = (3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
BT709_CURVE = (3, 1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
CURVES = {1: BT709_CURVE, 4: (0, 2.2), 5: (0, 2.8), 6: BT709_CURVE, 8: (0, 1.0), 13: SRGB_CURVE}
CURVES |= {14: BT709_CURVE, 15: BT709_CURVE}
"""ICC's parametric curves (the function's type, then its parameters) by H.273's TransferCharacteristics."""
HDR = {16: "PQ", 18: "HLG"}
SRGB_GAMMA = (45454, 45455, 45456)
"""gAMA that PNG has for sRGB, times 100000."""
D50 = np.array((0.9642, 1.0, 0.8249))
BRADFORD = np.array(((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296)))


def problem_of(icc: bytes, channels: int) -> str:
    """Why a profile cannot be that of an image of 1 (grey), 3 (RGB) or 4 (CMYK) channels; empty if it can."""
    try:
        profile: Any = ImageCms.ImageCmsProfile(BytesIO(icc)).profile
        space, kind = profile.xcolor_space.strip(), profile.device_class.strip()
    except (OSError, ValueError):
        return "it is damaged"
    expected = {1: "GRAY", 3: "RGB", 4: "CMYK"}[channels]
    if space != expected or kind == "link":
        return f"it is for {space}, the image is {expected}"
    return ""


def valid(tags: dict[str, bytes]) -> dict[str, bytes]:
    """The tags that can be what they say."""
    lengths = {"cICP": 4, "sRGB": 1, "gAMA": 4, "cHRM": 32, "mDCV": 24, "cLLI": 8}
    return {
        name: content
        for name, content in tags.items()
        if lengths.get(name) == len(content) and not (name in ("gAMA", "cHRM") and not any(content[-4:]))
    }


def is_hdr(tags: dict[str, bytes]) -> bool:
    """True where the numbers stand for more light than a white page."""
    return "cICP" in tags and tags["cICP"][1] in HDR


def described(tags: dict[str, bytes]) -> str:
    """The tags in words, for notes."""
    if "cICP" in tags:
        primaries, transfer, _, full = tags["cICP"]
        name = {9: "BT.2020", 12: "Display P3", 1: "BT.709"}.get(primaries, f"primaries {primaries}")
        curve = HDR.get(transfer, f"transfer {transfer}")
        return f"{name} {curve}{'' if full else ', narrow range'} (cICP)"
    return "gamma and primaries (gAMA, cHRM)"


def profile_of(tags: dict[str, bytes], channels: int) -> bytes | None:
    """The profile that says the same as the tags: None for sRGB, which needs none.

    Raises:
        ValueError: no profile of matrix and curves says it: HDR, narrow range, unknown code points, colours that
            cannot be.
    """
    if "cICP" in tags:
        primaries, transfer, matrix, full = tags["cICP"]
        if primaries not in PRIMARIES or transfer not in CURVES or matrix != 0 or full != 1:
            raise ValueError(f"no profile for {described(tags)}")
        if (primaries, transfer) == (1, 13):
            return None
        return _profile(PRIMARIES[primaries], CURVES[transfer], channels)
    if "sRGB" in tags or not {"gAMA", "cHRM"} & tags.keys():
        return None
    points = SRGB_CHROMATICITIES
    if "cHRM" in tags:
        points = tuple(value / 100000 for value in struct.unpack(">8I", tags["cHRM"]))
    gamma = struct.unpack(">I", tags["gAMA"])[0] if "gAMA" in tags else SRGB_GAMMA[1]
    is_srgb = gamma in SRGB_GAMMA
    if is_srgb and (channels == 1 or np.allclose(points, SRGB_CHROMATICITIES, atol=2e-3)):
        return None
    return _profile(points, SRGB_CURVE if is_srgb else (0, 100000 / gamma), channels)


def _profile(points: Chromaticities, curve: tuple[float, ...], channels: int) -> bytes:
    """An ICC profile of version 4 of white, primaries and a curve from numbers to light.

    Raises:
        ValueError: colours that cannot be, or numbers too large for a profile.
    """
    try:
        return _packed_profile(points, curve, channels)
    except (ArithmeticError, struct.error) as error:
        raise ValueError(f"no profile for {points} and {curve}: {error}") from None


def _packed_profile(points: Chromaticities, curve: tuple[float, ...], channels: int) -> bytes:
    white, to_xyz = _to_xyz(points)
    scale = np.diag((BRADFORD @ D50) / (BRADFORD @ white))
    adapt = np.linalg.inv(BRADFORD) @ scale @ BRADFORD
    tone = b"para" + struct.pack(">4xH2x", int(curve[0])) + _fixed(curve[1:])
    tags = {
        b"desc": _text("Gamma and primaries of the source"),
        b"cprt": _text("CC0"),
        b"wtpt": b"XYZ \0\0\0\0" + _fixed(D50),
        b"chad": b"sf32\0\0\0\0" + _fixed(adapt.ravel()),
    }
    if channels == 1:
        tags[b"kTRC"] = tone
    else:
        for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), (adapt @ to_xyz).T, strict=True):
            tags[name] = b"XYZ \0\0\0\0" + _fixed(column)
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), tone)
    table, content, place = [struct.pack(">I", len(tags))], [], 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table.append(name + struct.pack(">II", place, len(value)))
        content.append(value.ljust(-(-len(value) // 4) * 4, b"\0"))
        place += len(content[-1])
    space = b"GRAY" if channels == 1 else b"RGB "
    date = struct.pack(">6H", 2024, 1, 1, 0, 0, 0)
    header = struct.pack(">I4x4s", place, b"\x04\x30\0\0") + b"mntr" + space + b"XYZ " + date + b"acsp"
    return b"".join([(header.ljust(68, b"\0") + _fixed(D50)).ljust(128, b"\0"), *table, *content])


def _to_xyz(points: Chromaticities) -> tuple[np.ndarray, np.ndarray]:
    """White's XYZ at luminance 1, and the matrix from linear RGB to XYZ."""
    xyz = np.array([(x / y, 1, (1 - x - y) / y) for x, y in zip(points[::2], points[1::2], strict=True)])
    white, primaries = xyz[0], xyz[1:].T
    return white, primaries * np.linalg.solve(primaries, white)


def _fixed(values: tuple[float, ...] | np.ndarray) -> bytes:
    """Numbers as ICC's s15Fixed16."""
    return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)


def _text(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">4xII2s2sII", 1, 12, b"en", b"US", len(encoded), 28) + encoded
