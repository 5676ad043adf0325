"""The experiment on SRGAN's loss runs as a whole, and counts rows that are in the paper's order."""

import json
from pathlib import Path

from scripts.experiments import srgan_loss


def test_pairs_in_order_by_hand() -> None:
    assert srgan_loss.in_order([5, 4, 3, 2, 1]) == 10
    assert srgan_loss.in_order([1, 2, 3]) == 0
    assert srgan_loss.in_order([3, 1, 2]) == 2
    assert srgan_loss.in_order(list(srgan_loss.PAPER.values())[1:]) == 9  # SRGAN-MSE is .13 dB above SRResNet-VGG22


def test_a_few_steps_of_everything(data_folder: Path, tmp_path: Path) -> None:
    srgan_loss.main(["--smoke", "--work", str(tmp_path)])
    record = json.loads((tmp_path / "srgan_loss.json").read_text(encoding="utf-8"))
    shown = {figure["setting"] for figure in record["figures"]}
    assert shown >= {*srgan_loss.ROWS, srgan_loss.OWN, "bicubic", "x4-fidelity"}
    shares = {run: record["runs"][run]["values"]["shares"] for run in ("srgan-mse", "srresnet-vgg22")}
    assert abs(shares["srgan-mse"]["adversarial"] - srgan_loss.SHARE) < 0.2
    assert set(shares["srresnet-vgg22"]) == {"perceptual", "total_variation", "phase_evenness", "phase_bias"}
    assert (tmp_path / "srgan_loss.png").stat().st_size > 10_000
