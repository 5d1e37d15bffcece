"""Finds a browser to look at the report in."""

import os
import shutil

COMMANDS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
)
APPLICATIONS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
)


def find_browser() -> str | None:
    """Returns the path of a browser of Chromium's family, or None where there is none.

    The environment's FASTFLOW_BROWSER comes first: a path or a command; ``none`` hides them all.

    Raises:
        ValueError: if FASTFLOW_BROWSER names something that cannot be run.
    """
    if wanted := os.environ.get("FASTFLOW_BROWSER"):
        if wanted == "none":
            return None
        if found := shutil.which(wanted):
            return found
        raise ValueError(f"`FASTFLOW_BROWSER` is {wanted!r}, which cannot be run.")
    found = (shutil.which(command) for command in (*COMMANDS, *APPLICATIONS))
    return next((path for path in found if path), None)
