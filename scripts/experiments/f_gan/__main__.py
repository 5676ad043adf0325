"""f-GAN: its paper's Gaussian fitted to a mixture, KL and Pearson on a grid, several divergences on MNIST.

    SRGAN_KIT_DATA=... python -m scripts.experiments.f_gan [--minutes M]    about an hour and a half of one core

Nowozin, Cseke and Tomioka 2016, "f-GAN", arXiv:1606.00709.
"""

from collections.abc import Sequence

from scripts.experiments.f_gan.digits import SIGMAS, digits, settings_of
from scripts.experiments.f_gan.grid import on_the_grid
from scripts.experiments.f_gan.mixture import mixture, table
from scripts.lib import paths
from scripts.lib.experiment import open_experiment
from scripts.lib.pages import fill
from scripts.lib.samples_of_runs import rows_of
from srgan_kit.images.grid import save_image


def main(argv: Sequence[str] | None = None) -> None:
    experiment = open_experiment(
        "f_gan",
        "f-GAN",
        "Nowozin et al. 2016, arXiv:1606.00709, the tables of the univariate mixture and of MNIST",
        __doc__,
        argv,
    )
    seeds, steps, many = (range(1), (4, 4), 64) if experiment.smoke else (range(5), (1500, 9000), 10_000)
    experiment.settings = {
        "mixture": f"{steps[0]} steps of 512 points, {len(seeds)} seeds",
        "grid": f"{steps[1]} steps of 256 points, {min(len(seeds), 3)} seeds",
        "MNIST": f"1 seed, {', '.join(settings_of('NAME', experiment.smoke)[:-1])}",
        "Parzen": f"{many} samples, sigma the best of {', '.join(map(str, SIGMAS))} on 1000 other test images",
    }
    experiment.notes += [
        "The paper's divergence of the fit is computed here from its mean and std; these and its likelihoods on MNIST "
        "were not confirmed in a second source. A likelihood by Parzen window says little of samples: compare the rows "
        "of training images; so it has no goal.",
    ]
    fits = mixture(experiment, seeds, steps[0])
    on_the_grid(experiment, seeds[:3], steps[1])
    if folders := digits(experiment, many):
        experiment.images.mkdir(parents=True, exist_ok=True)
        save_image(rows_of(folders, 16), experiment.images / "f_gan.png")
    experiment.write(mixture=fits)
    if not experiment.smoke:
        fill(paths.SYSTEMS / "f_gan.md", {"mixture": table(fits)})


if __name__ == "__main__":
    main()
