"""The nearest known name to one that is not known."""

import difflib
from collections.abc import Iterable

ELSEWHERE = {"lr": "learning_rate", "batch_size": "batch", "epochs": "steps", "iterations": "steps", "niter": "steps"}
"""What other trainers call some settings."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean ...?)` for a dotted name that is nearly one of the known, or has the last part of one; else ``.

    >>> did_you_mean("data.bach", ["data.batch", "steps"])
    ' (did you mean data.batch?)'
    >>> did_you_mean("learning_rate", ["optimizer.learning_rate", "critic_optimizer.learning_rate"])
    ' (did you mean optimizer.learning_rate?)'
    >>> did_you_mean("optimizer.lr", ["optimizer.learning_rate", "critic_optimizer.learning_rate"])
    ' (did you mean optimizer.learning_rate?)'
    >>> did_you_mean("colour", ["steps", "seed"])
    ''
    """
    known = [each for each in known if each != name]  # known elsewhere, not here
    table, _, last = name.rpartition(".")
    last = ELSEWHERE.get(last, last)
    name = f"{table}.{last}" if table else last
    parts = {each.rpartition(".")[2]: each for each in reversed(known)}
    of_part = [parts[each] for each in difflib.get_close_matches(last, parts, n=1, cutoff=0.8)]
    found = next(iter([*difflib.get_close_matches(name, known, n=1, cutoff=0.7), *of_part]), None)
    return "" if found is None else f" (did you mean {found}?)"
