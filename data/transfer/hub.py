# SPDX-License-Identifier: Apache-2.0
"""The Hugging Face hub: uploads, always as a private data set, and what its caches on this machine hold."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import BadInput

if TYPE_CHECKING:
    from huggingface_hub import HfApi

DATASET = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
PLACE = "https://huggingface.co/datasets/"


def make_client() -> HfApi:
    """Return the hub's client: the only access of this layer to the network."""
    from huggingface_hub import HfApi  # takes a second, so only uploads load it

    return HfApi()


def refuse_offline() -> None:
    """Raise BadInput if the environment forbids the network, before anything is written."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise BadInput(
            "the hub cannot be reached: HF_HUB_OFFLINE is set",
            "Unset it, or export without --push-to-hub.",
            field="push-to-hub",
        )


def push_folder(folder: Path, repo: str) -> str:
    """Upload the folder to `repo`, private if it is new; return its address.

    Raises BadInput in one line for every refusal of the hub.
    """
    import httpx
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled

    client = make_client()
    try:
        client.create_repo(repo, repo_type="dataset", private=True, exist_ok=True)
        client.upload_folder(
            folder_path=str(folder), repo_id=repo, repo_type="dataset", commit_message="Export of Preference Loop"
        )
    except HFValidationError as error:
        raise _refused(f"{repo!r} is not a name of a data set ({_line(error)})", "Name it as owner/name.") from error
    except (HfHubHTTPError, LocalTokenNotFoundError) as error:
        raise _refused(
            f"the hub refused {repo!r}: {_line(error)}", f"Sign in with: hf auth login. The files are in {folder}."
        ) from error
    except (OfflineModeIsEnabled, httpx.HTTPError, OSError) as error:
        raise _refused(
            f"the hub cannot be reached: {_line(error)}", f"Try again online. The files are in {folder}."
        ) from error
    return PLACE + repo


def _refused(error: str, remedy: str) -> BadInput:
    return BadInput(error, remedy, field="push-to-hub")


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def is_downloaded(name: str) -> bool:
    """Return whether the hub's cache on this machine holds this model. Uses no network."""
    return downloaded_folder(name) is not None


def downloaded_folder(name: str) -> Path | None:
    """Return the folder of a model in the hub's cache on this machine, None if it is not there. Uses no network."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        file = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return None
    return Path(file).parent if isinstance(file, str) else None


def cached_dataset(name: str) -> Path | None:
    """Return the folder of a data set's files in the caches of the hub or of `datasets`. Uses no network.

    None for a text that is no `owner/name`. Raises BadInput if the data set is not there.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    if not DATASET.fullmatch(name):
        return None
    try:
        return Path(snapshot_download(name, repo_type="dataset", local_files_only=True))
    except LocalEntryNotFoundError:
        root = Path(os.environ.get("HF_DATASETS_CACHE") or Path(constants.HF_HOME) / "datasets")
        folder = root / name.replace("/", "___").lower()
        saved = [path.parent for path in folder.glob("*/*/*/dataset_info.json")]
        if saved:
            configurations = {path.relative_to(folder).parts[0] for path in saved}
            return max(saved, key=lambda path: path.stat().st_mtime) if len(configurations) == 1 else folder
    raise BadInput.of("error.no_data_set", field="files", name=name)
