"""An image made to fit a format: what the format cannot hold is converted, or left out with a note."""

from dataclasses import replace
from typing import Any

import numpy as np
import pyvips

from srgan_kit.images.color import described, is_hdr, profile_of
from srgan_kit.images.density import NONE, Density, of_exif
from srgan_kit.images.formats import JPEG, TIFF, Format
from srgan_kit.images.image import LoadedImage
from srgan_kit.images.metadata import COMMENT, Metadata, Text, iptc_of, keyword
from srgan_kit.images.segments import too_large_for_jpeg
from srgan_kit.images.tiff import is_big

MOST_NAMED = 5
"""Texts in a note."""
HDR_DISPLAY = ("mDCV", "cLLI")


def fitted(image: LoadedImage, format: Format) -> tuple[LoadedImage, list[str]]:
    """The image as a file of a format holds it, and what could not be kept, a line each."""
    notes: list[str] = []
    image = _with_fitting_colours(image, format, notes)
    bits = format.bits
    if image.pixels.dtype == np.uint16 and bits < 16 and not 8 < image.bits <= bits:
        notes.append(f"{image.bits or 16} bits a channel are reduced to {bits}, as {format.name} needs")
    if image.pixels.dtype == np.uint16 and bits == 8:
        image = _to_8_bits(image)
    if image.alpha is not None and not format.alpha:
        notes.append(f"transparency is laid on white, as {format.name} has none")
        image = _on_white(image)
    if format.most_colours is not None and image.format != format.name:
        notes.append(f"colours are reduced to {format.most_colours}, as {format.name} needs")
    return _with_fitting_metadata(image, format, notes), notes


# --- colours --------------------------------------------------------------------------------------------------------


def _with_fitting_colours(image: LoadedImage, format: Format, notes: list[str]) -> LoadedImage:
    """PNG has tags, AVIF and HEIF their code points; elsewhere a profile says the same, or pixels become sRGB."""
    if format.colours == "tags":
        return image
    icc, tags = image.icc, image.tags
    if lost := [name for name in HDR_DISPLAY if name in tags]:
        display = f"the display that it was made on ({', '.join(lost)})"
        notes.append(f"not kept, as {format.name} has no place for it: {display}")
    if format.colours == "code points" and "cICP" in tags and tags["cICP"][2:] == b"\0\1":
        return replace(image, tags={"cICP": tags["cICP"]})
    if icc is None:
        try:
            icc = profile_of(tags, image.pixels.shape[2])
        except ValueError:
            look = ": they will look paler" if is_hdr(tags) else ""
            notes.append(f"what its colours are is not kept, as {format.name} has no place for {described(tags)}{look}")
    image = replace(image, icc=icc, tags={})
    only_srgb, stored_as_colour = format.colours == "sRGB", image.pixels.shape[2] == 1 and not format.grey
    if icc is None or not (only_srgb or stored_as_colour):
        return image
    if only_srgb:
        notes.append(f"colours are converted to sRGB, as {format.why_srgb}")
    try:
        return replace(image, pixels=_in_srgb(image.pixels, icc), icc=None)
    except pyvips.Error:
        if only_srgb:
            notes.pop()
        notes.append("the colour profile is not kept: it cannot be used to convert colours")
        return replace(image, icc=None)


def _in_srgb(pixels: np.ndarray, icc: bytes) -> np.ndarray:
    """(H, W, C) colours of a profile -> (H, W, 3) sRGB of the same depth."""
    image = to_vips(pixels)
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", icc)
    return image.icc_transform("srgb", depth=8 * pixels.dtype.itemsize, embedded=True).numpy()


def to_vips(pixels: np.ndarray) -> Any:
    """(H, W, C) uint8 or uint16, grey or RGB and perhaps opacity, as a libvips image that reads it where it lies."""
    height, width, channels = pixels.shape
    is_wide, is_grey = pixels.dtype == np.uint16, channels < 3
    kind = "ushort" if is_wide else "uchar"
    image: Any = pyvips.Image.new_from_memory(np.ascontiguousarray(pixels).data, width, height, channels, kind)
    names = {(False, False): "srgb", (False, True): "b-w", (True, False): "rgb16", (True, True): "grey16"}
    return image.copy(interpretation=names[is_wide, is_grey])


# --- pixels ---------------------------------------------------------------------------------------------------------


def _to_8_bits(image: LoadedImage) -> LoadedImage:
    def reduce(values: np.ndarray) -> np.ndarray:
        return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)

    alpha = None if image.alpha is None else reduce(image.alpha)
    return replace(image, pixels=reduce(image.pixels), alpha=alpha)


def _on_white(image: LoadedImage) -> LoadedImage:
    assert image.alpha is not None
    pixels, white = np.empty_like(image.pixels), np.iinfo(image.pixels.dtype).max
    for row in range(len(pixels)):  # row by row: no float copy of the image
        opacity = image.alpha[row].astype(np.uint32)
        mixed = image.pixels[row].astype(np.uint32) * opacity + white * (white - opacity)
        pixels[row] = (mixed + white // 2) // white
    return replace(image, pixels=pixels, alpha=None)


# --- metadata -------------------------------------------------------------------------------------------------------


def _with_fitting_metadata(image: LoadedImage, format: Format, notes: list[str]) -> LoadedImage:
    """Metadata of the new size, as far as the format holds it; one note names the rest."""
    try:
        said = image.metadata.adapted(image.size)
    except ValueError as error:
        notes.append(f"EXIF is damaged and not kept: {error}")
        said = replace(image.metadata, exif=None).adapted(image.size)
    held = set(format.holds)
    if format is JPEG and (large := too_large_for_jpeg(said)):
        held -= large
    if format is TIFF and is_big(image):
        held.discard("EXIF")
    lost = _names(said, held)
    if image.density is not None and not _holds_density(image.density, said, held):
        lost.insert(0, f"density ({image.density})")
    if lost:
        notes.append(f"not kept, as {format.name} has no place for it: {', '.join(lost)}")
    return replace(image, metadata=_held(said, held))


def _holds_density(density: Density, said: Metadata, held: set[str]) -> bool:
    """By its own place, or in EXIF; a density that nobody chose need not be held."""
    in_exif = "EXIF" in held and said.exif is not None and of_exif(said.exif) is not None
    held_as = "density" if density.unit != NONE else "shape"
    return held_as in held or in_exif or density.is_usual


def _is_held(text: Text, held: set[str]) -> bool:
    return "text" in held or ("comment" in held and keyword(text) == COMMENT)


def _names(said: Metadata, held: set[str]) -> list[str]:
    """What there is and is not held, in words."""
    lost = [name for name, block in (("EXIF", said.exif), ("XMP", said.xmp)) if block is not None and name not in held]
    if said.xmp_extension and "XMP extension" not in held:
        lost.append("the extension of XMP")
    if said.photoshop is not None and "IPTC" not in held:
        lost.append("IPTC" if iptc_of(said.photoshop) is not None else "Photoshop's image resources")
    texts = [keyword(text) for text in said.texts if not _is_held(text, held)]
    more = f" and {len(texts) - MOST_NAMED} more" if len(texts) > MOST_NAMED else ""
    return [*lost, f"text ({', '.join(texts[:MOST_NAMED])}{more})"] if texts else lost


def _held(said: Metadata, held: set[str]) -> Metadata:
    return Metadata(
        said.exif if "EXIF" in held else None,
        said.xmp if "XMP" in held else None,
        said.xmp_extension if {"XMP", "XMP extension"} <= held else (),
        said.photoshop if "IPTC" in held else None,
        tuple(text for text in said.texts if _is_held(text, held)),
    )
