"""The finished parts of a video that is being upscaled, in a folder beside the result: a stopped run goes on there."""

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from srgan_kit.atomic import atomic_write, remove_leftovers
from srgan_kit.errors import UserError
from srgan_kit.video.encode import PART_FORMAT
from srgan_kit.video.formats import parts_folder
from srgan_kit.video.frames import Place

STATE = "state.json"


@dataclass(frozen=True)
class Part:
    """A stretch of frames, encoded."""

    file: Path
    """Its times may begin anywhere: some formats have none below 0."""
    start: int
    """When its first frame is shown, in the video's time base."""


class Parts:
    """The parts of one result, made with the same settings.

    Args:
        target: the result.
        settings: all that decides over its frames. Parts of others are removed.

    Raises:
        UserError: the folder cannot be made.
    """

    def __init__(self, target: Path, settings: Mapping[str, Any]) -> None:
        self.folder = parts_folder(target)
        self._settings = json.loads(json.dumps(settings, default=str))
        self.place = Place()
        self._starts: list[int] = []
        self.discarded = False
        """Whether parts of other settings were there."""
        try:
            self._begin()
        except OSError as error:
            raise UserError(f"{self.folder}: cannot be made: {error.strerror}") from None

    def _begin(self) -> None:
        state = self._read()
        if state is not None and state["settings"] == self._settings:
            self._starts, self.place = state["starts"], Place(**state["place"])
            remove_leftovers(self.folder)
        else:
            self.discarded = state is not None
            self.remove()
            self.folder.mkdir(parents=True)
            self._save()

    def _read(self) -> dict[str, Any] | None:
        try:
            state = json.loads((self.folder / STATE).read_text(encoding="utf-8"))
            complete = all(self._file(number).is_file() for number in range(len(state["starts"])))
            return state if complete else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _save(self) -> None:
        state = {"settings": self._settings, "starts": self._starts, "place": asdict(self.place)}
        with atomic_write(self.folder / STATE) as file:
            file.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:06}.{PART_FORMAT}"

    @property
    def finished(self) -> list[Part]:
        """The finished parts, in order."""
        return [Part(self._file(number), start) for number, start in enumerate(self._starts)]

    @property
    def next_file(self) -> Path:
        """The file of the part that comes next."""
        return self._file(len(self._starts))

    def finish(self, start: int, following: Place) -> None:
        """The next part is complete: its first frame is shown at `start`, and what follows begins at a place."""
        self._starts.append(start)
        self.place = following
        self._save()

    def remove(self) -> None:
        """Remove the folder with all parts."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.folder)
