import csv
import io
import shutil
import subprocess

import pytest

from fastflow.studies.grouping.section import sections_of
from fastflow.studies.reading.gather import gather
from fastflow.studies.safe_text import for_csv, for_figure, for_latex, for_markdown, one_line
from fastflow.studies.tables.csv_table import groups_csv, runs_csv
from fastflow.studies.tables.latex_table import as_latex
from fastflow.studies.tables.markdown_table import as_markdown_page, markdown_table

NASTY = '=1+1|\\input{/etc/passwd}%$&#_^~<script>alert("x")</script>`*[a](javascript:x)\u202e日本é'


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def nasty(write_run, tmp_path):
    """Sections and left-out directories whose names and settings are out to harm."""
    write_run("a", [30.0, 31.0], policy=NASTY, mu=0.1)
    write_run("b", [33.0, 34.0], policy="@SUM(A1)", mu=0.1)
    write_run("=c|<b>", [30.0], policy="ucb", summary=False)
    gathered = gather([tmp_path])
    return sections_of(gathered.runs), gathered.left_out


def test_the_table_has_both_intervals_and_the_best_in_bold(write_run, tmp_path):
    for mu, shift in ((0.1, 0.0), (0.3, 5.0)):
        for seed in (0, 50):
            write_run(f"{mu}-{seed}", [30 + shift + i for i in range(4)], mu=mu, seed=seed)
    (section,) = sections_of(gather([tmp_path]).runs)
    assert markdown_table(section).splitlines()[:2] == [
        "| mu | seeds | calls | speed-up, calls | denoising, s | speed-up, time | PSNR, dB |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    weak, strong = markdown_table(section).splitlines()[2:]
    assert weak == (
        "| 0.1 | 2 | **4.0** ±0.0 | **3.00** ±0.00 | **0.250** ±0.000 | **2.00** ±0.00 "
        "| 31.50 [30.50, 32.50] ±0.00 |"
    )
    assert strong.endswith("| **36.50** [35.50, 37.50] ±0.00 |")


def test_csv_has_a_line_for_each_group_and_one_for_each_run(write_run, tmp_path):
    for seed in (0, 50):
        write_run(f"a{seed}", [30.0, 31.0], mu=0.3, seed=seed)
    write_run("b", [30.0, 31.0], mu=0.1)
    sections = sections_of(gather([tmp_path]).runs)
    groups, runs = read(groups_csv(sections)), read(runs_csv(sections))
    assert [line["seeds"] for line in groups] == ["0 50", "0"]
    assert [line["policy.reward.mu"] for line in groups] == ["0.3", "0.1"]
    assert groups[0]["psnr_db"] == "30.5"
    assert groups[1]["psnr_db.seeds.low"] == ""
    assert {line["run"].rpartition("/")[2] for line in runs} == {"a0", "a50", "b"}
    assert {line["psnr_db"] for line in runs} == {"30.5"}


def test_no_cell_of_csv_begins_a_formula(nasty):
    sections, _ = nasty
    for text in (groups_csv(sections), runs_csv(sections)):
        cells = [cell for line in csv.reader(io.StringIO(text)) for cell in line]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "@", "\t", "\r"))]
    assert for_csv("-1+cmd|'x'") == "'-1+cmd|'x'"
    assert for_csv(" =1") == "'=1"
    assert for_csv(-1.5) == -1.5


def test_nothing_of_a_foreign_name_is_markup_in_markdown(nasty):
    page = as_markdown_page(*nasty)
    assert "<script" not in page
    assert "<b>" not in page
    assert "](" not in page.replace("\\](", "")
    for line in page.splitlines():
        if line.startswith("|"):
            assert line.replace("\\|", "").count("|") == 8


def test_a_text_is_one_line_without_marks_that_cannot_be_seen():
    assert one_line("a\n\tb\u202ec\u200d\x1b[31m") == "a  b c  [31m"
    assert one_line("x" * 200) == "x" * 79 + "…"
    assert for_markdown("a|b_c") == "a\\|b\\_c"
    assert for_latex("50% & é 日") == r"50\% \& e ?"
    assert for_figure("_日$") == " _?$"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles_with_booktabs_whatever_the_names(nasty, write_grid, tmp_path):
    sections = [*nasty[0], *sections_of(gather(write_grid()).runs)]
    (tmp_path / "study.tex").write_text(as_latex(sections), encoding="utf-8")
    document = (
        "\\documentclass[twocolumn]{article}\\usepackage{booktabs}\\begin{document}"
        "\\begin{table*}\\small\\input{study.tex}\\end{table*}\\end{document}"
    )
    (tmp_path / "paper.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").is_file()


def test_latex_of_foreign_names_has_no_commands_of_theirs(nasty):
    text = as_latex(nasty[0])
    assert "\\input" not in text.replace("\\textbackslash{}input", "")
    assert text.isascii()
