# SPDX-License-Identifier: Apache-2.0
"""The base of policies and reward models: a row, and a folder that appears together with it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from data.clock import now
from data.errors import BadInput
from data.ids import canonical_json, parse_id, public_id
from data.sqlite.table import Table

INSIDE = "home:"
"""Prefix of a base under the home, in rows; records hold the absolute path."""


class ModelTable(Table):
    """Rows of one table of models, each with its folder."""

    table: ClassVar[str]
    folder_name: ClassVar[str]
    prefix: ClassVar[str]
    noun: ClassVar[str]
    record: ClassVar[type]
    parsed: ClassVar[tuple[str, ...]]

    def folder(self, id: int) -> Path:
        """Return the folder of the model's files."""
        return self._store.home / self.folder_name / public_id(self.prefix, id)

    def publish(self, folder: Path, **columns: Any) -> Any:  # noqa: ANN401 (the values of columns and fields have many types)
        """Add a row and move the finished `folder`, from the same disk, to its place: both or neither.

        The keys are `add`'s.
        """
        with self._store.transaction():
            model = self.add(**columns, adapter="")  # type: ignore[attr-defined]  # every subclass has its own `add`
            self._move_in(folder, model.id)
            self._store.execute(
                f"UPDATE {self.table} SET adapter = ? WHERE id = ?", [f"{self.folder_name}/{model.public}", model.id]
            )
            return self.get(model.id)

    def get(self, id: int | str) -> Any:  # noqa: ANN401 (the values of columns and fields have many types)
        """Return the record, by number or public id. Raises BadInput, with the newest id, if there is none."""
        number = parse_id(id, self.prefix)
        row = self._store.maybe(f"SELECT * FROM {self.table} WHERE id = ?", [number])
        if row is None:
            newest = self._store.value(f"SELECT max(id) FROM {self.table}")
            known = f"{self.noun.replace(' ', '_')}_{'unknown' if newest else 'none'}"
            newest_id, id = public_id(self.prefix, newest or 0), public_id(self.prefix, number)
            raise BadInput.of(f"error.{known}", id=id, newest=newest_id)
        return self._record(row)

    def all(self) -> list[Any]:
        """Return all models, oldest first."""
        return [self._record(row) for row in self._store.rows(f"SELECT * FROM {self.table} ORDER BY id")]

    def count(self) -> int:
        """Count the models."""
        return self._store.value(f"SELECT count(*) FROM {self.table}")

    def _add(self, columns: Mapping[str, Any]) -> Any:  # noqa: ANN401 (the values of columns and fields have many types)
        written = {name: canonical_json(value) if name in self.parsed else value for name, value in columns.items()}
        written["base"] = self._written_base(columns["base"])
        return self.get(self._store.insert(self.table, written | {"created_at": now()}))

    def _move_in(self, folder: Path, id: int) -> None:
        """Move a new row's folder to its place. Call inside the row's transaction."""
        place = self.folder(id)
        place.parent.mkdir(parents=True, exist_ok=True)
        # An existing folder was left by a crash between this move and its commit: no row knows it.
        shutil.rmtree(place, ignore_errors=True)
        folder.rename(place)

    def _record(self, row: Mapping[str, Any]) -> Any:  # noqa: ANN401 (the values of columns and fields have many types)
        parsed = {name: json.loads(row[name]) for name in self.parsed}
        return self.record(**{**row, **parsed, "base": self._base_now(row["base"])})

    def _written_base(self, base: str) -> str:
        """Return a base inside the home as a path relative to it, since the home may move."""
        home, place = self._store.home.resolve(), Path(base)
        inside = place.is_absolute() and place.resolve().is_relative_to(home)
        return f"{INSIDE}{place.resolve().relative_to(home)}" if inside else base

    def _base_now(self, base: str) -> str:
        """Return the absolute place of such a base; hub ids, "starter" and folders elsewhere stay as they are."""
        return str(self._store.home.resolve() / base.removeprefix(INSIDE)) if base.startswith(INSIDE) else base
