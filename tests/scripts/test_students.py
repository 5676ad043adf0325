"""The students that are taught on an accelerator: their network, their crops, what they learn from, and a dry run."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from scripts.lib.holdout import photograph_of, split
from scripts.lib.text_pages import text_page
from scripts.pretrained.students import images as students_images
from scripts.pretrained.students.adversary import Adversary
from scripts.pretrained.students.branched import BranchedStudent
from scripts.pretrained.students.crop_pools import Pool, sample
from scripts.pretrained.students.degraded_pairs import CLEAN, KINDS, low_resolution, make_pairs
from scripts.pretrained.students.images import StudentImages
from scripts.pretrained.students.loop import _graph, train_student
from scripts.pretrained.students.release import card, release, training
from scripts.pretrained.students.stages import BATCH, FLAT, STAGES, Stage, Terms, config_of
from scripts.pretrained.students.train import Trainer
from scripts.pretrained.teachers import realesrgan_x4plus as x4plus_teacher
from scripts.pretrained.teachers.smfanet import load_smfanet
from srgan_kit.data.image_folder import read_rgb
from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.residual import ResidualSR
from srgan_kit.generators.super_resolution.rrdb import RRDBNet
from srgan_kit.metrics.psnr_ssim import psnr_y
from srgan_kit.models import realesrgan
from srgan_kit.models.super_resolution import load_model

# --- the network ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_student_starts_as_the_plain_network_and_folds_to_one(scale: int) -> None:
    plain = ResidualSR(scale, channels=8, groups=2, convolutions=3)
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    reference = ResidualSR(scale, channels=8, groups=2, convolutions=3)
    reference.load_state_dict(before)
    student, image = BranchedStudent(plain, torch.float32), torch.rand(2, 3, 9, 11)
    torch.testing.assert_close(student(image), reference(image))
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    assert not torch.allclose(student(image), reference(image), atol=1e-2)
    reference.load_state_dict(student.folded())
    torch.testing.assert_close(student(image), reference(image), atol=1e-5, rtol=1e-5)


def test_every_branch_learns() -> None:
    student = BranchedStudent(ResidualSR(2, channels=8, groups=2, convolutions=2), torch.float32)
    student(torch.rand(1, 3, 8, 8)).square().sum().backward()
    at_rest = {"mix"}  # behind spread, which starts at zero
    moving = {name for name, each in student.named_parameters() if each.grad is not None and bool(each.grad.any())}
    assert {name for name, _ in student.named_parameters()} - moving == at_rest


# --- crops ----------------------------------------------------------------------------------------------------------


def test_targets_show_what_the_crops_show_in_every_symmetry() -> None:
    low = torch.randint(0, 256, (3, 12, 15, 3), dtype=torch.uint8)
    high = low.repeat_interleave(2, 1).repeat_interleave(2, 2)
    crops, (same, inverse) = sample([Pool(low, (high, 255 - high), 200)], 0, 6, 2, grey=0.0)
    assert crops.shape == (200, 3, 6, 6)
    assert same.shape == (200, 3, 12, 12)
    torch.testing.assert_close(F.interpolate(crops, scale_factor=2), same)
    torch.testing.assert_close(1 - same, inverse)
    found = {tuple(map(int, (255 * crop[0]).round().flatten().tolist())) for crop in crops}
    planes = low.permute(0, 3, 1, 2)[:, 0]
    everything: set[tuple[int, ...]] = set()
    for top in range(7):
        for left in range(10):
            for window in planes[:, top : top + 6, left : left + 6]:
                turned = [torch.rot90(each, turns) for each in (window, window.flip(1)) for turns in range(4)]
                everything |= {tuple(each.flatten().tolist()) for each in turned}
    assert found <= everything
    assert len(found) > 150  # of 1680: hardly any twice


def test_a_rim_is_not_shown() -> None:
    low = torch.zeros(1, 12, 12, 3, dtype=torch.uint8)
    low[:, :2], low[:, -2:], low[:, :, :2], low[:, :, -2:] = 255, 255, 255, 255
    crops, _ = sample([Pool(low, (low,), 100, rim=2)], 0, 4, 1, grey=0.0)
    assert not crops.any()


def test_grey_crops_are_grey_and_flat_ones_flat() -> None:
    low = torch.randint(0, 256, (2, 8, 8, 3), dtype=torch.uint8)
    grey, (target,) = sample([Pool(low, (low,), 50)], 0, 8, 1, grey=1.0)
    torch.testing.assert_close(grey, grey[:, :1].expand(-1, 3, -1, -1))
    torch.testing.assert_close(grey, target)
    crops, (large,) = sample([Pool(low, (low,), 1)], 6, 8, 1, grey=0.0)
    flat = crops[1:]
    torch.testing.assert_close(flat, flat[:, :, :1, :1].expand_as(flat))
    torch.testing.assert_close(large[1:], flat)
    assert len(flat.unique(dim=0)) > 1


# --- what they learn from -------------------------------------------------------------------------------------------


def test_no_photograph_is_on_both_sides() -> None:
    paths = [Path(f"{name}_{side}_0_384.jpg") for name in "abcdefghij" for side in (1400, 2600)]
    training, kept_out = split(paths, 0.2)
    assert len(training) == 16
    assert {photograph_of(path) for path in kept_out}.isdisjoint(photograph_of(path) for path in training)
    assert photograph_of(Path("some.name_1_2_3.jpg.avif")) == "some.name"  # packed, and with a dot of its own
    assert len(split(paths[:2], 0.01)[1]) == 2  # at least one photograph, with all its crops


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [2, 4])
def test_degraded_images_are_the_originals_smaller(kind: str, scale: int) -> None:
    high = np.linspace(0, 255, 96)[:, None, None].repeat(96, 1).repeat(3, 2).astype(np.uint8)
    low = low_resolution(high, scale, kind, np.random.default_rng(0))
    assert low.shape == (96 // scale, 96 // scale, 3)
    expected = high.reshape(96 // scale, scale, 96 // scale, scale, 3).mean(axis=(1, 3))
    assert abs(low.astype(float) - expected).mean() < 25
    assert np.array_equal(low, low_resolution(high, scale, kind, np.random.default_rng(0)))


def test_pairs_are_crops_of_the_images_then_text(tmp_path: Path) -> None:
    for number in range(2):
        Image.new("RGB", (40, 40), (100 * number, 50, 0)).save(tmp_path / f"{number}.png")
    Image.new("RGB", (10, 40)).save(tmp_path / "small.png")
    pairs = make_pairs(sorted(tmp_path.glob("*.png")), 16, 2, versions=3, pages=2, workers=1)
    assert pairs.low.shape == (8, 16, 16, 3)  # the small image is left out
    assert pairs.high.shape == (8, 32, 32, 3)
    assert {tuple(each[0, 0]) for each in pairs.high[:6]} == {(0, 50, 0), (100, 50, 0)}
    assert all(each.std() > 0 for each in pairs.high[6:])


def test_a_page_is_mostly_paper() -> None:
    page = text_page(256, np.random.default_rng(3)).mean(axis=2)
    paper = np.bincount(page.astype(int).ravel()).argmax()
    assert 0.3 < (abs(page - paper) < 3).mean() < 0.98
    assert np.array_equal(page, text_page(256, np.random.default_rng(3)).mean(axis=2))


def test_the_teachers_published_figure(data_folder: Path) -> None:
    teacher = load_smfanet(data_folder / "weights" / "SMFANet_plus_DF2K_x4.pth")
    found: list[float] = []
    for path in sorted((data_folder / "sr_test" / "Set5" / "HR").glob("*.png")):
        high = read_rgb(path)
        high = high[:, : high.shape[1] // 4 * 4, : high.shape[2] // 4 * 4]
        low = read_rgb(data_folder / "sr_test" / "Set5" / "LR_bicubic" / "X4" / f"{path.stem}x4.png")
        with torch.inference_mode():
            found.append(float(psnr_y(teacher(low[None].float() / 255).clamp(0, 1), high[None], 4)))
    assert np.mean(found) == pytest.approx(32.51, abs=0.005)


def test_another_checkpoint_is_no_teacher(data_folder: Path) -> None:
    with pytest.raises(UserError, match=r"squeezenet.*expected a checkpoint of SMFANet"):
        load_smfanet(data_folder / "weights" / "squeezenet1_1_onnxzoo_tvkeys.pth")


def test_answers_lie_beside_their_images(data_folder: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 24, 24, 3), dtype=np.uint8)
    for number, (width, height) in enumerate(((384, 384), (321, 481))):  # the second is turned and cut
        Image.fromarray(pixels[number]).resize((width, height)).save(tmp_path / f"{number}.png")
    images = StudentImages(sorted(tmp_path.iterdir()), data_folder / "weights", torch.device("cpu"), dry_run=True)
    square, wide = images.fidelity(2)
    assert square.low.shape == (1, 192, 192, 3)
    assert wide.low.shape == (1, 160, 240, 3)
    for pool in (square, wide):
        real, answer = (target.float() for target in pool.targets)
        assert real.shape == answer.shape
        assert (real - answer).abs().mean() < 6
    assert images.fidelity(2)[0] is square  # made once


def test_without_images_of_a_size_the_others_have_its_crops(tmp_path: Path) -> None:
    for number in range(2):
        Image.new("RGB", (384, 384), (number, 0, 0)).save(tmp_path / f"{number}.png")
    images = StudentImages(sorted(tmp_path.iterdir()), tmp_path, torch.device("cpu"), dry_run=True)
    assert [(tuple(each.shape), count) for each, count in images.of_sizes((20, 11))] == [((2, 3, 384, 384), 31)]
    pools = images.clean(4)
    assert sum(pool.crops for pool in pools) == BATCH - FLAT
    none = StudentImages([], tmp_path, torch.device("cpu"), dry_run=True)
    with pytest.raises(UserError, match="training images: expected some of 384x384 or 480x320, got none of 0"):
        none.clean(4)


def test_a_folder_that_is_not_packed_cannot_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "images" / "bsds").mkdir(parents=True)
    options = SimpleNamespace(device="cpu", stages=["x4-photo"], work=tmp_path, leave_out=["cc0"], images="a.zip")
    with pytest.raises(SystemExit, match=r"--leave-out: a\.zip has no folder cc0"):
        Trainer(options).run()  # pyright: ignore[reportArgumentType]


def test_what_was_trained_without_a_folder_is_not_released(tmp_path: Path) -> None:
    (tmp_path / "students.json").write_text(json.dumps({"x4-photo": {"left_out": ["bsds"]}}))
    with pytest.raises(UserError, match="x4-photo was trained without bsds; expected one of all images"):
        release(tmp_path, next(stage for stage in STAGES if stage.name == "x4-photo"), "Never.")


# --- training -------------------------------------------------------------------------------------------------------


def test_a_student_learns_in_the_time_it_is_given() -> None:
    student = BranchedStudent(ResidualSR(2, channels=4, groups=1, convolutions=1), torch.float32)
    image = torch.rand(4, 3, 8, 8)
    target = F.interpolate(image, scale_factor=2, mode="bilinear") * 0.5

    def objective() -> Tensor:
        return F.mse_loss(student(image), target)

    first = float(objective().detach())
    done = train_student(student, [(0.5, objective), (1.0, objective)], seconds=1.5, rate=1e-2)
    assert done.seconds >= 1.5
    assert done.steps == len(done.losses) > 3
    assert float(objective().detach()) < 0.8 * first


def test_a_loss_that_is_not_finite_costs_one_step() -> None:
    student = BranchedStudent(ResidualSR(2, channels=4, groups=1, convolutions=1), torch.float32)
    image, calls = torch.rand(1, 3, 8, 8), iter(range(10**6))

    def objective() -> Tensor:
        return student(image).square().mean() * (float("nan") if next(calls) == 5 else 1.0)

    done = train_student(student, [(1.0, objective)], seconds=0.3, rate=1e-3)
    assert done.restarts == 1
    assert all(bool(value.isfinite().all()) for value in student.folded().values())


@pytest.mark.parametrize(("share", "nearer"), [(0.0, "answers"), (1.0, "originals")])
def test_networks_compare_with_originals_for_their_share(data_folder: Path, share: float, nearer: str) -> None:
    """A student that enlarges each pixel to a square, as the one of both targets does."""
    low = torch.randint(0, 256, (1, 24, 24, 3), dtype=torch.uint8)
    large = low.repeat_interleave(4, 1).repeat_interleave(4, 2)
    targets = (large, 255 - large) if nearer == "answers" else (255 - large, large)
    terms = Terms(pixel=0, lpips=1, features=1, phase_bias=0, phase=0, consistency=0, originals=share)
    stage = Stage("x4-photo", "photo", 1, 1e-3, terms=terms, patch=16)
    trainer = Trainer(SimpleNamespace(device="cpu", stages=["x4-photo"], weights=data_folder / "weights"))  # pyright: ignore
    student = nn.Upsample(scale_factor=4)
    made = trainer.perceptual(stage, terms, student, [Pool(low, targets, 2)])()
    assert made < 1e-6
    assert trainer.perceptual(stage, terms, student, [Pool(low, targets[::-1], 2)])() > 0.1


def test_a_critic_learns_and_teaches() -> None:
    """Stripes are real, grey is not; the student's gradient leads to what the critic takes for real sooner."""
    torch.manual_seed(0)
    adversary = Adversary(torch.device("cpu"), torch.float32, channels=8)
    real = (torch.arange(32) // 4 % 2).float().expand(2, 3, 32, 32)
    made = torch.full((2, 3, 32, 32), 0.5, requires_grad=True)
    losses = [float(adversary.term(made, real).detach()) for _ in range(60)]
    assert losses[-1] > losses[0] + 0.5  # the critic knows which is which
    loss = adversary.term(made, real)
    own = [value.clone() for value in map(_gradient, adversary.parameters)]
    loss.backward()
    assert all(torch.equal(value, _gradient(each)) for value, each in zip(own, adversary.parameters, strict=True))
    direction = _gradient(made)
    better = (made - 0.1 * direction / direction.abs().max()).detach()
    with torch.no_grad():
        assert adversary.loss.generator_loss(adversary.critic(better).score) < loss


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


@pytest.mark.skipif(not torch.cuda.is_available(), reason="graphs are captured on a GPU")
def test_a_captured_step_has_the_critics() -> None:
    adversary = Adversary(torch.device("cuda"), torch.bfloat16, channels=8)
    real, made = torch.rand(2, 1, 3, 32, 32, device="cuda")
    run = _graph(lambda: adversary.term(made, real))
    before = [parameter.clone() for parameter in adversary.parameters]
    run()
    assert all(not torch.equal(old, new) for old, new in zip(before, adversary.parameters, strict=True))


def test_a_critic_outlives_a_loss_that_is_not_finite() -> None:
    adversary = Adversary(torch.device("cpu"), torch.float32, channels=4)
    image = torch.rand(1, 3, 24, 24)
    adversary.term(torch.full_like(image, float("nan")), image)
    assert adversary.term(image, image).isfinite()


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_a_stage_has_a_critic_where_its_terms_say_so(data_folder: Path, weight: float) -> None:
    low = torch.randint(0, 256, (1, 24, 24, 3), dtype=torch.uint8)
    large = low.repeat_interleave(4, 1).repeat_interleave(4, 2)
    terms = Terms(pixel=1, lpips=0, features=0, phase_bias=0, phase=0, consistency=0, originals=1, adversarial=weight)
    stage = Stage("x4-photo", "photo", 1, 1e-3, terms=terms, patch=16)
    trainer = Trainer(SimpleNamespace(device="cpu", stages=["x4-photo"], weights=data_folder / "weights"))  # pyright: ignore
    made = trainer.perceptual(stage, terms, nn.Upsample(scale_factor=4), [Pool(low, (large, large), 2)])()
    assert float(made) == pytest.approx(0.0 if weight == 0 else np.log(2), abs=0.1)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_stages_start_from_what_was_trained_before(stage: Stage) -> None:
    names = [each.name for each in STAGES]
    assert stage.start is None or names.index(stage.start) < names.index(stage.name)
    assert (stage.terms is None) == (stage.kind == "fidelity")
    student = BranchedStudent(config_of(stage).build(), torch.float32)
    assert student.scale == stage.scale
    assert stage.batch % BATCH == 0


def test_a_card_says_who_taught(tmp_path: Path) -> None:
    text = card(next(stage for stage in STAGES if stage.name == "x4-photo"), "for two minutes", "Never.")
    assert "| taught by | Real-ESRGAN x4plus (BSD-3-Clause" in text
    assert "| training | for two minutes |" in text
    assert json.loads(text.split("`residual` ")[1].split(" |")[0])["groups"] == 5


def test_a_card_lists_what_a_model_went_on_from() -> None:
    stage = next(stage for stage in STAGES if stage.name == "x4-photo")
    first = {"steps": 10, "batch": 4, "patch": 48, "seconds": 7.4, "start": "x4-fidelity"}
    second = {"steps": 2000, "batch": 4, "patch": 32, "seconds": 60.0, "start": "x4-photo", "before": first}
    text = training(stage, second, {"device": "a card"})
    assert "10 steps from x4-fidelity (40 crops of 48x48, 7 seconds), then 2,000 steps (8,000 crops of 32x32" in text
    assert "60 seconds) on one a card" in text
    assert "originals of degraded" not in text
    text = training(stage, second | {"terms": {"originals": 0.6}}, {"device": "a card"})
    assert text.endswith("and at last for 60 % of what LPIPS and VGG19 compare the originals of degraded images too")
    assert "critic" not in text
    assert "; a PatchGAN critic that compares with originals, pixels" in training(
        stage, second | {"terms": {"adversarial": 2.0}}, {"device": "a"}
    )


def test_a_model_that_goes_on_keeps_its_log(tmp_path: Path) -> None:
    log = {"x4-photo": {"steps": 10}}
    (tmp_path / "students.json").write_text(json.dumps(log))
    trainer = Trainer(SimpleNamespace(device="cpu", stages=["x4-photo"], start=tmp_path))  # pyright: ignore
    assert trainer.before("x4-photo", "x4-photo") == {"before": {"steps": 10}}
    assert trainer.before("x4-fidelity", "x4-photo") == {}
    (tmp_path / "students.json").unlink()
    assert trainer.before("x4-photo", "x4-photo") == {}


def test_photo_pools_have_answers_and_originals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only degraded images have a teacher's answer that is not the original."""
    random = np.random.default_rng(0)
    low = random.integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    high = random.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    kind = np.array([CLEAN, 1, 2, 3])
    np.savez(tmp_path / "pairs.npz", low=low, high=high, kind=kind, pages=1)
    weights = {name: value.half() for name, value in RRDBNet(4, blocks=1).state_dict().items()}
    save_file(weights, tmp_path / "x4plus_fp16.safetensors")
    monkeypatch.setattr(students_images, "RRDBNet", lambda scale: RRDBNet(scale, blocks=1))
    images = StudentImages([], tmp_path, torch.device("cpu"), dry_run=True)
    photographs, text = images.photo(2, tmp_path / "pairs.npz")
    answers, originals = photographs.targets
    assert torch.equal(originals, torch.from_numpy(high[:3]))
    assert torch.equal(answers[0], originals[0])
    assert not torch.equal(answers[1:], originals[1:])
    assert all(torch.equal(target, torch.from_numpy(high[3:])) for target in text.targets)
    assert images.photo(2, tmp_path / "nowhere.npz") == [photographs, text]  # made once


def test_the_photo_models_teacher_is_the_extras_network(tmp_path: Path) -> None:
    if realesrgan.installed() is None:
        pytest.skip(f"the extra is not installed: {realesrgan.INSTALL}")
    x4plus_teacher.write("realesrgan-x4plus", tmp_path / "teacher.safetensors")
    network = RRDBNet(4).eval()
    network.load_state_dict(
        {name: value.float() for name, value in load_file(tmp_path / "teacher.safetensors").items()}
    )
    image = torch.rand(1, 3, 9, 11)
    with torch.inference_mode():
        torch.testing.assert_close(network(image), load_model("realesrgan-x4plus").network(image), atol=2e-3, rtol=0)
    with pytest.raises(UserError, match="realesr-animevideov3-x4: expected the convolutions of an RRDBNet"):
        x4plus_teacher.write("realesr-animevideov3-x4", tmp_path / "other.safetensors")
