"""The commands of `srgan-kit`: one file per command; each imports torch only when it runs."""

import typer

from srgan_kit import __version__
from srgan_kit.cli.demo import demo
from srgan_kit.cli.evaluate import evaluate
from srgan_kit.cli.export import export
from srgan_kit.cli.finetune import finetune
from srgan_kit.cli.generate import generate
from srgan_kit.cli.models import models
from srgan_kit.cli.recipes import recipes
from srgan_kit.cli.reconstruct import reconstruct
from srgan_kit.cli.report import report
from srgan_kit.cli.serve import serve
from srgan_kit.cli.train import train
from srgan_kit.cli.upscale import upscale

app = typer.Typer(
    name="srgan-kit",
    help="Upscale images; train, sample and evaluate super-resolution and generative models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (upscale, serve, demo, models, evaluate, finetune, train):
    app.command()(command)
app.add_typer(recipes, name="recipes")
for command in (report, export, generate, reconstruct):
    app.command()(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"srgan-kit {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    pass
