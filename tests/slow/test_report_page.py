"""The script of the report's page, in a browser."""

import shutil

import pytest
from sketch_study import make_evidence, make_study, make_trials

from noiseflow.report import render
from noiseflow.report.escaping import FIRST_ROWS

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("coarse_pictures")]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
TIPS = "[...document.querySelectorAll('.term')].map(e => getComputedStyle(e, '::after').content !== 'none')"


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium: apt-get install chromium")
def test_one_tip_is_open_at_most(tmp_path):
    from playwright.sync_api import sync_playwright

    study = make_study(n_seeds=3)
    report = render(make_evidence(study, make_trials(study)))
    (tmp_path / "index.html").write_text(report.html, encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto((tmp_path / "index.html").as_uri())
        heads = page.locator(".term")
        heads.nth(1).click()
        assert page.evaluate(TIPS)[1]
        heads.nth(2).hover()
        shown = page.evaluate(TIPS)
        assert shown[2]
        assert sum(shown) == 1
        page.mouse.move(2, 2)
        page.locator("h1").click()
        assert not any(page.evaluate(TIPS))
        browser.close()


def rows_in_sight(page):
    return page.locator("table.numbers").first.locator("tbody tr:visible").count()


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium: apt-get install chromium")
@pytest.mark.parametrize("script", [True, False])
def test_long_tables_show_their_first_rows_on_a_phone_and_all_on_demand_and_on_paper(tmp_path, script):
    from playwright.sync_api import sync_playwright

    names = ("baseline", *(f"variant {i}" for i in range(20)))
    study = make_study(names=names, n_seeds=3, published=[])
    trials = make_trials(study, means=[0.77 + 0.001 * i for i in range(len(names))])
    (tmp_path / "index.html").write_text(render(make_evidence(study, trials)).html, encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(java_script_enabled=script).new_page()
        page.goto((tmp_path / "index.html").as_uri())
        assert rows_in_sight(page) == 20
        page.set_viewport_size({"width": 390, "height": 900})
        assert rows_in_sight(page) == FIRST_ROWS
        page.get_by_text(f"Show {20 - FIRST_ROWS} more rows").first.click()
        assert rows_in_sight(page) == 20
        page.get_by_label("Show all 20 rows").first.uncheck()
        assert rows_in_sight(page) == FIRST_ROWS
        if script:
            page.locator("input[type=search]").first.fill("variant")
            assert rows_in_sight(page) == 20
            page.locator("input[type=search]").first.fill("")
            assert rows_in_sight(page) == FIRST_ROWS
        page.emulate_media(media="print")
        assert rows_in_sight(page) == 20
        assert not page.locator("label.all-rows:visible").count()
        browser.close()
