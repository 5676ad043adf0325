"""What a trainer may get wrong, and what may be wrong with files: one line that names it, before anything is built."""

import io
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from srgan_kit.data.npz import read_arrays
from srgan_kit.data.unpack import Unpacked
from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.rrdb import RRDBNet
from srgan_kit.limits import check_zip
from srgan_kit.models.generative import load_saved
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe
from srgan_kit.suggestions import did_you_mean
from srgan_kit.training import memory
from srgan_kit.training.loop import train

SMALL = ["steps=2", "data.batch=2", "data.patch=8", "device=cpu", "precision=fp32", "validation.every=1", "log_every=1"]
PLAIN = "generator={name='residual', channels=4, groups=1}"
Command = Callable[..., tuple[int, str, str]]


def recipe(images: Path, *more: str) -> Recipe:
    return load_recipe("smoke", [*SMALL, PLAIN, *more], images)


def said(name: str, overrides: list[str]) -> str:
    with pytest.raises(UserError) as error:
        load_recipe(name, overrides)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- recipes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "meant"),
    [
        ("learning_rate=3", "optimizer.learning_rate"),
        ("optimizer.lr=3", "optimizer.learning_rate"),
        ("data.bach=3", "data.batch"),
        ("batch_size=3", "data.batch"),
        ("generator.chanels=3", "generator.channels"),
        ("degradation=light", "data.degradation"),
        ("validation.holdot=3", "validation.holdout"),
        ("critic={name='unet', chanels=3}", "critic.channels"),
        ("patch_size=3", "data.patch"),
        ("num_workers=3", "data.workers"),
        ("batchsize=3", "data.batch"),
        ("max_steps=3", "steps"),
        ("SEED=3", "seed"),
        ("data.Batch=3", "data.batch"),
        ("dataset.batch=3", "data"),
        ("val.every=3", "validation"),
        ("save_every=3", "checkpoint_every"),
        ("ema_decay=0.9", "ema"),
    ],
)
def test_an_unknown_key_gets_the_nearest_known_one(override: str, meant: str) -> None:
    assert f"(did you mean {meant}?)" in said("smoke", [override])


def test_what_is_near_to_nothing_gets_no_hint() -> None:
    assert did_you_mean("colour", ["steps", "seed", "data.batch"]) == ""
    assert said("smoke", ["xyzzy=1"]).endswith("unknown key 'xyzzy'")
    assert said("smoke", ["generator.num_feat=64"]).endswith("unknown key 'generator.num_feat' of residual")
    assert said("smok", []).endswith("or a .toml file (did you mean smoke?)")


def test_a_name_alone_is_short_for_its_table() -> None:
    made = load_recipe("smoke", ["generator=rrdb", "generator.blocks=2", "variant=gan", "critic=unet"])
    assert made.generator.model_dump() == {
        "name": "rrdb",
        "scale": 4,
        "channels": 64,
        "blocks": 2,
        "growth": 32,
        "image_channels": 3,
    }
    assert made.critic is not None
    assert made.critic.name == "unet"
    light = load_recipe("smoke", ["data.degradation=light"])
    assert light.data.degradation == load_recipe("smoke", ["data.degradation={name='light'}"]).data.degradation
    changed = load_recipe("smoke", ["data.degradation=light", "data.degradation.final_sinc.probability=0"])
    assert changed.data.random_degradation is not None
    assert changed.data.random_degradation.final_sinc.probability == 0
    assert "expected one of residual, " in said("smoke", ["generator=residul"])
    assert "got 'residul' (did you mean residual?)" in said("smoke", ["generator=residul"])


def test_a_recipe_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(b"\xef\xbb\xbfname = 'mine'\nsteps = 3\n")
    assert load_recipe(str(file)).steps == 3


