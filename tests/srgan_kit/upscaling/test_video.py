"""Videos upscaled: frames, their times and colours, and all that is copied; what a stopped run leaves."""

import io
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

av = pytest.importorskip("av")

from av.stream import Disposition  # noqa: E402
from clips import copied_packets, flags_of, frames_of, make_clip, shown_times, variable_times  # noqa: E402
from upscale_command import run, save_tiny_model  # noqa: E402

from srgan_kit.errors import UserError  # noqa: E402
from srgan_kit.images.mark import read_mark  # noqa: E402
from srgan_kit.upscaling import video as module  # noqa: E402
from srgan_kit.upscaling.upscaler import Upscaler  # noqa: E402
from srgan_kit.upscaling.video import UpscaledVideo, VideoOptions, upscale_video  # noqa: E402
from srgan_kit.video.colors import Colors, from_rgb, to_rgb  # noqa: E402
from srgan_kit.video.encode import PartWriter, encoder_options  # noqa: E402
from srgan_kit.video.frames import Place, decoded  # noqa: E402
from srgan_kit.video.join import _decoding_times  # noqa: E402
from srgan_kit.video.layouts import LAYOUTS, planes_of  # noqa: E402
from srgan_kit.video.source import look  # noqa: E402

HDR_SIZE = (64, 48)
"""x265 writes beyond its memory where 10 bits are 48 pixels wide."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def upscaler(weights: str) -> Upscaler:
    return Upscaler(weights, "cpu", "fp32")


@pytest.fixture(autouse=True)
def _short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHORTEST", 8)
    monkeypatch.setattr(module, "LONGEST", 10)


def times_four(size: tuple[int, int]) -> tuple[int, int]:
    return 4 * size[0], 4 * size[1]


def upscale(source: Path, target: Path, upscaler: Upscaler, progress: Any = None, **options: Any) -> UpscaledVideo:
    wanted: dict[str, Any] = {"size": times_four} | options
    return upscale_video(source, target, upscaler, VideoOptions(**wanted), progress)


# --- what is kept ---------------------------------------------------------------------------------------------------


def test_all_of_a_file_is_kept(tmp_path: Path, upscaler: Upscaler) -> None:
    """Sound and subtitles byte for byte, every time exactly, chapters, words, rotation, shape of pixels, colours."""
    source = make_clip(
        tmp_path / "a.mp4",
        times=variable_times(30),
        sound=True,
        subtitles=True,
        said=True,
        turned=90,
        pixel_shape=Fraction(4, 3),
    )
    target = tmp_path / "b.mp4"
    made = upscale(source, target, upscaler, software=lambda model: f"srgan-kit 0.1.0 ({model}, x4)")
    assert (made.frames, made.size, made.notes) == (30, (128, 192), ())  # as it is shown
    assert shown_times(target) == shown_times(source) == [Fraction(at, 90000) for at in variable_times(30)]
    before, after = copied_packets(source), copied_packets(target)
    assert len(before["audio"]) > 40
    assert after == before
    assert flags_of(target) == flags_of(source) | {"size": (192, 128)}
    with av.open(str(source)) as first, av.open(str(target)) as second:
        assert second.chapters() == first.chapters()
        assert [second.metadata[name] for name in ("title", "comment")] == ["A clip", "as it was"]
        languages = [[s.metadata.get("language") for s in each.streams] for each in (first, second)]
        assert languages[0] == languages[1]
        assert second.streams.video[0].duration == first.streams.video[0].duration
    assert read_mark(target) == "tiny, x4"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


@pytest.mark.parametrize(("ending", "codec"), [(".mkv", "h264"), (".mov", "h265"), (".webm", "av1"), (".mkv", "ffv1")])
def test_every_container_and_codec(tmp_path: Path, upscaler: Upscaler, ending: str, codec: str) -> None:
    source = make_clip(tmp_path / f"a.{'mkv' if ending == '.webm' else ending[1:]}", 12, colors=(1, 1, 1, 1))
    target = tmp_path / f"b{ending}"
    upscale(source, target, upscaler, codec=codec, software=lambda model: f"srgan-kit 0.1.0 ({model}, x4)")
    assert shown_times(target) == shown_times(source)
    assert flags_of(target) == flags_of(source) | {"size": (192, 128)}
    assert read_mark(target) == "tiny, x4"
    with av.open(str(target)) as container:
        assert container.streams.video[0].codec_context.name == {"h265": "hevc", "av1": "libdav1d"}.get(codec, codec)


def test_frames_are_those_of_the_upscaler(tmp_path: Path, upscaler: Upscaler) -> None:
    """FFV1 loses nothing: each frame is what an image of it becomes, but for the rounding to 8 bits of YCbCr."""
    source = make_clip(tmp_path / "a.mkv", 12, codec="ffv1", layout="yuv444p", colors=(1, 1, 1, 1))
    upscale(source, tmp_path / "b.mkv", upscaler)
    with av.open(str(source)) as first, av.open(str(tmp_path / "b.mkv")) as second:
        for before, after in zip(first.decode(video=0), second.decode(video=0), strict=True):
            colors = Colors(1, 1, 1, 1)
            expected = upscaler.upscale(to_rgb(before, colors)).astype(int)
            assert np.abs(to_rgb(after, colors) - expected).max() <= 2 * 257


def test_ten_bits_stay_ten_bits_and_hdr_is_said(tmp_path: Path, upscaler: Upscaler) -> None:
    display = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    options = {"x265-params": f"log-level=error:master-display={display}:max-cll=900,300"}
    source = make_clip(
        tmp_path / "a.mp4",
        10,
        codec="libx265",
        layout="yuv420p10le",
        size=HDR_SIZE,
        colors=(1, 9, 9, 16),
        options=options,
    )
    for codec, ending in (("h265", "mp4"), ("h264", "mp4"), ("av1", "mkv")):
        target = tmp_path / f"{codec}.{ending}"
        assert upscale(source, target, upscaler, codec=codec).notes == ()
        assert flags_of(target) == flags_of(source) | {"size": times_four(HDR_SIZE)}
        first, second = look(source).display, look(target).display
        assert first.light == second.light == (900, 300)
        assert np.allclose([float(x) for x in first.primaries], [float(x) for x in second.primaries], atol=2e-5)
        assert np.allclose([float(x) for x in first.luminance], [0.005, 1000])
        assert np.allclose([float(x) for x in second.luminance], [0.005, 1000], atol=1e-4)


def test_full_range_stays_full(tmp_path: Path, upscaler: Upscaler) -> None:
    source = make_clip(tmp_path / "a.mp4", 8, layout="yuvj420p", colors=(2, 6, 1, 13))
    upscale(source, tmp_path / "b.mp4", upscaler)
    assert flags_of(tmp_path / "b.mp4")["colors"] == (2, 6, 1, 13)
    means = [frames_of(path, Colors(6, 2, 1, 13))[3].mean() for path in (source, tmp_path / "b.mp4")]
    assert abs(means[0] - means[1]) < 2 * 257


def test_a_matrix_that_nobody_states_is_stated(tmp_path: Path, upscaler: Upscaler) -> None:
    """Else players would take another one for the larger video."""
    source = make_clip(tmp_path / "a.mp4", 8, colors=(0, 2, 2, 2))
    made = upscale(source, tmp_path / "b.mp4", upscaler)
    assert made.notes[0].startswith("its colours are taken for BT.601, by its size")
    assert flags_of(tmp_path / "b.mp4")["colors"][1:] == (6, 2, 2)


@pytest.mark.parametrize("scale", [3, 1])
def test_odd_sizes_become_even_where_chroma_is_halved(tmp_path: Path, upscaler: Upscaler, scale: int) -> None:
    source = make_clip(tmp_path / "a.mkv", 4, codec="ffv1", size=(47, 31))
    made = upscale(source, tmp_path / "b.mp4", upscaler, codec="h264", size=lambda s: (s[0] * scale, s[1] * scale))
    width, height = 47 * scale, 31 * scale
    assert made.size == (width // 2 * 2, height // 2 * 2)
    assert f"{width}x{height} becomes {made.size[0]}x{made.size[1]}: yuv420p has even sides only" in made.notes
    assert frames_of(tmp_path / "b.mp4")[0].shape == (made.size[1], made.size[0], 3)


# --- colours --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("matrix", [1, 6, 9])
@pytest.mark.parametrize("name", ["yuv420p", "yuv422p", "yuv444p10le", "yuv420p12le", "gbrp10le", "gray"])
def test_flat_colours_come_back_to_the_rounding_of_the_layout(name: str, matrix: int) -> None:
    """The bound is that of rounding: half a step of luma, and half a step of chroma times its largest coefficient."""
    layout, random = LAYOUTS[name], np.random.default_rng(0)
    blocks = np.kron(random.integers(0, 65536, (4, 5, 3)), np.ones((8, 8, 1), int)).astype(np.uint16)
    pixels = blocks[:, :, :1] if layout.kind == "gray" else blocks
    for color_range, (span, chroma) in ((1, (219, 224)), (2, (255, 255))):
        colors = Colors(matrix, color_range, 1, 1)
        back = to_rgb(from_rgb(pixels, layout, colors), colors)
        step = 65535 / (2 ** (layout.bits - 8))
        step = 65535 / (2**layout.bits - 1) if color_range == 2 or layout.kind == "rgb" else step / span
        most = step / 2 if layout.kind != "yuv" else step / 2 * (1 + 1.89 * (span / chroma))
        middle = slice(4, None, 8)  # away from the edges, which chroma is blurred over
        assert np.abs(back.astype(int) - pixels)[middle, middle].max() <= most * 1.01 + 1


def test_known_colours_by_hand() -> None:
    """White, red and grey of BT.709 in limited range: ITU-R BT.709, item 3.4 and 4.6."""
    pixels = np.array([[[65535] * 3, [65535, 0, 0], [32768] * 3]], np.uint16)
    frame = from_rgb(pixels, LAYOUTS["yuv444p10le"], Colors(1, 1, 1, 1))
    rows = [np.frombuffer(memoryview(plane), np.uint16)[:3].tolist() for plane in frame.planes]
    assert rows == [[940, 250, 502], [512, 409, 512], [512, 960, 512]]


def test_chroma_stays_where_it_lies() -> None:
    """A ramp of colour comes back from 4:2:0 as a ramp, not shifted: the mean error is nothing."""
    columns = np.linspace(10000, 50000, 64)
    pixels = np.stack([np.tile(columns, (16, 1)), np.full((16, 64), 30000), 60000 - np.tile(columns, (16, 1))], axis=2)
    colors = Colors(1, 1, 1, 1)
    back = to_rgb(from_rgb(pixels.astype(np.uint16), LAYOUTS["yuv420p16le"], colors), colors)
    assert np.abs(back.astype(float) - pixels)[:, 2:-2].max() < 3


def test_layouts_of_cameras_are_unpacked() -> None:
    """By hand: each sample is put where the layout has it."""
    random = np.random.default_rng(1)
    luma, blue, red = (random.integers(0, 256, shape).astype(np.uint8) for shape in ((4, 6), (4, 3), (4, 3)))
    packed = np.empty((4, 12), np.uint8)
    packed[:, 0::2], packed[:, 1::4], packed[:, 3::4] = luma, blue, red
    ten = (random.integers(0, 1024, (4, 6)), random.integers(0, 1024, (2, 3)), random.integers(0, 1024, (2, 3)))
    pairs = np.stack(ten[1:], axis=2).reshape(2, 6)
    rgb = random.integers(0, 256, (4, 6, 4)).astype(np.uint8)
    cases = {
        "yuyv422": ([packed], [luma, blue, red]),
        "nv16": ([luma, np.stack([blue, red], axis=2).reshape(4, 6)], [luma, blue, red]),
        "p010le": ([(ten[0] << 6).astype(np.uint16), (pairs << 6).astype(np.uint16)], list(ten)),
        "bgr0": ([rgb.reshape(4, 24)], [rgb[:, :, 1], rgb[:, :, 0], rgb[:, :, 2]]),
    }
    for name, (stored, expected) in cases.items():
        frame = av.VideoFrame(6, 4, name)
        for plane, values in zip(frame.planes, stored, strict=True):
            rows = np.zeros((plane.buffer_size // plane.line_size, plane.line_size), np.uint8)
            raw = values.view(np.uint8)
            rows[: len(raw), : raw.shape[1]] = raw
            plane.update(rows.tobytes())
        for found, right in zip(planes_of(frame), expected, strict=True):
            assert np.array_equal(found, right), name


def test_the_display_of_hdr_in_the_words_of_each_encoder(tmp_path: Path) -> None:
    options = {"x265-params": "log-level=error:max-cll=900,300"}
    source = make_clip(tmp_path / "a.mp4", 3, codec="libx265", layout="yuv420p10le", size=HDR_SIZE, options=options)
    video = look(source)
    encoding, _ = module.choose_encoding(video, "h265", (96, 64), 70)
    assert encoder_options(encoding, video.display) == {"crf": "15", "x265-params": "log-level=error:max-cll=900,300"}


def test_decoding_times_by_hand() -> None:
    assert _decoding_times([0, 30, 10, 20, 60, 40]) == [-10, 0, 10, 20, 30, 40]
    assert _decoding_times([5, 6, 7]) == [5, 6, 7]
    assert _decoding_times([9]) == [9]


# --- a run that is stopped ------------------------------------------------------------------------------------------


class StopHere(BaseException):
    pass


@pytest.mark.parametrize("gop", [4, 250])
def test_a_stopped_run_goes_on_and_gives_the_same_file(tmp_path: Path, upscaler: Upscaler, gop: int) -> None:
    """At key frames, and where there are none."""
    source = make_clip(tmp_path / "a.mp4", 36, times=variable_times(36), sound=True, gop=gop)
    upscale(source, tmp_path / "whole.mp4", upscaler)
    target, seen = tmp_path / "b.mp4", []

    def stop(done: int, total: int) -> None:
        seen.append(done)
        if len(seen) in (13, 20):
            raise StopHere

    for _ in range(2):
        with pytest.raises(StopHere):
            upscale(source, target, upscaler, stop)
        assert not target.exists()
    made = upscale(source, target, upscaler, stop)
    assert made.resumed > 0
    assert len(seen) < 36 + 2 * 10
    assert target.read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert not (tmp_path / "b.mp4.parts").exists()


@pytest.mark.parametrize(
    ("known", "without"),
    [
        ({"baseline": ["X86_V2"], "found": ["X86_V3", "X86_V4", "AVX512_ICL"]}, True),
        ({"baseline": ["SSE"], "found": ["AVX2", "AVX512F"], "not found": ["AVX512_SPR"]}, True),
        ({"baseline": ["X86_V4"]}, True),
        ({"baseline": ["X86_V2"], "found": ["X86_V3"], "not found": ["X86_V4", "AVX512_ICL"]}, False),
        ({"baseline": ["NEON", "ASIMD"], "found": ["ASIMDHP"]}, False),
        (None, False),
    ],
)
def test_x264_runs_without_its_avx512_code(
    known: dict[str, list[str]] | None, without: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = look(make_clip(tmp_path / "a.mp4", 2))
    monkeypatch.setattr(np, "show_config", lambda mode: {} if known is None else {"SIMD Extensions": known})
    for codec, option in (("h264", "x264-params"), ("h265", "x265-params")):
        encoding, _ = module.choose_encoding(video, codec, video.size, None)
        options = encoder_options(encoding, video.display)
        assert ("asm=avx2" in options.get(option, "")) == (without and codec == "h264")


def test_the_same_frames_become_the_same_file(tmp_path: Path) -> None:
    """With AVX-512 this fails for frames of 192 pixels, unless x264 leaves it alone."""
    video = look(make_clip(tmp_path / "a.mp4", 24, times=variable_times(24), size=(192, 128)))
    encoding, _ = module.choose_encoding(video, "h264", video.size, None)
    frames = [(frame.pixels, frame.pts) for frame in decoded(video, Place(), Counter())]
    made: set[bytes] = set()
    for _ in range(8):
        with PartWriter(tmp_path / "part.nut", video, encoding) as writer:
            for pixels, pts in frames:
                writer.add(pixels, pts)
        made.add((tmp_path / "part.nut").read_bytes())
    assert len(made) == 1


def test_parts_of_other_settings_are_not_taken(tmp_path: Path, upscaler: Upscaler) -> None:
    source = make_clip(tmp_path / "a.mp4", 24)

    def stop(done: int, total: int) -> None:
        if done == 20:
            raise StopHere

    with pytest.raises(StopHere):
        upscale(source, tmp_path / "b.mp4", upscaler, stop)
    made = upscale(source, tmp_path / "b.mp4", upscaler, quality=90)
    assert made.resumed == 0
    assert made.notes == ("parts of an earlier run with other settings, or of another input, were removed",)


@pytest.mark.skipif(sys.platform == "win32", reason="needs Unix")
def test_a_killed_command_goes_on(tmp_path: Path, weights: str) -> None:
    """First by SIGKILL, then by Ctrl-C; then it ends, and the file is that of a run never stopped."""
    make_clip(tmp_path / "a.mp4", 60, size=(96, 64), sound=True, gop=4)
    program = """
