"""Time to open a large folder of images: decoded for the first time, by the index, and after a thousandth has changed.

    python -m scripts.bench.image_index [--images 100000] [--side 96] [--shards]

The folder is made for this, of hard links to a few photographs of --side pixels in a thousand inner folders; with
--shards the images lie in ten .tar files. The memory for images holds a hundredth of them. Each start is a process of
its own. Writes docs/results/bench_image_index.json, or with --shards bench_shard_index.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from PIL import Image

from scripts.lib import paths
from scripts.lib.timing import photograph

DIFFERENT, FOLDERS, SHARDS = 10, 1000, 10
LARGEST_PART = 0.05
"""The processor's time of a start by the index, over that of the first."""


def make_folder(folder: Path, count: int, side: int) -> None:
    """So many small images, most of them links to others."""
    photo = photograph(side * DIFFERENT)
    for number in range(count):
        inner = folder / f"{number % FOLDERS:04d}"
        target = inner / f"{number:07d}.jpg"
        if number < FOLDERS:  # each inner folder has one of its own, since a file has so many links at most
            inner.mkdir(parents=True)
            left = side * (number % DIFFERENT)
            Image.fromarray(photo[left : left + side, left : left + side]).save(target, quality=90)
        else:
            os.link(inner / f"{number % FOLDERS:07d}.jpg", target)


def make_shards(folder: Path, images: Path) -> None:
    """The same images in .tar files."""
    folder.mkdir()
    inner = sorted(images.iterdir())
    for number in range(SHARDS):
        with tarfile.open(folder / f"{number:03d}.tar", "w") as shard:
            for each in inner[number::SHARDS]:
                shard.add(each, each.name)


def change(folder: Path, count: int) -> None:
    """Give so many of the images another content."""
    for number in range(FOLDERS, FOLDERS + count):
        path = folder / f"{number % FOLDERS:04d}" / f"{number:07d}.jpg"
        path.unlink()
        Image.new("RGB", (200, 100)).save(path)


def start(folder: Path, megabytes: int) -> dict[str, float]:
    """Open the folder in this process: seconds, and the memory that it took."""
    import psutil

    from srgan_kit.data.image_set import ImageSet
    from srgan_kit.data.sources import open_files
    from srgan_kit.user_folders import cache_folder

    process = psutil.Process()
    before = process.memory_info().rss
    begin, processor = time.perf_counter(), time.process_time()
    files = open_files(folder)
    listed = time.perf_counter() - begin
    images = ImageSet([files], megabytes, index_folder=cache_folder())
    opened, processor = time.perf_counter() - begin, time.process_time() - processor
    _ = images[len(images) - 1]
    return {
        "images": len(images),
        "seconds_to_list": listed,
        "seconds": opened,
        "processor_seconds": processor,
        "seconds_to_first_image": time.perf_counter() - begin - opened,
        "mebibytes": (process.memory_info().rss - before) / 2**20,
    }


def main() -> None:
    """Make the folder, start three times, write what that took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000, help="how many (default: 100,000)")
    parser.add_argument("--side", type=int, default=96, help="their side in pixels (default: 96)")
    parser.add_argument("--shards", action="store_true", help="in .tar files")
    parser.add_argument("--start", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    megabytes = options.images * options.side**2 * 3 // 100_000_000
    if options.start:
        print(json.dumps(start(options.start, megabytes)))
        return
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "images"
        make_folder(folder, options.images, options.side)
        if options.shards:
            make_shards(Path(name) / "shards", folder)
        opened = Path(name) / "shards" if options.shards else folder
        environment = os.environ | {"SRGAN_KIT_CACHE": str(Path(name) / "cache")}
        command = [sys.executable, "-m", "scripts.bench.image_index", "--start", str(opened)]
        command += ["--images", str(options.images), "--side", str(options.side)]
        for turn in ("first", "by the index", "a thousandth changed"):
            if turn == "a thousandth changed":
                if options.shards:
                    continue
                change(folder, options.images // 1000)
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
            each = found[turn] = json.loads(done.stdout)
            line = f"{each['seconds']:8.1f} s, {each['processor_seconds']:.1f} s of the processor, "
            line += f"{each['mebibytes']:.0f} MiB"
            print(f"{turn:22} {line}", flush=True)
    part = found["by the index"]["processor_seconds"] / found["first"]["processor_seconds"]
    print(f"{'pass' if part <= LARGEST_PART else 'FAIL'}  by the index / first {part:.4f}, at most {LARGEST_PART}")
    results = paths.RESULTS / f"bench_{'shard' if options.shards else 'image'}_index.json"
    results.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
