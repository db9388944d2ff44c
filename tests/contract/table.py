"""docs/emulators.md: who passes what, from the suite's own marks. No server starts.

python -m tests.contract.table            writes it
python -m tests.contract.table --check    1 when it is not what the marks say
"""

from __future__ import annotations

import contextlib
import inspect
import io
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.contract import marks
from tests.servers import ROOT

PAGE = ROOT / "docs" / "emulators.md"
COLUMNS = {"standin": "stand-in", "moto": "moto", "ministack": "ministack", "fakes": "fakes"}
SPELLED = {word.lower(): word for word in "ARN AWS Cognito HTML IAM MFA S3 SES SMS STS UTC".split()}
SPELLED["somebodys"] = "somebody's"
INTRODUCTION = """\
# Who behaves like AWS

Made from the marks of `tests/contract` by `python -m tests.contract.table`; a test compares.

Each line is a test that says what AWS does. It runs on the **stand-in** (`tests/standin`, ours: a Cognito
that refuses what AWS refuses), on **moto** {moto} and on **ministack** {ministack}, through boto3 with
botocore {botocore}; what our own ports promise is asked of the **fakes** in memory too (`tests/fakes.py`).
Where one of them does otherwise the test is marked with the reason and must fail there: a mark that no
longer holds fails the run. "–" means that it cannot be asked there. `make contract-aws` asks AWS itself, by
hand, in a throw-away pool; no line here was decided by that.
"""
ONLY = """\
## Proved against the stand-in only

What follows holds on a server that we wrote from AWS's documents and from what others have seen of AWS;
no other server here shows it.
"""


@dataclass
class Row:
    """One rule; ``cells``: world -> "" where it must pass, or why it must fail there."""

    title: str
    cells: dict[str, str]
    only: str = ""  # why nobody but the stand-in can show it

    @property
    def proved_here_only(self) -> bool:
        others = [self.cells[name] for name in ("moto", "ministack") if name in self.cells]
        return self.cells.get("standin") == "" and (bool(self.only) or (bool(others) and all(others)))

    def others(self) -> str:
        """What the emulators do instead."""
        told = {name: self.cells[name] for name in ("moto", "ministack") if name in self.cells}
        if len(told) == 2 and len(set(told.values())) == 1:
            return f"each {told['moto']}"
        return "; ".join(f"{name} {why}" for name, why in told.items())

    def line(self, columns: Iterable[str]) -> str:
        return _line([self.title, *(self._cell(name) for name in columns)])

    def _cell(self, world: str) -> str:
        if world not in self.cells:
            return "–"
        return f"no: {self.cells[world]}" if self.cells[world] else "yes"


@dataclass
class Table:
    """The rules of one file."""

    title: str
    rows: list[Row] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)  # why some worlds cannot be asked, in order

    def text(self) -> Iterator[str]:
        columns = [name for name in COLUMNS if any(name in row.cells for row in self.rows)]
        yield f"## {self.title}"
        yield ""
        yield _line(["rule", *(COLUMNS[name] for name in columns)])
        yield _line(["---"] * (len(columns) + 1))
        yield from (row.line(columns) for row in self.rows)
        yield ""
        for note in self.notes:
            yield f"–: {note}."
            yield ""


def collect() -> list[pytest.Function]:
    """Every test of this folder, as pytest sees it. Raises with pytest's own words when it cannot."""

    class Collector:
        items: list[pytest.Item] = []

        def pytest_collection_finish(self, session: pytest.Session) -> None:
            self.items = list(session.items)

    said, collector = io.StringIO(), Collector()
    with contextlib.redirect_stdout(said):
        status = pytest.main(
            ["--collect-only", "-qq", "--assert=plain", str(ROOT / "tests/contract")], plugins=[collector]
        )
    if status:
        raise RuntimeError(said.getvalue())
    return [item for item in collector.items if isinstance(item, pytest.Function)]


def tables(items: Iterable[pytest.Function]) -> list[Table]:
    """One a file, in the order of their names; a rule whose cases differ has a row for each way."""
    files: dict[str, Table] = {}
    rules: dict[tuple[str, str], list[pytest.Function]] = {}
    for item in items:
        if marks.world_of(item):
            rules.setdefault((item.path.name, item.originalname), []).append(item)
    for (name, rule), cases in sorted(rules.items(), key=lambda one: one[0][0]):
        title = _sentence(inspect.getdoc(cases[0].module) or name)
        table = files.setdefault(name, Table(title))
        table.rows += _rows(rule, cases)
        if mark := cases[0].get_closest_marker("worlds"):
            table.notes[mark.kwargs["why"]] = None
    return list(files.values())


def _rows(rule: str, items: Iterable[pytest.Function]) -> Iterator[Row]:
    cases: dict[str, dict[str, str]] = {}
    only = ""
    for item in items:
        world = marks.world_of(item)
        given = item.callspec.params if hasattr(item, "callspec") else {}
        told = (value for name, value in given.items() if name not in marks.WORLD_PARAMETERS)
        case = " ".join(f"`{value}`" for value in told if isinstance(value, str | int))
        cases.setdefault(case, {})[world] = "; ".join(marks.reasons(item, world))
        if mark := item.get_closest_marker("only_standin"):
            only = mark.args[0]
    ways: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for case, cells in cases.items():
        ways.setdefault(tuple(cells.items()), []).append(case)
    words = _words(rule)
    for way, same in ways.items():
        yield Row(words if len(ways) == 1 else f"{words}: {', '.join(same)}", dict(way), only)


def page(found: list[Table]) -> str:
    rows = [row for table in found for row in table.rows]
    lines = [INTRODUCTION.format(**versions()), _line(["", *COLUMNS.values()]), _line(["---"] * 5)]
    asked = {name: [row for row in rows if name in row.cells] for name in COLUMNS}
    passed = {name: [row for row in asked[name] if not row.cells[name]] for name in COLUMNS}
    counts = (f"{len(passed[name])} of {len(asked[name])}" for name in COLUMNS)
    lines += [_line(["rules kept", *counts]), ""]
    for table in found:
        if not all(row.only for row in table.rows):
            lines += table.text()
    here_only = [row for row in rows if row.proved_here_only]
    lines += [ONLY, "Nobody else can be made to show it:", ""]
    lines += [f"* {row.title}: {row.only}." for row in here_only if row.only]
    lines += ["", "The emulators do otherwise:", ""]
    lines += [f"* {row.title}: {row.others()}." for row in here_only if not row.only]
    return "\n".join(lines) + "\n"


def versions() -> dict[str, str]:
    """Of the locks, so that nothing has to be installed."""
    found = {}
    for name, lock in (("moto", "dev"), ("botocore", "dev"), ("ministack", "ministack")):
        pinned = re.search(rf"(?m)^{name}==(\S+)", (ROOT / f"requirements/{lock}.txt").read_text())
        assert pinned, f"{name} is not in requirements/{lock}.txt"
        found[name] = pinned[1]
    return found


def _words(rule: str) -> str:
    """The name of a test as a sentence."""
    words = rule.removeprefix("test_").split("_")
    text = " ".join(SPELLED.get(word, word) for word in words)
    return text[:1].upper() + text[1:]


def _sentence(doc: str) -> str:
    return doc.partition("\n")[0].replace("``", "`").rstrip(".")


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main() -> int:
    text = page(tables(collect()))
    if sys.argv[1:] != ["--check"]:
        PAGE.write_text(text)
        return 0
    if PAGE.is_file() and PAGE.read_text() == text:
        return 0
    print(f"{PAGE.relative_to(ROOT)} is not what the marks say; run `python -m tests.contract.table`.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
