"""The Python that the guide shows, as it stands there."""
import re

from conftest import REPOSITORY


def blocks(page):
    """(heading above, text) of each block of a page."""
    heading, found = "", []
    text = (REPOSITORY / "docs/guide" / page).read_text()
    for part in re.finditer(r"^#+ (?P<heading>[^\n]*)$|^```python\n(?P<block>.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if part["heading"]:
            heading = part["heading"]
        else:
            found.append((heading, part["block"]))
    assert found, f"{page} shows no Python"
    return found
