"""A folder to the Hugging Face hub, as a private data set: who made it decides when others may see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data.errors import BadInput

PLACE = "https://huggingface.co/datasets/"


def make_client() -> Any:
    """The hub's client: the one place where this floor meets the network."""
    from huggingface_hub import HfApi  # takes a second, which only those who publish wait

    return HfApi()


def refuse_offline() -> None:
    """Raise BadInput where the environment forbids the network, before anything is written."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise BadInput(
            "the hub cannot be reached: HF_HUB_OFFLINE is set",
            "Unset it, or export without --push-to-hub.",
            field="push-to-hub",
        )


def push_folder(folder: Path, repo: str) -> str:
    """Upload the folder to REPO (made private where it is new); its address. Raises BadInput, one line, for whatever the hub refuses."""
    import httpx
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled

    client = make_client()
    try:
        client.create_repo(repo, repo_type="dataset", private=True, exist_ok=True)
        client.upload_folder(
            folder_path=str(folder), repo_id=repo, repo_type="dataset", commit_message="Export of Preference Loop"
        )
    except HFValidationError as error:
        raise _refused(f"{repo!r} is no name of a data set ({_line(error)})", "Name it as owner/name.") from error
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
    """Whether a model of that name lies in the hub's cache on this machine; nothing is asked of the network."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        return isinstance(try_to_load_from_cache(name, "config.json"), str)
    except HFValidationError:
        return False
