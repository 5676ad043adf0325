"""`srgan-kit models`: the pretrained models, from the files' headers, and what an extra adds; no torch is needed."""

from pathlib import Path
from typing import Annotated

import typer

from srgan_kit.cli.console import libraries_muted, print_table, say
from srgan_kit.cli.inputs import file_of
from srgan_kit.errors import UserError
from srgan_kit.models import added, realesrgan
from srgan_kit.models.pretrained import ModelSummary, pretrained_models, read_summary
from srgan_kit.upscaling.folders import STDIN

HEADINGS = ("model", "scale", "architecture", "parameters", "size", "PSNR-Y dB", "SSIM-Y", "LPIPS-like")
HEADINGS += ("time vs compact", "licence", "training data")
GENERATOR_HEADINGS = ("generator", "makes", "system", "architecture", "parameters", "size", "measured", "licence")
GENERATOR_HEADINGS += ("training data",)


def models(
    image: Annotated[
        Path | None,
        typer.Option(
            "--for", metavar="FILE", help="Show which model -m auto chooses for an image (- for stdin), and why."
        ),
    ] = None,
    new: Annotated[
        Path | None,
        typer.Option("--add", metavar="FILE", help="Keep a community checkpoint or a run's model under --name."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="With --add: the name that -m takes.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--licence", metavar="TEXT", help="With --add: the terms of the weights.")
    ] = None,
    removed: Annotated[str | None, typer.Option("--remove", metavar="NAME", help="Remove an added model.")] = None,
) -> None:
    """List the pretrained models with scale, size, quality, speed, licence and training data; add ones of others."""
    given = [option for option, value in (("--for", image), ("--add", new), ("--remove", removed)) if value is not None]
    if len(given) > 1:
        raise UserError(f"{given[0]} and {given[1]}: give one of them")
    if new is None and (name is not None or licence is not None):
        raise UserError(f"{'--name' if name is not None else '--licence'}: goes with --add FILE")
    if image is not None:
        _explain(image)
        return
    if new is not None:
        _add(new, name, licence)
        return
    if removed is not None:
        added.remove(removed)
        say(f"{removed}: removed")
        return
    summaries = [*(read_summary(path) for path in pretrained_models().values()), *realesrgan.summaries()]
    summaries += added.summaries()
    if not summaries:
        print("This installation has no pretrained models: pass a file with -m, or train one with `srgan-kit train`.")
        return
    upscalers = [_row(model) for model in summaries if not model.makes]
    generators = [_generator_row(model) for model in summaries if model.makes]
    if upscalers:
        print_table(HEADINGS, upscalers)
    if generators:
        if upscalers:
            print()
        print_table(GENERATOR_HEADINGS, generators)
    if any(model.measured.get("speed") for model in summaries):
        print(
            "\ntime vs compact: of the network in fp32, over that of Real-ESRGAN's compact network on the same machine"
        )
    if realesrgan.installed() is None:
        print(f"\nReal-ESRGAN's {len(realesrgan.MODELS)} models are an extra: {realesrgan.INSTALL}")


def _add(file: Path, name: str | None, licence: str | None) -> None:
    """Keep a model under a name."""
    if name is None:
        raise UserError(f"--add {file}: give --name NAME too")
    from srgan_kit.models.adding import add_model

    model = add_model(file, name, licence)
    place = added.folder() / name
    ratio = model.speed["time_against_compact_fp32"]
    say(f"{name}: x{model.scale}, {model.architecture}, {model.parameters:,} parameters, licence {model.licence}")
    say(f"{name}: {ratio:.2f} times the compact network's time; kept in {place}; use it with -m {name}")


def _explain(path: Path) -> None:
    """What `-m auto` would take for an image at each scale, and what was found in it."""
    from srgan_kit.images.read import pixels_limited, read_image
    from srgan_kit.upscaling.auto import choose
    from srgan_kit.upscaling.upscaler import evidence_of

    source = STDIN if str(path) == "-" else path
    with libraries_muted(), pixels_limited(), file_of(source) as file:
        try:
            found = evidence_of(read_image(file))
        except UserError as error:
            raise UserError(f"{path}: {str(error).removeprefix(f'{file}: ')}") from None
    for scale in (1, 2, 3, 4):
        choice = choose(found, scale)
        say(f"{path}: -s {scale}: {choice.name}: {choice.reason}")
    quality = "-" if found.jpeg_quality is None else f"about {found.jpeg_quality}"
    artifacts = "-" if found.artifacts is None else f"{found.artifacts:.1f}"
    rows = [
        ("JPEG's quality", quality, "from the file's tables"),
        ("other lossy format", found.lossy or "-", "from the file"),
        ("vanished frequencies", f"{found.trace:.2f}", "rounded to zero by JPEG, at any offset: 0 to 1"),
        ("their quality", "-" if found.traced_quality is None else f"about {found.traced_quality}", "of that JPEG"),
        ("noise", f"{found.noise:.1f}", "standard deviation in levels of 255"),
        ("artifacts", artifacts, "of compression and noise, by a network's estimate, in levels of 255"),
        ("paper", f"{found.paper:.2f}", "fraction of pixels of nearly one light"),
        ("flat", f"{found.flat:.2f}", "fraction of pixels within a level of one light"),
        ("ink", f"{found.ink:.2f}", "fraction of steps that are from ink to paper"),
    ]
    print_table(("found", "value", "what it is"), rows)


def _row(model: ModelSummary) -> tuple[str, ...]:
    speed = model.measured.get("speed", {})
    ratio = speed.get("time_against_compact_fp32")
    return (
        model.name,
        f"x{model.scale}",
        model.architecture,
        f"{model.parameters:,}",
        f"{model.bytes / 1e6:.1f} MB",
        _listed(model.psnr_y, 2),
        _listed(model.by_set("ssim_y"), 4),
        _listed(model.by_set("lpips_like"), 3),
        "-" if ratio is None else f"{ratio:.2f}",
        model.licence,
        model.training_data,
    )


def _generator_row(model: ModelSummary) -> tuple[str, ...]:
    measured = "; ".join(f"{name} {value:g}" for name, value in model.measured.get("samples", {}).items())
    return (
        model.name,
        model.makes,
        model.system,
        model.architecture,
        f"{model.parameters:,}",
        f"{model.bytes / 1e6:.1f} MB",
        measured or "-",
        model.licence,
        model.training_data,
    )


def _listed(figures: dict[str, float], digits: int) -> str:
    """Each test set with its figure."""
    return ", ".join(f"{name} {value:.{digits}f}" for name, value in figures.items()) or "-"
