"""Finds a browser to open the report in."""

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

    The environment variable FASTFLOW_BROWSER, a path or a command, comes first; ``none`` disables
    the search.

    Raises:
        ValueError: if FASTFLOW_BROWSER names something that cannot be run.
    """
    if named := os.environ.get("FASTFLOW_BROWSER"):
        if named == "none":
            return None
        if found := shutil.which(named):
            return found
        raise ValueError(f"`FASTFLOW_BROWSER` is {named!r}, which cannot be run.")
    found = (shutil.which(command) for command in (*COMMANDS, *APPLICATIONS))
    return next((path for path in found if path), None)
