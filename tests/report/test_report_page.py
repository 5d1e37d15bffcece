"""The page has the key figures, fetches nothing, and copes with what a run may lack."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from fastflow.evaluation.summary import add_learning
from fastflow.report import write_report


class Links(HTMLParser):
    """Collects what a browser would fetch, and the ids of a page."""

    def __init__(self):
        super().__init__()
        self.fetched, self.ids, self.scripts, self.unnamed = [], [], 0, 0

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.fetched += [found[k] for k in ("src", "href", "xlink:href", "data") if k in found]
        self.ids += [found["id"]] if "id" in found else []
        self.scripts += tag == "script"
        self.unnamed += tag == "img" and "alt" not in found


def read(run_dir):
    """Writes the report; returns its text and its links."""
    page = write_report(run_dir).read_text(encoding="utf-8")
    links = Links()
    links.feed(page)
    return page.replace("\N{NO-BREAK SPACE}", " "), links


def test_the_page_has_the_key_figures(make_run):
    run = make_run(samples=30, failing=(5,))
    page, _ = read(run)
    summary = json.loads((run / "summary.json").read_text())
    low, high = summary["intervals"]["speedup_calls"]
    assert f"{summary['speedup_calls']:.2f} times fewer" in page
    assert f"(95 % interval {low:.2f} to {high:.2f})" in page
    assert f"{summary['speedup_wall']:.2f} \N{MULTIPLICATION SIGN}" in page
    assert f"{summary['psnr_db']:.1f} dB" in page
    assert f"{summary['score']:.3f} with skipping and {summary['score_full']:.3f} without" in page
    assert f"Over the last 20 samples it was {summary['calls_last20']:.1f} calls" in page
    assert "1 of 30 samples failed and is left out of every mean." in page
    assert "lpips was left out: no weights." in page


def test_the_page_has_the_low_end_of_the_psnr_and_the_flips(make_run):
    run = make_run(samples=30)
    page, _ = read(run)
    summary = json.loads((run / "summary.json").read_text())
    assert f"Half of all images are above {summary['psnr_median_db']:.1f} dB" in page
    assert f"nine in ten above {summary['psnr_p10_db']:.1f} dB." in page
    count = f"{summary['flips']} of 30" if summary["flips"] else "none"
    verb = "is a flip" if summary["flips"] == 1 else "are flips"
    assert f"{count} {verb}, below 30 dB, where changes are plain to see." in page
    assert "Flips: samples below 30 dB" in page
    assert "Median PSNR, of samples that skipped something" in page


def test_what_learning_took_besides_the_samples_is_stated(make_run):
    run = make_run()
    assert "besides those of the samples" not in read(run)[0]
    summary = json.loads((run / "summary.json").read_text())
    add_learning(summary, 125)
    (run / "summary.json").write_text(json.dumps(summary))
    page, _ = read(run)
    assert "Learning took 125 network calls besides those of the samples (2.5 reference" in page


def test_the_page_fetches_nothing(make_run):
    _, links = read(make_run())
    assert links.fetched
    assert [link for link in links.fetched if not link.startswith(("data:", "#"))] == []
    assert links.unnamed == 0


def test_css_and_figures_fetch_nothing(make_run):
    page, _ = read(make_run())
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_ids_are_unique_across_all_figures(make_run):
    _, links = read(make_run())
    assert len(links.ids) == len(set(links.ids))


def test_every_link_inside_the_page_has_its_target(make_run):
    page, links = read(make_run(samples=40))
    targets = {link[1:] for link in links.fetched if link.startswith("#")}
    assert targets
    assert targets | set(re.findall(r"url\(#([^)]+)\)", page)) <= set(links.ids)


def test_prompts_are_text_and_never_markup(make_run):
    hostile = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 6 }} & co")
    page, links = read(make_run(prompts=hostile))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<img src=x" not in page
    assert "{{ 7 * 6 }} &amp; co" in page
    assert links.scripts == 1


def test_the_page_is_the_same_for_the_same_run_except_for_when_it_was_written(
    make_run, monkeypatch
):
    run = make_run()
    first, _ = read(run)
    monkeypatch.setattr("time.strftime", lambda form: "some other time")
    second, _ = read(run)
    written = r"<time data-clock>.*?</time>"
    assert re.sub(written, "", first) == re.sub(written, "", second)


def test_a_report_adds_the_page_and_changes_no_other_file(make_run):
    run = make_run()
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    page = write_report(run)
    after = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert after.keys() - before.keys() == {page}
    assert all(after[path] == content for path, content in before.items())


CHARTS = ("Decisions", "Learning curve: calls", "Skip lengths", "What the bandit learned")


@pytest.mark.parametrize(
    ("fields", "expected", "lacks"),
    [
        ({"reference": False}, "There were no reference runs", "mean PSNR"),
        ({"scores": False}, "No task score was measured", "Score per task"),
        ({"bandit": False}, "This policy keeps no arm statistics.", "What the bandit learned"),
        ({"samples": 1}, "one sample does not show how much samples vary", "95 % interval "),
        ({"samples": 3, "failing": (0, 1, 2)}, "Every sample failed", "Learning curve"),
        ({"branches": 2}, "With guidance, each computed step takes 2 network calls", None),
        ({"steps": 4}, "4 steps", None),
        ({"steps": 1000, "samples": 3}, "1000 steps", None),
        ({"identical": tuple(range(12))}, "all identical", "Lowest PSNR of"),
        ({"samples": 40}, "16 more samples", None),
        ({"samples": 230, "side": 8}, "The images of 30 more samples", None),
    ],
)
def test_what_a_run_lacks_is_stated_and_not_drawn(make_run, fields, expected, lacks):
    page, _ = read(make_run(**fields))
    assert expected in page
    assert lacks is None or lacks not in page
    assert "nan" not in re.sub(r'"data:[^"]*"', "", page).lower().replace("maintenance", "")


def test_a_complete_run_has_all_figures(make_run):
    page, _ = read(make_run(samples=24))
    titles = re.findall(r"<h3>(.*?)</h3>", page)
    assert {*CHARTS, "Learning curve: fidelity", "Change of consecutive velocities"} <= {*titles}
    assert page.count("<svg") == len(titles) == page.count("<figcaption>") == 8


def test_the_worst_samples_are_shown_and_marked(make_run):
    run = make_run(samples=60)
    rows = [json.loads(line) for line in (run / "samples.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["metrics"]["psnr_db"] is not None]
    worst = min(rows, key=lambda row: row["metrics"]["psnr_db"])["index"]
    page, _ = read(run)
    shown = page.split("<details>", 1)[0]
    card = shown[shown.index(f'id="sample-{worst}"') :]
    assert "lowest PSNR" in card[: card.index("</article>")]


def test_large_images_are_scaled_down(make_run):
    run = make_run(samples=4, side=900)
    page = write_report(run)
    assert page.stat().st_size < 2_000_000
    assert 'width="512"' in page.read_text(encoding="utf-8")


def test_a_missing_or_damaged_image_leaves_a_gap(make_run):
    run = make_run()
    (run / "images" / "0003.png").unlink()
    (run / "images" / "0004.png").write_bytes(b"no image")
    page, _ = read(run)
    assert page.count("no image") == 2


def test_a_run_without_a_gain_in_wall_time_has_that_in_its_title(make_run):
    run = make_run()
    rows = [json.loads(line) for line in (run / "samples.jsonl").read_text().splitlines()]
    for row in rows:
        row["seconds"] = {name: 2 * value for name, value in row["seconds_full"].items()}
    (run / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    page, _ = read(run)
    assert "but no gain in wall time</h1>" in page
    assert (
        "denoising was 2.00 times slower than without skipping (0.50 \N{MULTIPLICATION SIGN},"
        in page
    )


def test_the_bootstrap_intervals_do_not_import_the_plotting_library():
    code = "import sys, fastflow.evaluation.bootstrap; print('matplotlib' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )
    assert found.stdout.strip() == "False", found.stderr
