"""The parts of the operators' page: complete, ours, and unable to make markup of text."""

from __future__ import annotations

import re
from importlib.resources import files

FILES = {
    one.name: one.read_text(encoding="utf-8")
    for one in files("aeon").joinpath("static", "admin").iterdir()
}
MODULES = {name: text for name, text in FILES.items() if name.endswith(".js")}
SVG_NAMESPACE = "http://www.w3.org/2000/svg"
IMPORT = re.compile(r'^import (?:\{([^}]*)\}|\* as \w+) from "\./([^"]+)";', re.MULTILINE)


def test_every_import_finds_its_module_and_name() -> None:
    for name, text in MODULES.items():
        for wanted, module in IMPORT.findall(text):
            for one in filter(None, (part.split(" as ")[0].strip() for part in wanted.split(","))):
                found = re.search(
                    rf"export (?:async )?(?:const|function|class) {one}\b", MODULES[module]
                )
                assert found, f"{name}: {one} of {module}"


def test_every_module_is_used() -> None:
    imported = {module for text in MODULES.values() for _, module in IMPORT.findall(text)}
    assert set(MODULES) - imported == {"main.js"}
    assert "main.js" in FILES["index.html"]


def test_nothing_makes_markup_of_text() -> None:
    for name, text in MODULES.items():
        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert way not in text, name
        assert "createContextualFragment" not in text
        assert "DOMParser" not in text


def test_no_other_address_is_named() -> None:
    for name, text in FILES.items():
        assert "//" not in re.sub(r"^\s*//.*", "", text.replace(SVG_NAMESPACE, ""), flags=re.M), (
            name
        )
        assert "url(" not in text
        assert "@import" not in text


def test_the_page_has_nothing_inline() -> None:
    page = FILES["index.html"]
    assert re.findall(r"<script[^>]*>", page) == [
        '<script type="module" src="/static/admin/main.js">'
    ]
    assert "<style" not in page
    assert not re.search(r"\s(style|on\w+)=", page)


def test_modules_stay_small_and_say_what_they_are() -> None:
    for name, text in MODULES.items():
        assert text.startswith("// "), name
        assert len(text.splitlines()) <= 250, name