DEEP = "[" * 5000
ODD = [
    "variant={name=[]}",
    "variant={name={a=1}}",
    "variant=7",
    "critic={name=[]}",
    "generator={name={}}",
    "generator={channels=4}",
    "data.degradation={name=[1]}",
    f"data.batch={DEEP}",
    f"data.batch={'9' * 5000}",
    "weights.pixel=-1",
    "weights.pixel=nan",
    "weights.pixel=inf",
    "critic_weights.critic=-1",
    "weights=3",
    "weights={pixel={a=1}}",
    "steps=1979-05-27",
    "steps=99999999999999999999",
    "optimizer.betas=0.9",
    "generator.groups=1000000000",
    "data.reductions=[]",
    "latent.categorical=[1]",
    "perceptual.layers={conv5_4=-1}",
    "perceptual.layers={conv5_4=nan}",
    "optimizer.learning_rate=inf",
    "optimizer.clip_gradient=inf",
    "techniques.instance_noise=inf",
    "variant={name='vae', std=inf}",
    "variant.std=1",
    "data=3",
]


@pytest.mark.parametrize("override", ODD, ids=[each[:40] for each in ODD])
def test_odd_values_are_one_line(override: str) -> None:
    assert len(said("smoke", [override])) < 500


@pytest.mark.parametrize("line", ["variant = {name = []}", f"data = {DEEP}", "steps = " + "9" * 5000, "variant = [1]"])
def test_odd_recipe_files_are_one_line(line: str, tmp_path: Path) -> None:
    file = tmp_path / "odd.toml"
    file.write_text(f"name = 'odd'\n{line}\n" + ("" if "steps" in line else "steps = 3\n"))
    assert said(str(file), []).startswith(f"recipe {file}: ")


def test_a_weight_for_no_term_lists_all_that_there_are(two_classes: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        train(recipe(two_classes, "weights.perceptal=1"), tmp_path / "run")
    assert "(did you mean weights.perceptual?)" in str(error.value)
    listed = str(error.value).partition("they are ")[2].split(", ")
    assert {"pixel", "perceptual", "lpips", "fourier", "consistency", "feature_matching"} <= {*listed}


GAN = ["variant=gan", "critic={name='dcgan', channels=4}"]


@pytest.mark.parametrize(
    ("settings", "player", "table"),
    [
        (["weights.pixel=0"], "generator", "weights"),
        ([*GAN, "weights.pixel=0", "weights.adversarial=0"], "generator", "weights"),
        ([*GAN, "critic_weights.critic=0"], "critic", "critic_weights"),
    ],
)
def test_a_loss_that_is_always_0_is_named(
    settings: list[str], player: str, table: str, two_classes: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as error:
        train(recipe(two_classes, *settings), tmp_path / "run")
    expected = f"recipe: the {player}'s loss has no term: give one a weight other than 0 in [{table}]"
    assert str(error.value) == expected


def test_a_critic_of_a_penalty_alone_trains(two_classes: Path, tmp_path: Path) -> None:
    assert train(recipe(two_classes, *GAN, "critic_weights={critic=0, r1=1}"), tmp_path / "run").finished


# --- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["generator.channels=100000"], r"training networks of [\d,]{15,} parameters would take about .* GiB"),
        (["generator.channels=1000000000000"], "the networks cannot be built"),
        (["generator=rrdb", "generator.channels=1000000"], "training networks of"),
        (["variant=gan", "critic=unet", "critic.channels=1000000"], "training networks of"),
        (["data.batch=100000000"], r"a batch of 100000000 images of 32x32 would take about 3.43e\+03 GiB"),
        (["data.patch=1000000"], "a batch of 2 images of 4000000x4000000"),
        ([*GAN, "critic_steps=100000000"], r"of 2 images of 32x32, for each of 100000000 critic_steps, would take"),
        (["latent.noise=1000000000"], r"try smaller channels of the generator or a smaller latent$"),
        (["data.workers=100000"], r"data.workers: expected at most \d+ on this machine, got 100000"),
    ],
)
def test_what_does_not_fit_into_memory_is_refused_with_an_estimate(
    settings: list[str], message: str, two_classes: Path, tmp_path: Path
) -> None:
    start = time.process_time()
    with pytest.raises(UserError, match=message):
        train(recipe(two_classes, *settings), tmp_path / "run")
    assert time.process_time() - start < 10
    assert not (tmp_path / "run").exists()


