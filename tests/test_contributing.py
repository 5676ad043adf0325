"""The worked examples of CONTRIBUTING.md do what it says: a variant, a content term, an architecture, a format."""

import ast
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from srgan_kit.contracts import Batch, Critique, Sample
from srgan_kit.errors import UserError
from srgan_kit.images.density import from_jfif
from srgan_kit.images.encode import write_image
from srgan_kit.images.formats import FORMATS
from srgan_kit.images.image import LoadedImage
from srgan_kit.images.read import read_image
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.variant import variant_name
from srgan_kit.tasks import content
from srgan_kit.training import checks
from srgan_kit.variants import VARIANTS

PAGE = Path(__file__).parents[1] / "CONTRIBUTING.md"
SMALL = ["data.batch=4", "precision=fp32", "validation.holdout=0", "critic={name='dcgan', channels=4}"]
TASKS = {
    "dcgan": ["data.size=32", "generator.channels=4", "latent.noise=6"],
    "autoencoder": ["data.size=32", "generator.channels=4", "latent.noise=6", "encoder.channels=4"],
    "smoke": ["data.patch=8", "generator.channels=4"],
}
"""A shipped recipe of each task, made small."""


def block_below(heading: str) -> str:
    """The source of the one block of Python in the page's part with that heading."""
    text, flags = PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    (part,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, flags)
    (source,) = re.findall(r"^```python\n(.*?)^```", part, flags)
    return source


def module_below(heading: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """That block, imported."""
    module = ModuleType("example_of_contributing")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(block_below(heading), "CONTRIBUTING.md", "exec"), module.__dict__)
    return module


@pytest.fixture
def lsgan(monkeypatch: pytest.MonkeyPatch):
    """The class that the page's Python defines, in VARIANTS as its step 2 says."""
    module = module_below("Add a GAN system", monkeypatch)
    monkeypatch.setitem(VARIANTS, "lsgan", module.LSGAN)
    return module.LSGAN


@pytest.mark.parametrize("recipe_name", TASKS)
def test_the_variant_of_the_page_trains_under_every_task(lsgan, recipe_name, two_classes, train_two_steps) -> None:
    settings = ["variant={name='lsgan', real_target=0.8}", *SMALL, *TASKS[recipe_name]]
    recipe = load_recipe(recipe_name, settings, two_classes)
    assert variant_name(recipe.variant) == "lsgan"
    torch.manual_seed(recipe.seed)
    run, values = train_two_steps(recipe)
    assert {"critic", "adversarial", "score_real", "score_fake"} <= values.keys()
    assert all(math.isfinite(value) for value in values.values())
    for player in (run.generator, run.critic):
        assert player is not None
        assert all(float(player.optimizer.state[each]["step"]) == 2 for each in player.network.parameters())


def test_the_terms_of_the_page_are_the_papers(lsgan) -> None:
    variant = lsgan(real_target=0.5)
    real, fake = Critique(score=torch.tensor([1.0, 2.0])), Critique(score=torch.tensor([3.0]))
    nothing = torch.zeros(1, 1, 1, 1)
    terms = variant.critic_terms(real=real, fake=fake, batch=Batch(nothing), sample=Sample(nothing))
    assert float(terms["critic"]) == pytest.approx((0.25 + 2.25) / 4 + 9 / 2)
    terms = variant.generator_terms(real=None, fake=fake, batch=Batch(nothing), sample=Sample(nothing))
    assert float(terms["adversarial"]) == pytest.approx(6.25 / 2)


# --- a content term -------------------------------------------------------------------------------------------------


