"""The script of the report's page, in a browser."""

import shutil

import pytest
from sketch_study import make_evidence, make_study, make_trials

from noiseflow.report import render

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
