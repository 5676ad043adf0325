"""The experiment on SRGAN's loss runs as a whole, and counts rows that are in the paper's order."""

import json
from pathlib import Path

from scripts.experiments import srgan_loss


def test_pairs_in_order_by_hand() -> None:
    assert srgan_loss.in_order([5, 4, 3, 2, 1], [50, 40, 30, 20, 10]) == 10
    assert srgan_loss.in_order([1, 2, 3], [3, 2, 1]) == 0
    assert srgan_loss.in_order([3, 1, 2], [4, 5, 6]) == 1  # 1 and 2 alone rise
    paper = [srgan_loss.PAPER[row] for row in srgan_loss.ROWS]
    assert srgan_loss.in_order(paper, paper) == 10
    assert srgan_loss.in_order(paper, range(len(paper), 0, -1)) == 9  # SRGAN-MSE is .13 dB above SRResNet-VGG22


def test_a_few_steps_of_everything(data_folder: Path, tmp_path: Path) -> None:
    srgan_loss.main(["--smoke", "--work", str(tmp_path)])
    record = json.loads((tmp_path / "srgan_loss.json").read_text(encoding="utf-8"))
    shown = {figure["setting"] for figure in record["figures"]}
    assert shown >= {*srgan_loss.ROWS, srgan_loss.OWN, "bicubic", "x4-fidelity"}
    shares = {run: record["runs"][run]["values"]["shares"] for run in ("srgan-mse", "srresnet-vgg22")}
    assert abs(shares["srgan-mse"]["adversarial"] - srgan_loss.SHARE) < 0.2
    assert set(shares["srresnet-vgg22"]) == {"perceptual", "total_variation", "phase_evenness", "phase_bias"}
    assert (tmp_path / "srgan_loss.png").stat().st_size > 10_000