def test_square_images_too_large_for_memory_are_refused_before_they_are_made(two_classes: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a batch of 64 images of 200000x200000"):
        train(load_recipe("dcgan", ["data.size=200000", "device=cpu"], two_classes), tmp_path / "run")


def test_a_step_is_measured_by_what_its_layers_put_out(two_classes: Path, tmp_path: Path, monkeypatch) -> None:
    """The check of a whole batch follows from a dry run; it is of the size that its layers say."""
    wide = "generator={name='residual', channels=64, groups=1}"
    found: list[int] = []
    check = memory._check
    monkeypatch.setattr(memory, "_check", lambda needed, *more: found.append(needed) or check(needed, *more))
    train(recipe(two_classes, wide, "data.batch=2"), tmp_path / "one")
    small = found[-1]
    train(recipe(two_classes, wide, "data.batch=8"), tmp_path / "two")
    assert found[-1] == 4 * small
    trunk = 2 * 64 * 8 * 8 * 4  # bytes of a layer's 64 maps of two crops
    assert memory.KEPT * 3 * trunk < small < memory.KEPT * 40 * trunk
    activations = memory.Activations()
    activations.bytes = 2 * trunk
    monkeypatch.setattr(memory, "available_memory", lambda device: 4 * trunk)
    memory.check_step(activations, 2, recipe(two_classes, "data.batch=8"), torch.device("cpu"))  # half of 8 trunks
    with pytest.raises(UserError, match=r"a step on 10 images of 32x32 would take about .* a smaller data\.batch"):
        memory.check_step(activations, 2, recipe(two_classes, "data.batch=10"), torch.device("cpu"))


def test_the_networks_of_every_check_are_those_that_are_built(two_classes: Path) -> None:
    made = recipe(two_classes, "variant=gan", "critic={name='unet', channels=300}")
    before = torch.get_rng_state()
    memory.check_networks(made, (3, 8), torch.device("cpu"))
    assert torch.equal(torch.get_rng_state(), before)


# --- data -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["super-resolution", "unconditional", "reconstruction"])
def test_black_images_train(task: str, tmp_path: Path) -> None:
    images = tmp_path / "black"
    images.mkdir()
    for number in range(20):
        Image.new("RGB", (40, 36)).save(images / f"{number}.png")
    more = ["data.size=16", "data.augment=none", "latent.noise=4", "generator={name='dcgan', channels=4}"]
    more = [PLAIN] if task == "super-resolution" else more
    gan = ["variant=gan", "critic={name='dcgan', channels=4}", "critic_weights.critic=1"]
    off = ["weights.pixel=0"] if task == "unconditional" else []
    made = load_recipe("smoke", [*SMALL, f"task={task}", *more, *gan, *off], images)
    assert train(made, tmp_path / "run").finished
    assert (tmp_path / "run" / "log.jsonl").read_text()


def arrays(path: Path, **more: np.ndarray) -> Path:
    np.savez_compressed(path, **more)  # pyright: ignore[reportArgumentType]
    return path


def test_labels_that_are_ids_are_numbered_in_their_order(tmp_path: Path) -> None:
    images = np.zeros((4, 2, 2), dtype=np.uint8)
    for kind in (np.int64, np.uint64):
        labels = np.array([10**12, 7, 10**12, 50], dtype=kind)
        read = read_arrays(arrays(tmp_path / "ids.npz", images=images, labels=labels))
        assert read.train.labels.tolist() == [2, 0, 2, 1]
        assert read.classes == ("7", "50", "1000000000000")
    tests = {"x_test": images[:2], "y_test": np.array([50, -1])}
    read = read_arrays(arrays(tmp_path / "test.npz", images=images, labels=np.array([10**12, 7, -1, 7]), **tests))
    assert read.test is not None
    assert (read.train.labels.tolist(), read.test.labels.tolist()) == ([2, 0, -1, 0], [1, -1])
    named = arrays(tmp_path / "named.npz", images=images, labels=np.array([10**12, 7, 10**12, 50]), classes=[*"abc"])  # pyright: ignore[reportArgumentType]
    assert (read_arrays(named).train.labels.tolist(), read_arrays(named).classes) == ([2, 0, 2, 1], ("a", "b", "c"))
    few = arrays(tmp_path / "few.npz", images=images, labels=np.array([10**12, 7, 10**12, 50]), classes=[*"ab"])  # pyright: ignore[reportArgumentType]
    with pytest.raises(UserError, match="classes: expected a name for each of 3 labels"):
        read_arrays(few)
    plain = read_arrays(arrays(tmp_path / "plain.npz", images=images, labels=np.array([0, 2, 2, 0])))
    assert (plain.train.labels.tolist(), plain.classes) == ([0, 2, 2, 0], ("0", "1", "2"))
    with pytest.raises(UserError, match="expected labels from 0 on"):
        read_arrays(arrays(tmp_path / "huge.npz", images=images, labels=np.array([0, 1, 2, 2**64 - 1], np.uint64)))


def npy(header: bytes, data: bytes = b"", magic: bytes = b"\x93NUMPY\x01\x00") -> bytes:
    header = header.ljust(118) + b"\n"
    return magic + len(header).to_bytes(2, "little") + header + data


SHAPE = b"{'descr': '|u1', 'fortran_order': False, 'shape': (%s), }"
BROKEN = {
    "huge": npy(SHAPE % b"1000000000000, 28, 28", b"\0" * 64),
    "short": npy(SHAPE % b"2, 4, 4", b"\0" * 20),
    "long": npy(SHAPE % b"2, 4, 4", b"\0" * 50),
    "negative": npy(SHAPE % b"-1, 4, 4", b"\0" * 16),
    "overflow": npy(SHAPE % b"4294967296, 4294967296, 4", b"\0" * 16),
    "text": npy(b"{'descr': 'nonsense', 'fortran_order': False, 'shape': (2, 4, 4), }", b"\0" * 32),
    "no dictionary": npy(b"[1, 2", b"\0" * 32),
    "a call": npy(b"__import__('os').getcwd()", b"\0" * 32),
    "deep": npy(b"(" * 100, b"\0" * 32),
    "bytes": npy(b"\xff\xfe\x00", b"\0" * 32),
    "objects": npy(b"{'descr': '|O', 'fortran_order': False, 'shape': (2, 4, 4), }", b"\0" * 32),
    "records": npy(b"{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (8,), }", b"\0" * 32),
    "no magic": b"not an array",
    "a later version": npy(SHAPE % b"2, 4, 4", b"\0" * 32, b"\x93NUMPY\x09\x00"),
    "empty": b"",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_headers_of_arrays_are_one_line(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("images.npy", BROKEN[kind])
    start = time.monotonic()
    with pytest.raises(UserError) as error:
        read_arrays(path)
    assert time.monotonic() - start < 2
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_archives_that_unpack_to_far_more_than_they_are_are_refused(tmp_path: Path) -> None:
    for name in ("bomb.npz", "bomb.zip"):
        with (
            zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as file,
            file.open("images.npy", "w", force_zip64=True) as member,
        ):
            for _ in range(11):
                member.write(bytes(100_000_000))
    with pytest.raises(UserError, match=r"bomb.npz: refused, it may be a bomb: .* would become 1,100,000,000"):
        read_arrays(tmp_path / "bomb.npz")
    with pytest.raises(UserError, match=r"bomb.zip: refused, it may be a bomb"):
        Unpacked(tmp_path / "bomb.zip")
    small = io.BytesIO()
    with zipfile.ZipFile(small, "w") as file:
        file.writestr("a", bytes(1000))
    (tmp_path / "small.zip").write_bytes(small.getvalue())
    check_zip(tmp_path / "small.zip", room=1000)
    with pytest.raises(UserError, match="are free"):
        check_zip(tmp_path / "small.zip", room=999)


@pytest.mark.parametrize("task", ["super-resolution", "unconditional"])
def test_one_image_or_an_npz_where_a_folder_is_expected_is_named(task: str, two_classes: Path, tmp_path: Path) -> None:
    more = [] if task == "super-resolution" else ["data.augment=none", "generator=dcgan", "latent.noise=4"]
    photo = next(two_classes.rglob("*.png"))
    npz = arrays(tmp_path / "a.npz", images=np.zeros((4, 64, 64), np.uint8))
    refused = {photo: "an image; expected a folder of images"}
    if task == "super-resolution":
        refused[npz] = "super-resolution"
    for path, message in refused.items():
        with pytest.raises(UserError, match=message) as error:
            train(load_recipe("smoke", [*SMALL, f"task={task}", *more], path), tmp_path / "run")
        assert str(error.value).startswith(f"{path}: ")


@pytest.mark.parametrize("content", [None, b"no image", "small"])
def test_what_is_wrong_with_images_of_an_archive_is_said_of_the_archive(
    content: bytes | str | None, tmp_path: Path
) -> None:
    packed, small = tmp_path / "a.zip", io.BytesIO()
    Image.new("RGB", (3, 3)).save(small, "PNG")
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("in/a.txt" if content is None else "in/a.png", small.getvalue() if content == "small" else b"x")
    with pytest.raises(UserError) as error:
        train(recipe(packed), tmp_path / "run")
    where = {None: f"{packed}: no image found", b"no image": f"({packed}/in/a.png: not an image", "small": "3x3 pixels"}
    assert where[content] in str(error.value)
    assert "srgan-kit-" not in str(error.value)


def test_an_image_of_an_archive_that_is_left_out_has_its_name_there(
    two_classes: Path, tmp_path: Path, command: Command
) -> None:
    packed = tmp_path / "a.zip"
    with zipfile.ZipFile(packed, "w") as file:
        for photo in two_classes.rglob("*.png"):
            file.write(photo, photo.name)
        file.writestr("in/bad.png", b"no image")
    status, _, err = command("train", "smoke", "--data", packed, "-o", tmp_path / "run", *_settings(*SMALL, PLAIN))
    assert (status, err.splitlines()[0].partition(": ")[0]) == (0, f"skipped {packed}/in/bad.png")


def _settings(*settings: str) -> list[str]:
    return [word for each in settings for word in ("--set", each)]


def test_points_are_no_images(two_classes: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"recipe: data\.channels: images have 3 \(RGB\) or 1 \(grey\), got 2"):
        train(load_recipe("dcgan", ["data.channels=2", "device=cpu"], two_classes), tmp_path / "run")


def test_a_file_where_a_folder_to_validate_on_is_expected_is_named(two_classes: Path, tmp_path: Path) -> None:
    photo, other = next(two_classes.rglob("*.png")), tmp_path / "a.txt"
    other.write_text("no image")
    for path, message in ((photo, "an image; expected a folder"), (other, "expected a folder of images, got a file")):
        with pytest.raises(UserError, match=f"^{path}: {message}"):
            train(recipe(two_classes, f"validation.folder={path}"), tmp_path / "run")


# --- weights ----------------------------------------------------------------------------------------------------------


def test_weights_to_start_from_name_the_first_difference(two_classes: Path, tmp_path: Path) -> None:
    train(recipe(two_classes), tmp_path / "base")
    base = f"initialise_from={tmp_path / 'base' / 'model.safetensors'}"
    expected = {
        "generator.channels=8": r"head\.weight: expected 8x3x3x3, got 4x3x3x3",
        "generator.groups=2": r"they lack body\.1\.convolutions\.0\.weight",
        "generator={name='srresnet', channels=4}": "they (lack|have)",
    }
    for change, message in expected.items():
        with pytest.raises(UserError, match=f"do not fit this recipe's generator: {message}"):
            train(recipe(two_classes, base, change), tmp_path / "other")


@pytest.mark.parametrize("scale", [2, 4])
def test_a_community_checkpoint_of_an_architecture_of_the_kit_starts_a_run(
    scale: int, two_classes: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    theirs = RRDBNet(scale, channels=64 if scale == 2 else 32, blocks=1)
    torch.save({"params_ema": theirs.state_dict()}, tmp_path / "RealESRGAN.pth")
    channels = theirs.conv_first.out_channels
    made = recipe(
        two_classes,
        f"generator={{name='rrdb', scale={scale}, channels={channels}, blocks=1}}",
        f"initialise_from={tmp_path / 'RealESRGAN.pth'}",
        "optimizer.learning_rate=1e-12",
        "steps=1",
    )
    train(made, tmp_path / "run")
    ours = load_file(tmp_path / "run" / "model.safetensors")
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours[name], value, atol=1e-8, rtol=0)


def test_a_comparator_without_weights_names_its_key_and_gives_no_unsafe_advice(
    two_classes: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.pth"
    torch.save({"a": Path("x")}, bad)
    with pytest.raises(UserError) as error:
        train(recipe(two_classes, "weights.perceptual=1", f"perceptual.weights={bad}"), tmp_path / "run")
    assert str(error.value) == f"recipe: perceptual: {bad}: damaged, or more than weights (code is never run)"
    program = (
        "import sys, torch; torch.hub.set_dir(sys.argv[1]); from srgan_kit.recipes.load import load_recipe; "
        "from srgan_kit.tasks.comparators import comparator; comparator(load_recipe('smoke').perceptual)"
    )
    environment = {"https_proxy": "http://127.0.0.1:9", "PATH": "/usr/bin", "PYTHONPATH": ":".join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, env=environment, check=False
    )
    assert "--set perceptual.weights=FILE" in result.stderr.splitlines()[-1]


def test_a_generative_model_that_does_not_name_its_classes_is_refused(tiny_run, tmp_path: Path) -> None:
    source = tiny_run("gan") / "model.safetensors"
    with safe_open(source, framework="pt") as file:
        metadata = file.metadata()
    for key in ("classes", "condition", "recipe"):
        kept = {name: value for name, value in metadata.items() if name != key}
        save_file(load_file(source), tmp_path / "m.safetensors", metadata=kept)
        with pytest.raises(UserError, match=f"it says nothing of its '{key}'"):
            load_saved(tmp_path / "m.safetensors")
    for value in ("7", "{", "null"):
        save_file(load_file(source), tmp_path / "m.safetensors", metadata=metadata | {"classes": value})
        with pytest.raises(UserError, match="does not fit this version"):
            load_saved(tmp_path / "m.safetensors")


# --- several processes ------------------------------------------------------------------------------------------------


def test_the_second_process_prints_nothing(two_classes: Path, tmp_path: Path) -> None:
    settings = [word for each in (*SMALL, PLAIN) for word in ("--set", each)]
    command = ["-m", "srgan_kit", "train", "smoke", "--data", str(two_classes), "-o", str(tmp_path / "run"), *settings]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    result = subprocess.run([*launch, *command], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 1
    assert result.stderr.count("16 parameters" if "16 parameters" in result.stderr else "parameters,") == 1
    result = subprocess.run([*launch, *command], capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert result.stderr.count("holds a run already") == 1
