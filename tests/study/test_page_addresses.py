"""At which address a browser finds a page of the results, where a web server shows them."""

import pytest

from noiseflow.study.result_places import address_below, base_faults


@pytest.mark.parametrize(
    ("location", "place", "address"),
    [
        ("/srv/results/a/index.html", "/srv/results", "https://x.org/r/a/index.html"),
        ("/srv/results/b c/a/index.html", "file:///srv/results/", "https://x.org/r/b%20c/a/index.html"),
        ("s3://bucket/p/a/index.html", "s3://bucket/p", "https://x.org/r/a/index.html"),
        ("/srv/other/a/index.html", "/srv/results", None),
        ("/srv/results/../a/index.html", "/srv/results", None),
        ("s3://other/p/a/index.html", "s3://bucket/p", None),
    ],
)
@pytest.mark.parametrize("base", ["https://x.org/r", "https://x.org/r/"])
def test_address_of_a_page_is_below_that_of_its_place(location, place, address, base):
    assert address_below(location, place, base) == address


@pytest.mark.parametrize(
    ("base", "fine"),
    [
        ("https://reports.example.org/results", True),
        ("http://127.0.0.1:8000/", True),
        ("ftp://example.org", False),
        ("reports.example.org", False),
        ("javascript:alert(1)", False),
        ("https://user:secret@example.org", False),
        ("https://example.org/?token=secret", False),
        ("https://[", False),
    ],
)
def test_address_of_the_pages_is_one_that_a_browser_opens(base, fine):
    assert (base_faults(base) == []) is fine
    assert "secret" not in "".join(base_faults(base))
