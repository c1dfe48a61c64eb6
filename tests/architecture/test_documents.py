"""README, ARCHITECTURE and the files they speak of belong together."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_architecture_names_real_files() -> None:
    named = set(
        re.findall(
            r"`((?:aeon|actors|storage|migrations|tests)/[\w./-]+)`",
            (ROOT / "ARCHITECTURE.md").read_text(),
        )
    )

    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_architecture_names_every_package() -> None:
    architecture = (ROOT / "ARCHITECTURE.md").read_text()
    tops = [ROOT / name for name in ("aeon", "actors", "storage")]
    packages = [path.parent for top in tops for path in top.glob("*/__init__.py")]

    assert packages
    named = [str(package.relative_to(ROOT)) for package in packages]
    assert [name for name in sorted(named) if f"`{name}`" not in architecture] == []


def test_links_between_documents_lead_somewhere() -> None:
    documents = [*ROOT.glob("*.md")]
    for folder in ("aeon", "actors", "storage", "deploy"):
        documents += (ROOT / folder).rglob("*.md")
    links = [
        document.parent / link
        for document in documents
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text())
    ]

    assert links
    assert [link for link in links if not link.exists()] == []


def test_links_to_sections_lead_somewhere() -> None:
    faults = []
    for document in [*ROOT.glob("*.md"), *(ROOT / "aeon").rglob("*.md")]:
        for path, section in re.findall(r"\]\(([^):#]*)#([^)]+)\)", document.read_text()):
            target = document.parent / path if path else document
            headings = re.findall(r"^#+ (.+)$", target.read_text(), flags=re.MULTILINE)
            if section not in {
                re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings
            }:
                faults.append((document.name, f"{path}#{section}"))

    assert faults == []


def test_architecture_names_every_module_at_the_top_of_the_edge() -> None:
    architecture = (ROOT / "ARCHITECTURE.md").read_text()
    modules = {path.name for path in (ROOT / "aeon").glob("*.py")}

    assert [
        name
        for name in sorted(modules - {"__init__.py", "__main__.py", "version.py"})
        if f"`aeon/{name}`" not in architecture
    ] == []


def test_readme_carries_the_command_that_ci_runs() -> None:
    readme = (ROOT / "README.md").read_text()

    assert readme.count("<!-- command: test -->") == 1
    assert "<!-- command: test -->" in (ROOT / ".ci" / "run").read_text()
