"""Model files: ours round trip, community checkpoints load, everything else is one line."""

import pickle
import warnings
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.residual import ResidualSRConfig
from srgan_kit.generators.super_resolution.rrdb import RRDBNetConfig
from srgan_kit.models.super_resolution import load_model, pretrained_upscalers, save_model

CONFIG = ResidualSRConfig(scale=3, channels=4, groups=1)


def test_own_files_round_trip(tmp_path: Path) -> None:
    network = CONFIG.build().eval()
    path = tmp_path / "tiny.safetensors"
    save_model(network, CONFIG, path, {"licence": "Apache-2.0", "steps": "7"})
    model = load_model(path)
    assert (model.name, model.scale, model.channels, model.licence) == ("tiny", 3, 3, "Apache-2.0")
    assert model.metadata["steps"] == "7"
    assert model.parameters == sum(p.numel() for p in network.parameters())
    image = torch.rand(1, 3, 9, 11)
    assert torch.equal(model.network(image), network(image))
    assert not model.network.training
    assert not any(p.requires_grad for p in model.network.parameters())
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["format"] == "srgan-kit"
        assert file.metadata()["range"] == "[0, 1]"


def test_an_architecture_that_left_is_refused_in_one_line(tmp_path: Path) -> None:
    save_model(CONFIG.build(), CONFIG, tmp_path / "old.safetensors", {"generator": '{"name": "attention"}'})
    with pytest.raises(UserError, match=r"expected one of residual, .*; got 'attention'"):
        load_model(tmp_path / "old.safetensors")


def test_a_community_checkpoint_loads_through_spandrel(tmp_path: Path) -> None:
    network = RRDBNetConfig(name="rrdb", blocks=1).build().eval()
    path = tmp_path / "esrgan.pth"
    torch.save({"params_ema": network.state_dict()}, path)
    model = load_model(path)
    assert (model.scale, model.channels, model.architecture) == (4, 3, "ESRGAN")
    image = torch.rand(1, 3, 12, 10)
    with torch.no_grad():
        assert torch.allclose(model.network(image), network(image), atol=1e-5)


def test_the_real_compact_checkpoint(data_folder: Path) -> None:
    model = load_model(data_folder / "weights" / "realesr-animevideov3.pth")
    assert (model.scale, model.channels, model.parameters) == (4, 3, 621424)


def test_a_community_model_says_which_precisions_it_bears(tmp_path: Path) -> None:
    from spandrel.architectures.SAFMN import SAFMN  # said to fail in fp16

    torch.save(SAFMN(dim=8, n_blocks=1, upscaling_factor=2).state_dict(), tmp_path / "safmn.pth")
    model = load_model(tmp_path / "safmn.pth")
    assert (model.architecture, model.supports_fp16, model.supports_bf16) == ("SAFMN", False, True)


def test_an_unknown_architecture_is_one_line(data_folder: Path) -> None:
    with pytest.raises(UserError, match="architecture unknown") as caught:
        load_model(data_folder / "weights" / "team38_span_ch28_slim.pth")
    assert "\n" not in str(caught.value)


def test_an_unknown_name_lists_the_embedded_upscalers() -> None:
    with pytest.raises(UserError, match="'x5-nothing'") as caught:
        load_model("x5-nothing")
    for name in pretrained_upscalers():
        assert name in str(caught.value)


class Bomb:
    """Unpickling this would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt"])
def test_checkpoints_run_no_code(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"evil{suffix}"
    torch.save({"params": Bomb(tmp_path / "touched")}, path)
    with pytest.raises(UserError, match="evil"):
        load_model(path)
    path.write_bytes(pickle.dumps(Bomb(tmp_path / "touched")))
    with pytest.raises(UserError, match="evil"):
        load_model(path)
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".txt"])
@pytest.mark.parametrize("content", [b"", b"hello world, this is not a checkpoint" * 9])
def test_what_is_no_checkpoint_is_one_line(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    with pytest.raises(UserError, match="broken") as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


def test_a_list_in_a_checkpoint_is_refused(tmp_path: Path) -> None:
    torch.save([torch.zeros(3)], tmp_path / "list.pth")
    with pytest.raises(UserError, match="dictionary"):
        load_model(tmp_path / "list.pth")


def test_weights_that_do_not_fit_their_settings(tmp_path: Path) -> None:
    metadata = {"format": "srgan-kit", "generator": CONFIG.model_dump_json()}
    save_file({"head.weight": torch.zeros(1)}, tmp_path / "wrong.safetensors", metadata=metadata)
    with pytest.raises(UserError, match="do not fit"):
        load_model(tmp_path / "wrong.safetensors")


def test_saving_into_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        save_model(CONFIG.build(), CONFIG, tmp_path / "missing" / "m.safetensors", {})


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "not a checkpoint"), (b"hello", "not a checkpoint"), (pickle.dumps(print, 4), "more than weights")],
)
def test_what_is_no_checkpoint_is_refused_without_a_warning(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.pth").write_bytes(content)
    with warnings.catch_warnings(action="error"), pytest.raises(UserError, match=reason):
        load_model(tmp_path / "a.pth")


def test_a_run_folder_stands_for_the_model_in_it(tmp_path: Path) -> None:
    save_model(CONFIG.build(), CONFIG, tmp_path / "model.safetensors", {})
    assert load_model(tmp_path).scale == CONFIG.scale
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: no model\.safetensors in it"):
        load_model(tmp_path / "empty")
