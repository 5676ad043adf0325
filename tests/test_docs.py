"""The documentation's Python runs as printed, and its page of losses has every one of them."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import losses
from losses.divergences import DIVERGENCES
from losses.networks.vgg import CHANNELS
from losses.networks.vgg_weights import layer_names

ROOT = Path(__file__).parents[1]


def blocks_and_examples(text: str) -> list[tuple[str, str]]:
    """("python", source of a block) and ("example", source in a table's column of that name), in order."""
    found: list[tuple[str, str]] = []
    block: list[str] | None = None
    column: int | None = None
    for line in text.splitlines():
        if line.startswith("```"):
            if block is not None:
                found.append(("python", "\n".join(block)))
            block = [] if block is None and line == "```python" else None
        elif block is not None:
            block.append(line)
        elif not line.startswith("|"):
            column = None
        else:
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if "example" in cells:
                column = cells.index("example")
            elif column is not None and set(cells[0]) != {"-"}:
                found.append(("example", cells[column].strip("`")))
    return found


def sections(text: str) -> dict[str, str]:
    """{heading of the second level: what is below it}; "" is what stands before the first."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def run(source: str, names: dict[str, object]) -> None:
    exec(compile(source, "documentation", "exec"), names)


@pytest.fixture(scope="module")
def _vgg_at_hand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A file of random weights where torchvision would have left its VGG19 after fetching it once."""
    folder, before = tmp_path_factory.mktemp("hub"), torch.hub.get_dir()
    state: dict[str, Tensor] = {}
    channels = 3
    for position, name in enumerate(layer_names("vgg19")):
        if name.startswith("conv"):
            width = CHANNELS[int(name[4]) - 1]
            state[f"features.{position}.weight"] = torch.randn(width, channels, 3, 3) * (2 / (9 * channels)) ** 0.5
            state[f"features.{position}.bias"] = torch.zeros(width)
            channels = width
    (folder / "checkpoints").mkdir()
    torch.save(state, folder / "checkpoints" / "vgg19-dcbb9e9d.pth")
    torch.hub.set_dir(folder)
    yield
    torch.hub.set_dir(before)


def numbers(value: object) -> list[Tensor]:
    """The numbers in what an example gives."""
    if isinstance(value, tuple):
        return [number for part in value for number in numbers(part)]
    return [value if isinstance(value, Tensor) else torch.tensor(value)]


PAGE = (ROOT / "docs/guide/losses.md").read_text(encoding="utf-8")
SECTIONS = sections(PAGE)


@pytest.mark.usefixtures("_vgg_at_hand")
@pytest.mark.parametrize("heading", [name for name in SECTIONS if name])
def test_every_block_and_every_example_of_the_page_of_losses_runs(heading: str) -> None:
    names: dict[str, object] = {}
    for _, source in blocks_and_examples(SECTIONS[""]):
        run(source, names)
    for kind, source in blocks_and_examples(SECTIONS[heading]):
        if kind == "python":
            run(source, names)
        else:
            for number in numbers(eval(source, names)):
                assert number.isfinite().all(), source


def test_every_public_name_has_an_entry_in_a_table_and_no_other_has() -> None:
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in PAGE.splitlines() if line.startswith("|")]
    entries = {name for row in rows if len(row) == 6 for name in re.findall(r"`(\w+)`", row[0])}
    assert entries == set(losses.__all__)


def test_the_page_says_what_is_in_the_table_of_divergences() -> None:
    rows = [line for line in SECTIONS["f-divergences"].splitlines() if line.startswith("|")]
    named = {re.split(r"[ ,]", row.strip("| "))[0] for row in rows}
    assert {*DIVERGENCES, "alpha"} <= named


@pytest.mark.usefixtures("_vgg_at_hand")
def test_the_readmes_python_runs_with_a_generator_and_a_critic_at_hand() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (source,) = [source for _, source in blocks_and_examples(text) if "from losses import" in source]
    output = torch.rand(1, 3, 64, 64, requires_grad=True)
    target, critic = torch.rand(1, 3, 64, 64), torch.nn.Conv2d(3, 1, 16, 16)
    names: dict[str, object] = {"output": output, "target": target, "critic": critic}
    run(source, names)
    loss = names["loss"]
    assert isinstance(loss, Tensor)
    loss.backward()
    assert output.grad is not None
    assert output.grad.abs().sum() > 0


@pytest.mark.parametrize("page", ["README.md", "docs/guide/upscaling.md", "docs/guide/python.md"])
def test_the_python_of_upscaling_runs_beside_a_photograph(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    sources = [source for _, source in blocks_and_examples(text)]
    (first,) = [number for number, source in enumerate(sources) if re.search("import .*Upscaler", source)]
    monkeypatch.chdir(tmp_path)
    array = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    Image.fromarray(array).save("photo.jpg")
    names: dict[str, object] = {"array": array}
    for source in sources[first:] if page.endswith("python.md") else [sources[first]]:
        run(source, names)
    with Image.open("photo_x4.png") as image:
        assert image.size == (96, 80)
    if page.endswith("python.md"):
        assert isinstance(names["larger"], np.ndarray)
        assert names["larger"].shape == (60, 72, 3)
        assert isinstance(names["network"], torch.nn.Module)
