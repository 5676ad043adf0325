"""`srgan-kit models`: what is embedded, from the headers of the files; torch stays out of it."""

from srgan_kit.cli.tables import print_table
from srgan_kit.upscaling.embedded import ModelSummary, embedded_models, read_summary

HEADINGS = ("model", "scale", "architecture", "parameters", "size", "PSNR-Y dB", "licence", "training data")


def models() -> None:
    """List the embedded models: scale, size, terms, training data and measured quality."""
    files = embedded_models().values()
    if not files:
        print("No model is embedded in this installation: pass a file with -m, or train one with `srgan-kit train`.")
        return
    print_table(HEADINGS, [_row(read_summary(path)) for path in files])


def _row(model: ModelSummary) -> tuple[str, ...]:
    measured = ", ".join(f"{name} {psnr:.2f}" for name, psnr in model.psnr_y.items())
    return (
        model.name,
        f"x{model.scale}",
        model.architecture,
        f"{model.parameters:,}",
        f"{model.bytes / 1e6:.1f} MB",
        measured or "-",
        model.licence,
        model.training_data,
    )
