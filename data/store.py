# SPDX-License-Identifier: Apache-2.0
"""The store of one home folder: `feedback.db` with all labels, answers and models, `metrics.db` with training curves.

`Store` opens and migrates; each table class has its verbs (`store.prompts.add`, `store.comparisons.record`).
Identity is content: a hash identifies prompts, completions, snapshots and imported rows, so writes are idempotent.
Acknowledged writes survive kill -9 and power loss.
"""

from __future__ import annotations

from pathlib import Path

from sqlite_utils import Database

from data.errors import BadInput
from data.sqlite.connection import (
    allow_new_tables,
    exclusive_lock,
    explain_open_errors,
    immediate_transaction,
    require_sqlite,
    without_foreign_keys,
)
from data.sqlite.damage import refuse_lost_store
from data.sqlite.migrations import NAMES, migrations
from data.sqlite.sql import Sql
from data.tables.accounts import Accounts
from data.tables.active_time import ActiveTime
from data.tables.adjudications import Adjudications
from data.tables.assignments import Assignments, Drafts
from data.tables.audit import Audit
from data.tables.catalogue import Catalogue
from data.tables.column_mappings import ColumnMappings
from data.tables.comparison_columns import ComparisonColumns
from data.tables.comparisons import Comparisons
from data.tables.completions import Completions
from data.tables.demonstrations import Demonstrations
from data.tables.evaluations import Evaluations
from data.tables.excluded_labelers import ExcludedLabelers
from data.tables.gold import Gold
from data.tables.imported_rows import ImportedRows
from data.tables.imports import Imports
from data.tables.instructions import Instructions
from data.tables.invitations import Invitations
from data.tables.labeler_weights import LabelerWeights
from data.tables.metrics import Metrics
from data.tables.notes import Notes
from data.tables.online_pairs import OnlinePairs
from data.tables.pairs import Pairs
from data.tables.personal_data import PersonalData
from data.tables.policies import Policies
from data.tables.projects import Projects
from data.tables.prompts import Prompts
from data.tables.rankings import Rankings
from data.tables.ratings import Ratings
from data.tables.retractions import Retractions
from data.tables.reward_models import RewardModels
from data.tables.reward_scores import RewardScores
from data.tables.runs import Runs
from data.tables.snapshots import Snapshots
from data.tables.tokens import Tokens, WorkerTokens
from data.tables.webhook_deliveries import WebhookDeliveries

FILE = "feedback.db"


class Store(Sql):
    """The store in a home folder; the constructor creates or migrates it, but not a `read_only` one.

    Thread-safe: every thread has a connection of its own. A `read_only` store refuses every write. Raises BadInput if
    the folder cannot be made or written, the file is something else, lost or of a newer version, or SQLite is too old.
    """

    def __init__(self, path: Path | str, *, read_only: bool = False) -> None:
        require_sqlite()
        path = Path(path).expanduser()
        path = path if path.suffix == ".db" else path / FILE
        with explain_open_errors(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        if path.name == FILE:
            refuse_lost_store(path)
        super().__init__(path, read_only=read_only)
        if not read_only:
            self._migrate()
        self.prompts = Prompts(self)
        self.instructions = Instructions(self)
        self.completions = Completions(self)
        self.pairs = Pairs(self)
        self.comparisons = Comparisons(self)
        self.projects = Projects(self)
        self.assignments = Assignments(self)
        self.drafts = Drafts(self)
        self.gold = Gold(self)
        self.active_time = ActiveTime(self)
        self.rankings = Rankings(self)
        self.comparison_columns = ComparisonColumns(self)
        self.adjudications = Adjudications(self)
        self.excluded_labelers = ExcludedLabelers(self)
        self.labeler_weights = LabelerWeights(self)
        self.accounts = Accounts(self)
        self.tokens = Tokens(self)
        self.worker_tokens = WorkerTokens(self)
        self.invitations = Invitations(self)
        self.personal_data = PersonalData(self)
        self.runs = Runs(self)
        self.policies = Policies(self)
        self.reward_models = RewardModels(self)
        self.reward_scores = RewardScores(self)
        self.notes = Notes(self)
        self.snapshots = Snapshots(self)
        self.catalogue = Catalogue(self)
        self.column_mappings = ColumnMappings(self)
        self.demonstrations = Demonstrations(self)
        self.evaluations = Evaluations(self)
        self.ratings = Ratings(self)
        self.imports = Imports(self)
        self.retractions = Retractions(self)
        self.imported_rows = ImportedRows(self)
        self.online_pairs = OnlinePairs(self)
        self.webhook_deliveries = WebhookDeliveries(self)
        self.audit = Audit(self)
        self.metrics = Metrics(self.home, read_only=read_only)

    def close(self) -> None:
        """Close the connections of every thread."""
        super().close()
        self.metrics.close()

    def _migrate(self) -> None:
        with (
            explain_open_errors(self.path),
            exclusive_lock(self.home / f"{self.path.name}.lock"),
            allow_new_tables(self._connections.database()) as database,
        ):
            self._refuse_newer(database)
            self._refuse_foreign(database)
            if migrations.pending(database):
                with without_foreign_keys(database), immediate_transaction(database):
                    migrations.apply(database)
                    self._refuse_dangling(database)

    def _refuse_dangling(self, database: Database) -> None:
        dangling = {row[0] for row in database.conn.execute("PRAGMA foreign_key_check")}
        if dangling:
            raise BadInput(
                f"rows of {', '.join(sorted(dangling))} refer to rows that are not there",
                "Restore a backup.",
                file=str(self.path),
            )

    def _refuse_foreign(self, database: Database) -> None:
        tables = [name for name in database.table_names() if not name.startswith("_sqlite_migrations")]
        if tables and not migrations.applied(database):
            raise BadInput(
                f"the database belongs to another program: it has the table {tables[0]!r}",
                "Name a home folder of this program, or move the file away.",
                file=str(self.path),
            )

    def _refuse_newer(self, database: Database) -> None:
        unknown = {done.name for done in migrations.applied(database)} - NAMES
        if unknown:
            raise BadInput(
                f"the store has the change {min(unknown)!r}, which this version does not know",
                "Start the newer version that wrote it.",
                file=str(self.path),
            )
