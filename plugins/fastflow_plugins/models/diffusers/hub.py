"""Files of hub repositories, and why one cannot be downloaded."""

from __future__ import annotations

from pathlib import Path


def download(path: str, name: str, revision: str | None, lacking: str) -> Path:
    """Returns a file of a hub repository, from the local cache if it is there.

    Args:
        path: the repository's id, ``owner/name``.
        name: the file's path in it.
        revision: a branch, tag or commit.
        lacking: how the message describes a repository without that file.

    Raises:
        ValueError: if the path is not an id, or the file cannot be downloaded.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    if path.startswith((".", "~", "/")) or path.count("/") != 1 or "\\" in path:
        raise ValueError(
            f"`path` {path!r} is neither a folder on this machine nor a hub id (owner/name). "
            "Give one of the two."
        )
    try:
        return Path(hf_hub_download(path, name, revision=revision))
    except (HFValidationError, HfHubHTTPError, OfflineModeIsEnabled, OSError) as error:
        at = f" at revision {revision!r}" if revision else ""
        raise ValueError(
            f"`path` {path!r} is not a folder on this machine, and the hub repository of that name"
            f"{at} {_reason(path, error, lacking)}."
        ) from error


def has(path: str, name: str, revision: str | None) -> bool:
    """Downloads a file that a repository may have, and returns whether that worked."""
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
        "hub cannot be reached, or offline mode is on, and the local cache does not have it. "
        "Connect once, or give a local folder",
        errors.EntryNotFoundError: lacking,
    }
    fitting = (text for kind, text in reasons.items() if isinstance(error, kind))
    return next(fitting, f"cannot be read: {type(error).__name__}: {error}")
