"""`--engine ray` on a local cluster of two workers: the same bytes, also where a worker is killed."""

import contextlib
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from upscale_command import run, save_tiny_model

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Two workers that see what this process does."""
    here = Path(__file__).parents[3]
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        logging_level="ERROR",
        log_to_driver=False,
        object_store_memory=200_000_000,
        runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")])}},
    )
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_tiny_model(tmp_path_factory.mktemp("model"))


def workers() -> list[psutil.Process]:
    """Processes of the cluster that upscale a tile just now."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[:1] and process.cmdline()[0].startswith("ray::run_tile"):
                found.append(process)
    return found


def make_images(folder: Path) -> list[str]:
    """One of many tiles, and small ones."""
    random = np.random.default_rng(0)
    for name, side in (("huge", 300), ("small0", 24), ("small1", 24)):
        Image.fromarray(random.integers(0, 256, (side, side + 8, 3), np.uint8)).save(folder / f"{name}.png")
    return sorted(path.name for path in folder.glob("*.png"))


@pytest.mark.usefixtures("cluster")
def test_a_cluster_makes_the_same_bytes_and_a_killed_worker_loses_nothing(
    tmp_path: Path, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from srgan_kit.upscaling.ray_engine import RayRunner

    names = make_images(tmp_path)
    options = ["-m", weights, "--tile", "60", "--ensemble", "--device", "cpu", "--precision", "fp32"]
    assert run(tmp_path, *names, *options, "-o", "local/").returncode == 0

    killed: list[int] = []
    kept, one_at_a_time = RayRunner.run, threading.Lock()

    def run_and_kill(runner: RayRunner, tile: np.ndarray, wanted: np.dtype) -> tuple[np.ndarray, bool]:
        with one_at_a_time:
            if not killed and (at_work := workers()):
                os.kill(at_work[0].pid, signal.SIGKILL)
                killed.append(at_work[0].pid)
        return kept(runner, tile, wanted)

    monkeypatch.setattr(RayRunner, "run", run_and_kill)
    done = run(tmp_path, *names, *options, "-o", "cluster/", "--engine", "ray")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(killed) == 1
    for name in names:
        result = name.replace(".png", "_x4.png")
        assert (tmp_path / "cluster" / result).read_bytes() == (tmp_path / "local" / result).read_bytes(), name

    shutil.rmtree(tmp_path / "cluster")
    (tmp_path / "broken.png").write_bytes(b"no image")
    done = run(tmp_path, "broken.png", names[1], *options, "-o", "cluster/", "--engine", "ray")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert [path.name for path in (tmp_path / "cluster").iterdir()] == [names[1].replace(".png", "_x4.png")]


def test_without_the_extra_it_is_said_what_to_install(
    tmp_path: Path, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_images(tmp_path)
    monkeypatch.setattr("srgan_kit.upscaling.engines.find_spec", lambda name: None)
    done = run(tmp_path, "small0.png", "-m", weights, "--engine", "ray")
    assert done.stderr == "error: engine 'ray' needs the extra ray: pip install 'srgan-kit[ray]'\n"
    assert done.returncode == 2
    assert run(tmp_path, "small0.png", "--engine", "abacus").stderr == (
        "error: engine 'abacus': expected one of local, onnx, ray\n"
    )


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-m", "mine.onnx"], "error: model mine.onnx: --engine ray runs PyTorch's models; expected no .onnx file\n"),
        (["--device", "mps"], "error: device 'mps': expected one of auto, cpu, cuda with --engine ray\n"),
        (["--precision", "fp8"], "error: precision 'fp8': expected auto, fp32, bf16 or fp16\n"),
    ],
)
def test_what_a_cluster_cannot_is_one_line(tmp_path: Path, options: list[str], message: str) -> None:
    make_images(tmp_path)
    done = run(tmp_path, "small0.png", "--engine", "ray", *options)
    assert (done.returncode, done.stderr) == (2, message)
