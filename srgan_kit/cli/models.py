"""`srgan-kit models`: what is embedded, from the headers of the files, and what an extra adds; no torch is needed."""

from srgan_kit.cli.tables import print_table
from srgan_kit.upscaling import realesrgan
from srgan_kit.upscaling.embedded import ModelSummary, embedded_models, read_summary

HEADINGS = ("model", "scale", "architecture", "parameters", "size", "PSNR-Y dB", "SSIM-Y", "LPIPS-like")
HEADINGS += ("MP/s fp32 / bf16", "licence", "training data")
GENERATOR_HEADINGS = ("generator", "makes", "system", "architecture", "parameters", "size", "measured", "licence")
GENERATOR_HEADINGS += ("training data",)


def models() -> None:
    """List the embedded models, and those of the extra `realesrgan`: what they do, size, terms, data, quality."""
    summaries = [*(read_summary(path) for path in embedded_models().values()), *realesrgan.summaries()]
    if not summaries:
        print("No model is embedded in this installation: pass a file with -m, or train one with `srgan-kit train`.")
        return
    upscalers = [_row(model) for model in summaries if not model.makes]
    generators = [_generator_row(model) for model in summaries if model.makes]
    if upscalers:
        print_table(HEADINGS, upscalers)
    if generators:
        if upscalers:
            print()
        print_table(GENERATOR_HEADINGS, generators)
    if realesrgan.installed() is None:
        print(f"\nReal-ESRGAN's {len(realesrgan.MODELS)} models are an extra: {realesrgan.INSTALL}")


def _row(model: ModelSummary) -> tuple[str, ...]:
    speed = model.measured.get("speed", {})
    rates = (speed.get(f"megapixels_per_second_{precision}") for precision in ("fp32", "bf16"))
    return (
        model.name,
        f"x{model.scale}",
        model.architecture,
        f"{model.parameters:,}",
        f"{model.bytes / 1e6:.1f} MB",
        _listed(model.psnr_y, 2),
        _listed(model.by_set("ssim_y"), 4),
        _listed(model.by_set("lpips_like"), 3),
        " / ".join("-" if rate is None else f"{rate:.2f}" for rate in rates) if speed else "-",
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