import sys, time
from srgan_kit.upscaling import video
video.SHORTEST, video.LONGEST = 8, 10
kept = video._Work.upscaled
video._Work.upscaled = lambda work, frame: (time.sleep(0.03), kept(work, frame))[1]
from srgan_kit.cli.main import run
sys.argv = ["srgan-kit", *sys.argv[1:]]
run()"""
    arguments = ["a.mp4", "-m", weights, "--device", "cpu"]
    state = tmp_path / "a_x4.mp4.parts" / "state.json"

    def hear() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    for number, parts in ((signal.SIGKILL, 2), (signal.SIGINT, 4)):
        command = [sys.executable, "-c", program, "upscale", *arguments]
        process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=hear)
        for _ in range(3000):
            if state.exists() and len(json.loads(state.read_text())["starts"]) >= parts:
                break
            time.sleep(0.01)
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
        assert not (tmp_path / "a_x4.mp4").exists()
    assert (process.returncode, errors) == (
        130,
        "stopped by SIGINT: 0 of 1 images done; the same command goes on with a_x4.mp4.parts\n",
    )
    done = run(tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    assert "of 60 frames, which a stopped run had made" in done.stderr
    (tmp_path / "a_x4.mp4").rename(tmp_path / "resumed.mp4")
    assert run(tmp_path, *arguments).stderr == ""
    assert (tmp_path / "a_x4.mp4").read_bytes() == (tmp_path / "resumed.mp4").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "a_x4.mp4", "resumed.mp4"]


# --- one model, and mistakes ----------------------------------------------------------------------------------------


def test_one_model_for_all_frames(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", 20)
    choice = module.choose_model(look(source), Upscaler(device="cpu"), 4)
    assert choice.model.startswith("x4-")
    assert choice.reason.endswith(" of 5 frames")


def mistakes(folder: Path) -> Iterator[tuple[Path, str]]:
    with av.open(str(folder / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    yield folder / "sound.mp4", "has no video stream"
    whole = make_clip(folder / "whole.mp4", 60)
    (folder / "empty.mp4").write_bytes(b"")
    yield folder / "empty.mp4", "cannot be read: "
    (folder / "cut.mp4").write_bytes(whole.read_bytes()[:1500])
    yield folder / "cut.mp4", "cannot be read: "
    matroska = make_clip(folder / "whole.mkv", 75, codec="ffv1").read_bytes()
    (folder / "cut.mkv").write_bytes(matroska[: len(matroska) // 3])
    yield folder / "cut.mkv", "is cut off: its frames end after 1.0 s of 3.0 s"
    key = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "ab" * 16, "encryption_kid": "cd" * 16}
    yield make_clip(folder / "locked.mp4", 8, container_options=key), "is encrypted"
    yield make_clip(folder / "fields.mp4", 8, options={"flags": "+ildct+ilme", "x264-params": "tff=1"}), "is interlaced"
    yield make_clip(folder / "matrix.mkv", 4, layout="yuv444p", colors=(1, 8, 1, 1)), "have the matrix YCgCo; expected"


def test_mistakes_are_one_line(tmp_path: Path, upscaler: Upscaler) -> None:
    for path, message in mistakes(tmp_path):
        with pytest.raises(UserError) as error:
            upscale(path, tmp_path / "out.mkv", upscaler)
        assert str(error.value).startswith(f"{path}: ")
        assert message in str(error.value), str(error.value)
        assert "\n" not in str(error.value)
        assert not (tmp_path / "out.mkv").exists()


def test_the_command(tmp_path: Path, weights: str) -> None:
    make_clip(tmp_path / "a.ts", 9, sound=True)
    done = run(tmp_path, "a.ts", "-m", weights, "-s", "2", "--quality", "80")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("a.ts -> a_x2.mkv (96x64, ")
    assert read_mark(tmp_path / "a_x2.mkv") == "tiny, x2"

    done = run(tmp_path, ".", "-m", weights)
    assert done.returncode == 1
    assert done.stderr == "error: .: no image in this folder; name its videos to upscale them\n"
    for arguments, message in (
        (["a.ts", "-o", "b.png"], "a video is not written to b.png; expected .mp4 .m4v .mov .mkv .webm"),
        (["a.ts", "-o", "-"], "a video is not written to standard output; -o names a file or a folder"),
        (["a.ts", "-o", "b.webm", "--codec", "h264"], "b.webm: does not hold h264; expected av1"),
        (["a.ts", "--codec", "h266"], "--codec h266: expected h264, h265, av1, ffv1"),
        (["a.ts", "--format", "webm"], "its audio stream 1 (aac) does not fit into .webm; -o NAME.mkv holds more"),
    ):
        done = run(tmp_path, *arguments, "-m", weights)
        assert done.returncode in (1, 2)
        assert message in done.stderr, done.stderr
        assert done.stderr.count("\n") <= 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.ts", "a_x2.mkv"]  # all said before any work


def test_without_the_extra_it_is_said_what_to_install(
    tmp_path: Path, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_clip(tmp_path / "a.mp4", 3)
    monkeypatch.setattr("srgan_kit.video.formats.find_spec", lambda name: None)
    done = run(tmp_path, "a.mp4", "-m", weights)
    assert done.stderr == "error: a.mp4: videos need the extra video: pip install 'srgan-kit[video]'\n"
    assert done.returncode == 1


def test_progress_in_a_pipe_is_a_line_now_and_then(
    tmp_path: Path, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_clip(tmp_path / "a.mp4", 5)
    monkeypatch.setattr("srgan_kit.cli.upscaling_frames.LINE_SECONDS", 0)
    done = run(tmp_path, "a.mp4", "-m", weights)
    assert done.stderr.splitlines()[0].startswith("a.mp4: 1 of 5 frames, 0:00:0")
    assert done.stderr.splitlines()[4].startswith("a.mp4: 5 of 5 frames")


def test_damage_in_the_middle_is_counted(tmp_path: Path, upscaler: Upscaler) -> None:
    source = make_clip(tmp_path / "a.mp4", 40)
    with av.open(str(source)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(source.read_bytes())
    place, size = packets[20]
    data[place : place + size] = b"\xff" * size
    source.write_bytes(data)
    made = upscale(source, tmp_path / "b.mp4", upscaler)
    assert any(note.startswith("the input is damaged: 1 packets left out, ") for note in made.notes)
    assert made.frames == 39


def test_a_model_is_chosen_in_spite_of_damage(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", 40)
    with av.open(str(source)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(source.read_bytes())
    for place, size in packets[1:]:
        data[place : place + size] = b"\xff" * size
    source.write_bytes(data)
    assert module.choose_model(look(source), Upscaler(device="cpu"), 2.0).name


def test_sizes_of_a_turned_video_are_those_that_are_shown(tmp_path: Path, upscaler: Upscaler) -> None:
    source, sizes = make_clip(tmp_path / "a.mp4", 4, turned=90), []

    def wanted(size: tuple[int, int]) -> tuple[int, int]:
        sizes.append(size)
        return 40, 120

    made = upscale(source, tmp_path / "b.mp4", upscaler, size=wanted)
    stored, result = look(source), look(tmp_path / "b.mp4")
    assert sizes == [stored.size[::-1]]
    assert (made.size, result.size, result.upright(result.size)) == ((40, 120), (120, 40), (40, 120))
    assert stored.upright(stored.size) == stored.size[::-1]
    level = look(make_clip(tmp_path / "c.mp4", 4))
    assert level.upright(level.size) == level.size


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_cover_pictures_and_fonts_are_kept(tmp_path: Path, upscaler: Upscaler, ending: str) -> None:
    source, target = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    picture = io.BytesIO()
    Image.new("RGB", (16, 16), "teal").save(picture, "JPEG")
    with av.open(str(source), "w") as container, av.open(str(make_clip(tmp_path / "p.mkv", 6))) as plain:
        video = container.add_stream_from_template(plain.streams.video[0], opaque=True)
        if ending == "mkv":
            container.add_attachment("font.ttf", "font/ttf", b"letters" * 20)
        else:
            cover = container.add_mux_stream("mjpeg", width=16, height=16)
            cover.disposition = Disposition.attached_pic
            packet = av.Packet(picture.getvalue())
            packet.stream, packet.time_base, packet.pts, packet.dts = cover, Fraction(1, 1000), 0, 0
            container.mux(packet)
        for packet in plain.demux(video=0):
            if packet.pts is not None:
                packet.stream = video
                container.mux(packet)
    assert upscale(source, target, upscaler).notes == ()
    with av.open(str(target)) as container:
        if ending == "mkv":
            (font,) = (stream for stream in container.streams if stream.type == "attachment")
            assert (font.metadata["filename"], font.data) == ("font.ttf", b"letters" * 20)
        else:
            found = [
                bytes(packet) for packet in container.demux() if packet.stream.disposition & Disposition.attached_pic
            ]
            assert picture.getvalue() in found
