"""The families that the suites of models run over, and their pipelines as folders."""

import shutil

import pytest
from adapter_cases import FAMILIES


@pytest.fixture(params=FAMILIES, ids=lambda family: family.name)
def family(request):
    """Each family in turn."""
    return request.param


@pytest.fixture(scope="session")
def save(tmp_path_factory):
    """Returns a function that saves a family's tiny pipeline once, for reading only."""
    saved = {}

    def path_of(family):
        if family.name not in saved:
            saved[family.name] = tmp_path_factory.mktemp(family.name)
            family.pipeline().save_pretrained(saved[family.name])
        return saved[family.name]

    return path_of


@pytest.fixture
def copy(save, tmp_path):
    """Returns a function that gives a saved pipeline to spoil."""
    return lambda family: shutil.copytree(save(family), tmp_path / "pipeline")
