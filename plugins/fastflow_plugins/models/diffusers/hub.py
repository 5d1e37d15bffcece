"""Files of hub repositories, and the reason if one cannot be downloaded."""

from __future__ import annotations

from pathlib import Path


def download(path: str, name: str, revision: str | None, lacking: str) -> Path:
    """Returns a file of a hub repository, from the local cache if it is there.

    Args:
        path: the repository's id.
        name: the file's.
        revision: a branch, tag or commit.
        lacking: the words for a repository without that file.

    Raises:
        ValueError: if the path is not an id, or the file cannot be downloaded.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    if path.startswith((".", "~", "/")) or path.count("/") != 1 or "\\" in path:
        raise ValueError(
            f"`path` {path!r} is no folder on this machine, and no hub id (owner/name) "
            "either. Give one of the two."
        )
    try:
        return Path(hf_hub_download(path, name, revision=revision))
    except (HFValidationError, HfHubHTTPError, OfflineModeIsEnabled, OSError) as error:
        at = f" at revision {revision!r}" if revision else ""
        raise ValueError(
            f"`path` {path!r} is no folder on this machine, and the hub repository of that name"
            f"{at} {_reason(path, error, lacking)}."
        ) from error


def has(path: str, name: str, revision: str | None) -> bool:
    """Returns whether a repository is known to have a file; downloads it if so."""
    try:
        download(path, name, revision, "")
    except ValueError:
        return False
    return True


def _reason(path: str, error: Exception, lacking: str) -> str:
    from huggingface_hub import errors

    reasons: dict[type[Exception] | tuple, str] = {
        errors.GatedRepoError: f"is gated: accept its licence on https://huggingface.co/{path} "
        "and log in with `hf auth login`",
        errors.RepositoryNotFoundError: "does not exist, or is private: then log in with "
        "`hf auth login`",
        errors.RevisionNotFoundError: "does not exist: see its branches and tags on "
        f"https://huggingface.co/{path}",
        (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled): "cannot be downloaded: the "
        "hub is out of reach, or offline mode is on, and the local cache does not hold it. "
        "Connect once, or give a local folder",
        errors.EntryNotFoundError: lacking,
    }
    told = (text for kind, text in reasons.items() if isinstance(error, kind))
    return next(told, f"cannot be read: {type(error).__name__}: {error}")
