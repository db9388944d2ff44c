"""The identity map as a script for the application's database, from a template that may be the team's own.

    template + rows -> the text before, its line with {{ rows }} once for each 500 users, the text after

A template is SQL for PostgreSQL with three names in double braces: ``rows`` (needed, once; where there
is nobody its line is left out), ``job`` (the restore's number) and ``made_at``. A row is
``('old sub', 'new sub', 'old Username', 'new Username', 'e-mail', 'how')``. Every value is written as a
literal here: other people chose these texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from backups.core.identity_map import Row

ROWS = 500  # users on one INSERT
LONGEST = 1 << 20  # bytes of a template
NAMES = ("rows", "job", "made_at")

_NAME = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_ESCAPED = re.compile(r"[\x01-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\\]")
"""Control characters, which a transfer may change, and what turns the direction of writing, which hides
from a reader what is run; and the backslash, which a server may take for an escape or not."""


class BadTemplate(ValueError):
    """The template cannot be used; the text goes on after its name."""


class Unwritable(ValueError):
    """A value that no text of PostgreSQL can hold; the message is a sentence without the value."""


@dataclass(frozen=True, slots=True)
class Template:
    before: str
    line: str  # the one with {{ rows }}, with its line end
    after: str

    @classmethod
    def of(cls, text: str) -> Template:
        """Raises BadTemplate."""
        unknown = sorted({name for name in _NAME.findall(text) if name not in NAMES})
        if unknown:
            raise BadTemplate(
                f"has {{{{ {unknown[0]} }}}}, which stands for nothing here ({', '.join(NAMES)})"
            )
        lines = text.splitlines(keepends=True)
        places = [
            number for number, line in enumerate(lines) for name in _NAME.findall(line) if name == "rows"
        ]
        if len(places) != 1:
            raise BadTemplate(f"has {{{{ rows }}}} {len(places)} times, and needs it once")
        place = places[0]
        return cls("".join(lines[:place]), lines[place], "".join(lines[place + 1 :]))

    def fill(self, rows: Iterable[Row], *, job: int, made_at: str) -> Iterator[str]:
        """The script in pieces. Rows without a new sub are left out. Raises Unwritable."""
        values = {"job": str(job), "made_at": made_at}
        yield _filled(self.before, values)
        mapped = (row for row in rows if row[1])
        while some := list(islice(mapped, ROWS)):
            tuples = ",\n  ".join(f"({', '.join(map(literal, row))})" for row in some)
            yield _filled(self.line, {**values, "rows": f"\n  {tuples}"})
        yield _filled(self.after, values)


def load(path: str) -> Template:
    """The template in this file, the default for no path at all. Raises BadTemplate, never falls back."""
    if not path:
        return Template.of(DEFAULT)
    try:
        with Path(path).open("rb") as file:
            data = file.read(LONGEST + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no path"
        raise BadTemplate(f"cannot be read: {why}") from None
    if len(data) > LONGEST:
        raise BadTemplate(f"is larger than {LONGEST:,} bytes")
    try:
        return Template.of(data.decode())
    except UnicodeDecodeError:
        raise BadTemplate("is no text in UTF-8") from None


def literal(value: str) -> str:
    """One text as a literal on one line, whatever standard_conforming_strings is. Raises Unwritable."""
    if "\0" in value:
        raise Unwritable("A value of the map holds a NUL, which no text of PostgreSQL can.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unwritable("A value of the map holds half a character (a lone surrogate).") from None
    quoted = value.replace("'", "''")
    if not _ESCAPED.search(quoted):
        return f"'{quoted}'"
    return f"E'{_ESCAPED.sub(_escape, quoted)}'"


def _escape(found: re.Match[str]) -> str:
    return "\\\\" if found[0] == "\\" else f"\\u{ord(found[0]):04x}"


def _filled(text: str, values: dict[str, str]) -> str:
    return _NAME.sub(lambda found: values[found[1]], text)


DEFAULT = """\
-- The identity map of restore job {{ job }}, made {{ made_at }}.
-- For user_access(user_id, experiment_id, access_role)
-- and invite_access(user_email, experiment_id, access_role).
-- One transaction: all of it, or nothing. It may be run twice. It holds personal data: delete it afterwards.

BEGIN;
SET LOCAL client_encoding = 'UTF8';

CREATE TEMPORARY TABLE identity_map (
  old_sub text NOT NULL, new_sub text NOT NULL, old_username text, new_username text, email text, how text
) ON COMMIT DROP;
INSERT INTO pg_temp.identity_map VALUES {{ rows }};

-- Who has a new identity. An e-mail that two people of the map bear says nothing of either of them.
CREATE TEMPORARY TABLE moved ON COMMIT DROP AS
SELECT * FROM (
  SELECT lower(old_sub) AS old_sub, lower(new_sub)::uuid AS new_sub,
         CASE WHEN email <> '' AND count(*) OVER (PARTITION BY lower(email)) = 1 THEN lower(email) END
           AS email
  FROM pg_temp.identity_map
) AS everybody
WHERE old_sub <> '' AND old_sub <> new_sub::text;

DO $$
BEGIN
  IF (SELECT count(*) <> count(DISTINCT old_sub) OR count(*) <> count(DISTINCT new_sub) FROM pg_temp.moved)
     OR EXISTS (SELECT FROM pg_temp.moved AS a JOIN pg_temp.moved AS b ON a.new_sub::text = b.old_sub)
  THEN
    RAISE EXCEPTION 'The identity map is not one to one. Nothing was changed.';
  END IF;
END $$;

-- Nobody writes to them in between; reading goes on.
LOCK TABLE user_access, invite_access IN SHARE ROW EXCLUSIVE MODE;

UPDATE user_access AS old SET user_id = moved.new_sub
FROM pg_temp.moved
WHERE old.user_id::text = moved.old_sub
  AND NOT EXISTS (
    SELECT FROM user_access AS new WHERE new.user_id = moved.new_sub AND new.experiment_id = old.experiment_id
  );

SELECT 'left as it was: the new user has this experiment already' AS access, old.user_id AS old_user_id,
       moved.new_sub AS new_user_id, old.experiment_id,
       old.access_role AS old_role, new.access_role AS new_role
FROM user_access AS old
JOIN pg_temp.moved ON old.user_id::text = moved.old_sub
JOIN user_access AS new ON new.user_id = moved.new_sub AND new.experiment_id = old.experiment_id
ORDER BY old.user_id, old.experiment_id;

-- Who was invited before and is back: the invitation becomes access. What they have already stays as it is.
INSERT INTO user_access (user_id, experiment_id, access_role)
SELECT moved.new_sub, invite.experiment_id, invite.access_role
FROM invite_access AS invite JOIN pg_temp.moved ON lower(invite.user_email) = moved.email
ON CONFLICT DO NOTHING;

DELETE FROM invite_access AS invite
USING pg_temp.moved, user_access AS access
WHERE lower(invite.user_email) = moved.email
  AND access.user_id = moved.new_sub
  AND access.experiment_id = invite.experiment_id
  AND access.access_role::text = invite.access_role::text;

SELECT 'left as it was: this user has another role already' AS invitation, moved.new_sub AS user_id,
       invite.experiment_id, invite.access_role AS invited_as, access.access_role AS role
FROM invite_access AS invite
JOIN pg_temp.moved ON lower(invite.user_email) = moved.email
JOIN user_access AS access ON access.user_id = moved.new_sub AND access.experiment_id = invite.experiment_id
ORDER BY moved.new_sub, invite.experiment_id;

COMMIT;
"""
"""For the tables of the team's application: access by sub, invitations by e-mail."""
