"""docs/notebook.ipynb shows what an execution shows; it is small."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
DOCS = Path(__file__).parents[2] / "docs"
NUMBER = re.compile(r"[+−-]?\d[\d,]*(?:\.\d+)?")
SHOWN = """
import json, sys
sys.path.insert(0, sys.argv[1])
import notebook
print(json.dumps(notebook.executed()))
"""


def outputs(cells):
    """What each cell of code shows, as one text: where it is cut into outputs depends on the clock."""
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    texts = [["".join(one.get("text") or one["data"]["text/plain"]) for one in cell["outputs"]] for cell in code]
    return [" ".join(" ".join(text).split()) for text in texts]


def test_notebook_shows_what_its_cells_do(tmp_path):
    path = DOCS / "notebook.ipynb"
    kept = json.loads(path.read_text())
    env = os.environ | {"PYTHONPATH": str(DOCS.parent), "IPYTHONDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", SHOWN, str(DOCS)], env=env, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    before, now = outputs(kept["cells"]), outputs(json.loads(done.stdout.splitlines()[-1])["cells"])
    assert all(before)
    assert [NUMBER.sub("#", text) for text in now] == [NUMBER.sub("#", text) for text in before]
    for one, other in zip(before, now, strict=True):
        numbers = [[float(n.replace(",", "").replace("−", "-")) for n in NUMBER.findall(text)] for text in (one, other)]
        # other processors round otherwise, and networks amplify it
        assert numbers[1] == pytest.approx(numbers[0], rel=0.15, abs=0.1)
    assert path.stat().st_size < 50_000
