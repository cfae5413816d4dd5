"""docs/cautions: a page for each caution, and one that lists them.

`python -m noiseflow.report.cautions.pages docs/cautions` writes them.
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from noiseflow.report.cautions import CAUTIONS
from noiseflow.report.cautions.caution import Caution

HEAD = """\
# Cautions

The report ends "What limits it" with numbered cautions: what makes an answer weaker
than it looks. A study file mutes one by its number, where you know better:

```yaml
muted: [NF003]
```

| number | what it says |
|---|---|
"""


def documents() -> dict[str, str]:
    """File name -> page, as Markdown."""
    rows = "".join(f"| [{caution.code}]({caution.code}.md) | {_sentence(caution.title)} |\n" for caution in CAUTIONS)
    return {"index.md": HEAD + rows} | {f"{caution.code}.md": _page(caution) for caution in CAUTIONS}


def _page(caution: Caution) -> str:
    paragraphs = [f"**{_sentence(caution.title)}**", *caution.why.split("\n\n"), f"**What to do:** {caution.advice}"]
    mute = f"To leave it out of the report: `muted: [{caution.code}]` in the study file."
    body = "\n\n".join(textwrap.fill(part, 88, break_on_hyphens=False) for part in [*paragraphs, mute])
    return f"# {caution.code}\n\n{body}\n"


def _sentence(title: str) -> str:
    return f"{title[0].upper()}{title[1:]}."


if __name__ == "__main__":
    for name, page in documents().items():
        Path(sys.argv[1], name).write_text(page, encoding="utf-8")
