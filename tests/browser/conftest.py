# SPDX-License-Identifier: Apache-2.0
"""A store and a server for each file of the labeler's page, and a labeler with a project for each of its tests.

A file that wants another store overrides `label_store`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from data import Store
from tests.support.data.stores import new_store
from tests.support.label_desk import LabelDesk, serve_site


@pytest.fixture(scope="module")
def label_store(tmp_path_factory) -> Iterator[Store]:
    """The store behind `label_address`."""
    store = new_store(tmp_path_factory.mktemp("label"))
    yield store
    store.close()


@pytest.fixture(scope="module")
def label_address(label_store) -> Iterator[str]:
    """The address of a server on `label_store`."""
    with serve_site(label_store) as address:
        yield address


@pytest.fixture
def desk(label_store, browser, request) -> Iterator[LabelDesk]:
    """A labeler of this test alone."""
    label_desk = LabelDesk(label_store, browser, request.node.name[-40:])
    yield label_desk
    label_desk.close()
