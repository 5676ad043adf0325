"""Draw pages for docs/images in Chromium: server.png, of `srgan-kit serve`, compare.png, of `--compare`, and a run's.

    python -m scripts.examples.pages
    python -m scripts.examples.pages --report runs/experiments/finetuning/pages-of-text/run

The second draws report.png, of a run that `scripts/experiments/finetuning.py` left.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from skimage import data

from scripts.lib import paths
from scripts.lib.browser import chromium
from scripts.lib.server import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DESKTOP, TALL, PHONE, REPORT = (1440, 900), (1440, 1150), (390, 844), (800, 1445)
MODEL = "x4-photo"


def opened(browser: "Browser", size: tuple[int, int], address: str, scheme: str = "light") -> "Page":
    """A window of that size with a page in it."""
    width, height = size
    tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)  # pyright: ignore[reportArgumentType]
    tab.goto(address)
    return tab


def server_page(browser: "Browser", address: str, photographs: list[Path], size: tuple[int, int], to: Path) -> None:
    """Upscale photographs by the page, and save what it looks like then."""
    tab = opened(browser, size, address)
    tab.locator("input[type=file]").first.set_input_files([str(each) for each in photographs])
    tab.get_by_text(photographs[-1].name[:6]).first.wait_for()
    tab.get_by_role("button", name="Upscale").click()
    tab.get_by_text(f"{len(photographs)} of {len(photographs)} images done").wait_for(timeout=120_000)
    tab.locator("iframe").evaluate("each => each.scrollIntoView({block: 'end'})")
    tab.wait_for_timeout(1000)
    tab.screenshot(path=to)
    tab.close()


def side_by_side(desktop: Path, phone: Path, to: Path) -> None:
    """Two screenshots in one image, on white, of the same height."""
    images = [Image.open(path).convert("RGB") for path in (desktop, phone)]
    height = min(1000, *(image.height for image in images))
    images = [image.crop((0, 0, image.width, height)) for image in images]
    whole = Image.new("RGB", (sum(image.width for image in images) + 40, height), "white")
    whole.paste(images[0], (0, 0))
    whole.paste(images[1], (images[0].width + 40, 0))
    whole.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(to, optimize=True)


def draw_report(run: Path) -> None:
    """The top of a run's page, as wide as a window on a desktop."""
    with tempfile.TemporaryDirectory(prefix="srgan-") as name, chromium() as browser:
        page, to = Path(name) / "page.html", paths.IMAGES / "report.png"
        subprocess.run([sys.executable, "-m", "srgan_kit", "report", str(run), "-o", str(page)], check=True)
        tab = opened(browser, REPORT, page.as_uri())
        tab.screenshot(path=to)
        image = Image.open(to).convert("RGB")
        image.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(to, optimize=True)


def draw_upscaling() -> None:
    """The page of `--compare` and that of the server."""
    with tempfile.TemporaryDirectory(prefix="srgan-") as name, chromium() as browser:
        folder = Path(name)
        for photograph in ("coffee", "astronaut"):
            image = Image.fromarray(getattr(data, photograph)())
            image.reduce(3).save(folder / f"{photograph}.jpg", quality=85)
        photographs = sorted(folder.glob("*.jpg"))
        command = [sys.executable, "-m", "srgan_kit", "upscale", *map(str, photographs), "-m", MODEL]
        subprocess.run([*command, "-o", f"{folder}/out/", "--compare", str(folder / "page.html")], check=True)
        for size, scheme, to in ((DESKTOP, "light", "desktop.png"), (PHONE, "dark", "phone.png")):
            opened(browser, size, (folder / "page.html").as_uri(), scheme).screenshot(path=folder / to)
        side_by_side(folder / "desktop.png", folder / "phone.png", paths.IMAGES / "compare.png")
        with serving(folder) as server:
            server_page(browser, server.address, photographs, TALL, folder / "desktop.png")
            server_page(browser, server.address, photographs, PHONE, folder / "phone.png")
        side_by_side(folder / "desktop.png", folder / "phone.png", paths.IMAGES / "server.png")


def main() -> None:
    """Draw what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", type=Path, metavar="RUN", help="draw this run's page instead of the other two")
    options = parser.parse_args()
    if options.report is None:
        draw_upscaling()
    else:
        draw_report(options.report)


if __name__ == "__main__":
    main()
