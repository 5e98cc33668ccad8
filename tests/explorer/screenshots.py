"""Make the pictures of docs/how-to/explorer.md: ``python -m tests.explorer.screenshots MODEL``.

MODEL is a model of English words with lower-case text, such as one trained on text8.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image

import conec
from conec.explore import WordExplorer
from tests.explorer.browser import chromium, served, show

DOCS = Path(__file__).resolve().parents[2] / "docs" / "how-to"
VIEWS = {
    "explorer-sentence": "sentence?text=she+bought+a+zorbomat+with+a+fast+processor&a=0.6",
    "explorer-map": "map?name=computer",
}


def main(model: Path) -> None:
    """Open the views, and write the pictures."""
    explorer = WordExplorer([model], conec.load)
    explorer.warm_up()
    with served(explorer) as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 1100, "height": 860})
        page.set_default_timeout(60_000)
        for name, view in VIEWS.items():
            show(page, address, view)
            page.wait_for_timeout(500)  # the map is drawn
            picture = Image.open(io.BytesIO(page.screenshot()))
            picture.quantize(64).save(DOCS / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
