import re
import zlib
from xml.etree import ElementTree

import numpy as np
import pytest

from fastflow.studies.figures.decisions_drawn import arm_shares, computed_shares
from fastflow.studies.figures.drawn import draw_section
from fastflow.studies.figures.learning_curves import running_mean
from fastflow.studies.figures.paper_style import (
    COLUMN,
    PAPER_COLOURS,
    PAPER_DASHES,
    PAPER_MARKERS,
    line_styles,
)
from fastflow.studies.figures.regret import cumulative_regret
from fastflow.studies.figures.value_map import axes_of
from fastflow.studies.grouping.group import Group
from fastflow.studies.grouping.section import sections_of
from fastflow.studies.reading.gather import gather
from fastflow.studies.reading.study_run import StudyRun

EVERY = ["quality-calls", "quality-time", "map", "learning", "steps", "arms", "regret"]


@pytest.fixture
def drawn(write_grid):
    """The figures of a study of two policies, three values of mu and three seeds."""
    (section,) = sections_of(gather(write_grid()).runs)
    return draw_section(section, "")


def run_of(computed=(), **columns):
    columns = {name: np.array(values, float) for name, values in columns.items()}
    return StudyRun(
        name="a", path=None, kind="run", settings={}, computed=computed, columns=columns
    )


def test_a_study_with_all_data_has_every_figure(drawn):
    assert [figure.name for figure in drawn] == EVERY


def test_groups_whose_labels_are_the_same_are_all_drawn(write_grid, monkeypatch):
    monkeypatch.setattr(Group, "label", lambda *_: "alike")
    (section,) = sections_of(gather(write_grid()).runs)
    assert [figure.name for figure in draw_section(section, "")] == EVERY


def test_figures_are_one_column_wide_and_their_text_is_drawn(drawn):
    for figure in drawn:
        root = ElementTree.fromstring(figure.svg)
        assert root.get("width") == f"{72 * COLUMN:g}pt"
        assert not list(root.iter("{http://www.w3.org/2000/svg}text"))
        assert b"<script" not in figure.svg


def test_fonts_are_embedded_in_pdf_as_truetype(drawn):
    for figure in drawn:
        assert figure.pdf.startswith(b"%PDF")
        text = figure.pdf + b"".join(_streams(figure.pdf))
        assert b"/FontFile2" in text
        assert b"/Type3" not in text


def _streams(pdf):
    for found in re.finditer(rb"stream\r?\n(.*?)endstream", pdf, re.S):
        try:
            yield zlib.decompress(found[1])
        except zlib.error:
            continue


def test_the_same_runs_give_the_same_files(write_grid):
    (section,) = sections_of(gather(write_grid()).runs)
    assert draw_section(section, "") == draw_section(section, "")


def test_every_line_has_its_own_colour_marker_and_dashes():
    assert (
        len(set(PAPER_COLOURS)) == len(set(PAPER_MARKERS)) == len(set(map(str, PAPER_DASHES))) == 7
    )
    styles = line_styles([str(i) for i in range(7)])
    assert len({style["marker"] for style in styles.values()}) == 7


def test_a_heat_map_needs_two_settings_that_fill_a_grid(write_run, tmp_path):
    write_run("a", [30.0, 31.0], policy="ucb", mu=0.1)
    write_run("b", [30.0, 31.0], policy="ucb", mu=0.3)
    (section,) = sections_of(gather([tmp_path]).runs)
    assert axes_of(section) is None
    write_run("c", [30.0, 31.0], policy="epsilon_greedy", mu=0.3)
    (section,) = sections_of(gather([tmp_path]).runs)
    assert axes_of(section) == ("policy", "policy.reward.mu")


def test_a_running_mean_leaves_out_what_is_missing():
    run = run_of(psnr_db=[np.nan, 2, 4, np.nan])
    assert np.array_equal(running_mean(run, "psnr_db"), [np.nan, 2, 3, 3], equal_nan=True)
    assert running_mean(run, "ssim") is None


def test_shares_of_steps_and_of_skip_lengths_are_over_all_samples():
    run = run_of(computed=[(0, 1, 3), (0, 2, 3)])
    assert computed_shares([run], 4).tolist() == [1, 0.5, 0.5, 1]
    shares = arm_shares([run], stretches=2)
    assert {length: row.tolist() for length, row in shares.items()} == {
        0: [0.5, 0.5],
        1: [0.5, 0.5],
    }


def test_regret_is_what_the_arms_taken_lose_against_the_best_of_their_step():
    decisions = [(0, 0, 0, 1.0), (0, 3, 2, 5.0), (1, 0, 2, 3.0), (2, 0, 0, 1.0)]
    assert cumulative_regret(decisions, [0, 1, 2]).tolist() == [2.0, 2.0, 4.0]


def test_a_run_with_broken_records_keeps_its_numbers_and_has_no_regret(write_grid, tmp_path):
    paths = write_grid()
    for file in tmp_path.rglob("records.jsonl"):
        file.write_text('{"taken": true, "reward": 1, "sample": "x"}\n')
    (section,) = sections_of(gather(paths).runs)
    assert [figure.name for figure in draw_section(section, "")] == EVERY[:-1]


def test_names_that_no_font_has_and_dollars_are_drawn_without_a_warning(write_run, tmp_path):
    write_run("a", [30.0, 31.0], policy="日本$x", mu=0.1)
    write_run("b", [32.0, 33.0], policy="_hidden", mu=0.1)
    (section,) = sections_of(gather([tmp_path]).runs)
    assert "quality-calls" in [figure.name for figure in draw_section(section, "")]
