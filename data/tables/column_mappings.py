# SPDX-License-Identifier: Apache-2.0
"""Column mappings that people saved under a name, as the text of `--map`."""

from __future__ import annotations

from data.clock import now
from data.errors import BadInput
from data.sqlite.table import Table

NAME_LENGTH = 60


class ColumnMappings(Table):
    """Mappings of the columns of files by name; a name that is saved again gets the new mapping."""

    def save(self, name: str, mapping: str) -> None:
        """Save a mapping. Raises BadInput for a name that is empty, too long or a mapping itself."""
        name = name.strip()
        if not (0 < len(name) <= NAME_LENGTH and name.isprintable()) or "=" in name:
            raise BadInput.of("error.mapping_name", field="name", name=name[:80], name_length=NAME_LENGTH)
        sql = (
            "INSERT INTO column_mappings VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET mapping = excluded.mapping, saved_at = excluded.saved_at"
        )
        self._store.execute(sql, [name, mapping, now()])

    def all(self) -> dict[str, str]:
        """Return the mappings by name, the newest first."""
        rows = self._store.rows("SELECT name, mapping FROM column_mappings ORDER BY saved_at DESC, name")
        return {row["name"]: row["mapping"] for row in rows}

    def resolve(self, text: str) -> str:
        """Return the mapping of a saved name; a text that is a mapping, or empty, stays as it is.

        Raises BadInput for an unknown name.
        """
        if not text.strip() or "=" in text:
            return text
        saved = self.all()
        if text.strip() not in saved:
            known = ", ".join(saved) or "none"
            raise BadInput.of("error.no_mapping", field="map", mapping=text.strip()[:80], known=known)
        return saved[text.strip()]