@pytest.fixture
def _edges(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's content term, in TERMS."""
    monkeypatch.setattr(content, "TERMS", dict(content.TERMS))  # the page adds to the table that it imports
    monkeypatch.setattr(checks, "CONTENT_TERMS", content.TERMS)
    module_below("Add a content term in three", monkeypatch)


@pytest.mark.usefixtures("_edges")
@pytest.mark.parametrize("recipe_name", ["autoencoder", "smoke"])
def test_the_term_of_the_page_is_trained_on_and_logged(recipe_name, two_classes, train_two_steps) -> None:
    settings = [*SMALL[:-1], *TASKS[recipe_name], "weights={pixel=1, edges=0.5}"]
    run, values = train_two_steps(load_recipe(recipe_name, settings, two_classes))
    assert values["edges"] > 0
    assert values["share/edges"] > 0
    ramp = torch.arange(4.0).expand(1, 1, 3, 4)  # neighbours in a row differ by 1, those in a column by 0
    terms = run.task.content(Batch(torch.zeros(1, 1, 3, 4)), Sample(ramp))
    assert (float(terms["edges"]), float(terms["pixel"])) == (1.0, 1.5)


@pytest.mark.usefixtures("_edges")
def test_the_term_of_the_page_is_refused_where_nothing_is_compared(two_classes, train_two_steps) -> None:
    settings = [*SMALL, *TASKS["dcgan"], "weights.edges=0.5"]
    with pytest.raises(UserError, match=r"weights\.edges needs generated images with real partners"):
        train_two_steps(load_recipe("dcgan", settings, two_classes))


# --- an SR architecture -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kit_with_espcn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the packages, to which the page's architecture was added as the page says."""
    folder = tmp_path_factory.mktemp("kit")
    package = folder / "srgan_kit"
    for name in ("srgan_kit", "losses"):
        shutil.copytree(PAGE.parent / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    source = block_below("Add an SR architecture")
    (package / "generators" / "super_resolution" / "espcn.py").write_text(source, encoding="utf-8")
    table = package / "generators" / "__init__.py"
    text = table.read_text(encoding="utf-8")
    beginning = "SUPER_RESOLVERS: dict[str, type[SRSettings]] = {\n"
    assert text.count(beginning) == 1
    added = "from srgan_kit.generators.super_resolution.espcn import ESPCNConfig\n\n" + beginning
    table.write_text(text.replace(beginning, f'{added}    "espcn": ESPCNConfig,\n'), encoding="utf-8")
    return folder


def test_the_architecture_of_the_page_trains_and_upscales(kit_with_espcn: Path, tmp_path: Path) -> None:
    def command(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "srgan_kit", *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(kit_with_espcn)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    (tmp_path / "photos").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (2, 90, 100, 3), dtype=np.uint8)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / "photos" / f"{number}.png")
    settings = ("generator={name='espcn', scale=3, channels=5}", "data.patch=8", "steps=3")
    words = [word for setting in settings for word in ("--set", setting)]
    command("train", "smoke", "--data", "photos", "-o", "run", *words)
    command(
        "upscale", "photos/0.png", "-o", "large.png", "-m", "run/model.safetensors", "--device", "cpu", "--tile", "24"
    )
    with Image.open(tmp_path / "large.png") as image:
        assert image.size == (300, 270)


# --- an output format -------------------------------------------------------------------------------------------------


@pytest.fixture
def _ppm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's format, in FORMATS."""
    row = module_below("Add an output format", monkeypatch).PPM
    for suffix in row.suffixes:
        monkeypatch.setitem(FORMATS, suffix, row)


@pytest.mark.usefixtures("_ppm")
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_format_of_the_page_is_written(tmp_path: Path, dtype: type, channels: int) -> None:
    peak = np.iinfo(dtype).max
    pixels = np.random.default_rng(0).integers(0, peak + 1, (5, 7, channels)).astype(dtype)
    alpha = np.full((5, 7, 1), peak, dtype)
    alpha[0] = 0
    assert write_image(LoadedImage(pixels), tmp_path / "a.ppm") == []
    assert np.array_equal(read_image(tmp_path / "a.ppm").pixels, pixels)
    notes = write_image(LoadedImage(pixels, alpha, density=from_jfif(1, 300, 300)), tmp_path / "b.ppm")
    assert [note.split(",")[0] for note in notes] == ["transparency is laid on white", "not kept"]
    result = read_image(tmp_path / "b.ppm").pixels
    assert np.array_equal(result[1:], pixels[1:])
    assert (result[0] == peak).all()


@pytest.mark.usefixtures("_ppm")
def test_the_command_takes_the_format_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from srgan_kit.cli.app import app

    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.zeros((8, 9, 3), np.uint8)).save("a.png")
    app(["upscale", "a.png", "-m", "x2-fidelity", "--format", "ppm", "--device", "cpu"], standalone_mode=False)
    assert read_image("a_x2.ppm").size == (18, 16)


def test_folders_import_only_from_those_to_their_right() -> None:
    (line,) = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("    cli →")]
    order = [re.split(r",\s*", part.strip()) for part in line.split("→")]
    place = {folder: number for number, peers in enumerate(order) for folder in peers}
    package = PAGE.parent / "srgan_kit"
    assert {path.parent.name for path in package.glob("*/__init__.py")} == place.keys()
    wrong: list[str] = []
    for path in sorted(package.rglob("*.py")):
        own = path.relative_to(package).parts[0]
        for module in imported(path):
            other = module.split(".")[1] if module.startswith("srgan_kit.") else ""
            if own in place and other in place and other != own and place[other] <= place[own]:
                wrong.append(f"{path}: {module}")
    assert wrong == []
    of_losses = {module for path in (PAGE.parent / "losses").rglob("*.py") for module in imported(path)}
    assert not any(module.split(".")[0] == "srgan_kit" for module in of_losses)


def imported(path: Path) -> set[str]:
    """Modules that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found
