"""The page's files as they are served: words from one place, nothing an old browser cannot read, nothing inline."""

import json
import re

import pytest

from drivers.readers.id_card import SdtTrouble
from edge.api import static
from edge.card_verdict import CardNote
from edge.messages import Language, load
from edge.verdict import Carrier, Outcome, Reason, Rung

FILES = static.load()
SCRIPT = "".join(file.body.decode() for path, file in sorted(FILES.items()) if path.endswith(".js"))
PAGE = FILES["/"].body.decode()
STYLE = FILES["/style.css"].body.decode()

CHOSEN_BY_STATE = {
    "lost.": ("unplugged", "permission", "busy", "missing", "io", "no_service"),
    "trouble.": tuple(SdtTrouble),
    "note.": tuple(CardNote),
    "sam.": ("expiring", "expired", "unreadable"),
    "page.sam_": ("expiring", "expired", "unreadable"),
    "outcome.": tuple(Outcome),
    "reason.": tuple(Reason),
    "carrier.": tuple(Carrier),
    "rung.": tuple(Rung),
    "delivery.": ("saved", "sent", "returned", "unsaved"),
    "state.": ("ready", "opening", "lost", "connected", "connecting", "offline", "refused", "off"),
    "unit.": ("second", "minute", "hour", "day"),
    "status.": ("readers", "network", "queue", "trust", "clock"),
    "status.crypto_": ("libcrypto", "gmssl"),
    "named.": (),  # asked for only where there is one
    "page.do_": tuple(Outcome),
    "page.help_readers_": ("good", "warn", "bad"),
    "page.help_network_": ("connected", "connecting", "offline", "refused", "off"),
    "page.banner_": ("store", "test_keys", "trust", "store_more", "test_keys_more", "trust_more"),
}
"""Keys that the page puts together from a state, by their beginning."""


def texts(language):
    groups = json.loads(FILES[f"/texts.{language}.json"].body)
    return {f"{group}.{name}": text for group, names in groups.items() for name, text in names.items()}


def test_both_languages_have_the_same_page_texts():
    """A key of the page stands in both languages or in none."""
    zh, en = texts(Language.ZH), texts(Language.EN)

    assert zh.keys() == en.keys()
    assert all(
        re.findall(r"\{\w+\}", zh[key]) == re.findall(r"\{\w+\}", en[key]) for key in zh if key.startswith("page.")
    )


@pytest.mark.parametrize("language", list(Language))
def test_shared_words_are_those_of_the_command_line(language):
    """The page has no second list of the words that the command line says."""
    shared = load(language)
    served = texts(language)

    assert {key for key in served if not key.startswith("page.")} <= shared.keys()
    assert served["reason.VALID"] == shared.text("reason.VALID")


def test_every_text_that_the_page_asks_for_is_there():
    """Each key in the script and the page has a text, whole or put together from a state."""
    served = texts(Language.ZH)
    script = re.findall(r'"([a-z]+\.\w*)"', SCRIPT)
    whole = [key for key in script if key in served]
    begun = [key for key in script if key not in served]
    placed = re.findall(r'data-text="([^"]+)"', PAGE)

    assert set(begun) == set(CHOSEN_BY_STATE)
    assert all(start + name in served for start, names in CHOSEN_BY_STATE.items() for name in names)
    assert set(placed) <= served.keys()
    assert len(whole) > 10


def test_every_page_text_is_used():
    """No text of the page is left over from something that it no longer says."""
    mentioned = set(re.findall(r'"(page\.\w+)"', SCRIPT + PAGE))
    begun = tuple(start for start in CHOSEN_BY_STATE if start.startswith("page."))

    unused = {key for key in texts(Language.ZH) if key.startswith("page.") and key not in mentioned}

    assert {key for key in unused if not key.startswith(begun)} == set()


def test_no_words_in_the_code():
    """Script, page and style hold no text for people: it comes from the files of texts."""
    for source in (SCRIPT, PAGE, STYLE):
        assert re.findall(r"[\u4e00-\u9fff]+", source) == []


def test_script_reads_on_old_browsers():
    """Nothing newer than ES2018 stands in the script."""
    newer = [
        *(r"\?\.\D", r"\?\?", r"\|\|=|&&=", r"catch\s*\{", r"\.(flat|flatMap|at|replaceAll|matchAll|fromEntries)\("),
        *(r"\bimport\s*[.(]", r"\bexport\s*\*\s*as\b", r"#\w+\s*[=(;]", r"\d_\d", r"\d+n\b"),
        *(r"\bglobalThis\b", r"\bstatic\b"),
    ]

    assert [pattern for pattern in newer if re.search(pattern, SCRIPT)] == []


def test_nothing_inline():
    """No script, style or handler stands in the page itself, and the script writes no HTML."""
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", PAGE)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|Function\(|\.style\b", SCRIPT)


def test_nothing_from_elsewhere():
    """No file of the page names another machine."""
    for source in (PAGE, SCRIPT, STYLE):
        assert [found for found in re.findall(r"(?:https?:)?//[\w.]+", source) if "www.w3.org" not in found] == []
