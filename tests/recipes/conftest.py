"""Installs a recipe's package in a folder of its own."""

import contextlib
import importlib
import sys

import pytest
from recipe_page import write_metadata, write_package

from fastflow.registry.catalog import installed


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Returns a context manager in which a recipe's package is installed, in a folder of its own.

    Inside, the current folder is another one, and the catalog is read again.
    """

    @contextlib.contextmanager
    def installing(recipe):
        package, work = tmp_path / "package", tmp_path / "work"
        package.mkdir()
        work.mkdir()
        write_package(package, recipe)
        write_metadata(package)
        with monkeypatch.context() as patched:
            patched.syspath_prepend(str(package))
            patched.chdir(work)
            importlib.invalidate_caches()
            sys.modules.pop("mine", None)
            installed.cache_clear()
            try:
                yield work
            finally:
                sys.modules.pop("mine", None)
                installed.cache_clear()

    return installing
