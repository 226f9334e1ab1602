"""The conversations in ``web/vectors``: reading them, and comparing frames with their placeholders."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from tests.support.links import random_text

FOLDER = Path(__file__).parents[2] / "web" / "vectors"
NOW_MS = 1_790_000_000_000


def vectors_for(side: str) -> list[dict[str, Any]]:
    """Return the conversations that ``client`` or ``server`` can replay, by name."""
    found = [json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))]
    return [vector for vector in found if side in vector.get("for", ("client", "server"))]


class Bindings:
    """What the placeholders of one conversation stand for."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self._random = random.Random(1)

    def fill(self, wanted: Any) -> Any:
        """Put values in the places of all placeholders, making those that have none yet."""
        if isinstance(wanted, dict):
            return {self.fill(key): self.fill(value) for key, value in wanted.items()}
        if isinstance(wanted, list):
            return [self.fill(item) for item in wanted]
        if not isinstance(wanted, str) or not wanted.startswith("$"):
            return wanted
        if wanted == "$now":
            return NOW_MS
        if wanted == "$any":
            return "anything"
        return self.values.setdefault(wanted, random_text(self._random))

    def frame(self, wanted: dict[str, Any], emitted: dict[str, Any]) -> None:
        """Compare a frame with what was emitted; further fields are allowed at the top only."""
        compared = {key: emitted.get(key) for key in wanted}
        if isinstance(compared.get("channels"), dict):
            compared["channels"] = {
                name: _without_nulls(channel) for name, channel in compared["channels"].items()
            }
        self._bind(wanted, compared)
        assert compared == self._expected(wanted, compared)

    def frames(self, wanted: list[dict[str, Any]], emitted: list[dict[str, Any]]) -> None:
        """Compare frames that may come in any order."""
        rest = list(emitted)
        for each in wanted:
            key = (each["t"], each.get("ch"), each.get("o"))
            match = next(
                (frame for frame in rest if (frame["t"], frame.get("ch"), frame.get("o")) == key),
                None,
            )
            assert match is not None, f"{each} was not emitted, but {rest}"
            rest.remove(match)
            self.frame(each, match)
        assert rest == []

    def _bind(self, wanted: Any, emitted: Any) -> None:
        if isinstance(wanted, dict) and isinstance(emitted, dict):
            for key, value in wanted.items():
                self._bind(value, emitted.get(self.values.get(key, key)))
        elif isinstance(wanted, list) and isinstance(emitted, list):
            for one, other in zip(wanted, emitted, strict=False):
                self._bind(one, other)
        elif isinstance(wanted, str) and wanted.startswith("$") and wanted not in {"$now", "$any"}:
            assert isinstance(emitted, str), f"{wanted} is {emitted!r}"
            self.values.setdefault(wanted, emitted)

    def _expected(self, wanted: Any, emitted: Any) -> Any:
        """Fill, but let ``$any`` and ``$now`` be what they are."""
        if isinstance(wanted, dict):
            inner = emitted if isinstance(emitted, dict) else {}
            named = {self.fill(key): value for key, value in wanted.items()}
            return {key: self._expected(value, inner.get(key)) for key, value in named.items()}
        if wanted == "$any":
            return emitted
        if wanted == "$now":
            assert isinstance(emitted, int)
            return emitted
        if isinstance(wanted, list) and isinstance(emitted, list) and len(wanted) == len(emitted):
            return [self._expected(*pair) for pair in zip(wanted, emitted, strict=True)]
        return self.fill(wanted)


def _without_nulls(channel: Any) -> Any:
    if not isinstance(channel, dict):
        return channel
    return {key: value for key, value in channel.items() if value is not None}
