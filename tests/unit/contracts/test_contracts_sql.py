"""What SQL does to data, locks and the other version of the code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.change.sql import facts_of
from contracts.finding import Mark

BREAKS, GONE, NEEDS = Mark.BREAKS_OLD_CODE, Mark.DROPS_DATA, Mark.NEEDS_NEW_SCHEMA


@pytest.mark.parametrize(
    ("sql", "said", "marks"),
    [
        ("ALTER TABLE t DROP COLUMN a", "drops t.a", {GONE, BREAKS}),
        ("ALTER TABLE t ADD COLUMN a int", "adds t.a", {Mark.ADDITIVE, NEEDS}),
        ("ALTER TABLE t ADD COLUMN a int NOT NULL", "without a default", {BREAKS, NEEDS, Mark.LOCKS_TABLE}),
        ("ALTER TABLE t ADD COLUMN a int NOT NULL DEFAULT 0", "adds t.a", {Mark.ADDITIVE, NEEDS}),
        ("ALTER TABLE t ADD COLUMN a bigserial NOT NULL", "adds t.a", {Mark.ADDITIVE, NEEDS}),
        ("ALTER TABLE t ALTER COLUMN a TYPE bigint", "type of t.a", {Mark.REWRITES_DATA, Mark.LOCKS_TABLE}),
        ("ALTER TABLE t ALTER COLUMN a SET NOT NULL", "t.a NOT NULL", {Mark.LOCKS_TABLE, BREAKS}),
        ("ALTER TABLE t ALTER COLUMN a SET DEFAULT 3", "changes t.a", set()),
        ("ALTER TABLE t RENAME COLUMN a TO b", "renames t.a to b", {BREAKS, NEEDS}),
        ("ALTER TABLE t RENAME TO u", "renames t to u", {BREAKS, NEEDS}),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)", "under a lock", {Mark.LOCKS_TABLE}),
        ("ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES b NOT VALID", "not validated", set()),
        ("ALTER TABLE t DROP CONSTRAINT c", "drops constraint c", set()),
        ("ALTER INDEX i RENAME TO j", "alters index", set()),
        ("ALTER TABLE t SET (fillfactor = 70)", "not understood", {Mark.OPAQUE}),
        ("CREATE INDEX i ON t (a)", "while writers wait", {Mark.INDEX_BLOCKS, Mark.LOCKS_TABLE}),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)", "concurrently", {Mark.ADDITIVE}),
        ("CREATE TABLE t (a int)", "makes table t", {Mark.ADDITIVE, NEEDS}),
        ("CREATE VIEW v AS SELECT 1", "makes a view", {Mark.ADDITIVE}),
        ("CREATE FUNCTION f() RETURNS int AS $$ SELECT 1 $$ LANGUAGE sql", "was not read", {Mark.OPAQUE}),
        ("DROP TABLE IF EXISTS t CASCADE", "drops table t", {GONE, BREAKS}),
        ("DROP VIEW v", "drops view v", {BREAKS}),
        ("DROP INDEX CONCURRENTLY i", "drops index i", set()),
        ("TRUNCATE t", "truncates t", {GONE}),
        ("DELETE FROM t WHERE a = 1", "deletes rows of t", {GONE}),
        ("UPDATE t SET a = 1", "rewrites rows of t", {Mark.REWRITES_DATA, Mark.LOCKS_TABLE}),
        ("INSERT INTO t VALUES (1)", "adds rows to t", set()),
        ("GRANT ALL ON t TO app", "changes rights on t", set()),
        ("ALTER ROLE app SUPERUSER", "changes rights", set()),
        ("DO $$ BEGIN DROP TABLE t; END $$", "not understood: DO", {Mark.OPAQUE}),
        ("nonsense ((", "not understood", {Mark.OPAQUE}),
        ("SELECT 'open", "not readable as SQL", {Mark.OPAQUE}),
    ],
)
def test_statements(sql: str, said: str, marks: set[Mark]) -> None:
    """One fact each, always about the schema."""
    (fact,) = facts_of(sql)
    assert said in fact.said
    assert fact.marks == {Mark.SCHEMA, *marks}


@pytest.mark.parametrize(
    "sql", ["", ";;", "SET x = '1'; BEGIN; COMMIT", "COMMENT ON TABLE t IS 'x'", "-- nothing", "SELECT 1"]
)
def test_what_changes_nothing_is_no_fact(sql: str) -> None:
    assert facts_of(sql) == []


def test_each_fact_has_its_own_line() -> None:
    sql = "-- first\nALTER TABLE t\n  DROP COLUMN a;\n\nUPDATE t SET b = 1;"
    assert [f.line for f in facts_of(sql, first_line=10)] == [11, 14]


def test_a_table_made_here_can_be_filled_and_indexed_at_will() -> None:
    """Nobody reads it yet."""
    sql = "CREATE TABLE n (a int); CREATE INDEX i ON n (a); INSERT INTO n VALUES (1); ALTER TABLE n ADD CONSTRAINT c CHECK (a > 0)"
    assert [f.said for f in facts_of(sql)] == ["makes table n"]


def test_rows_that_a_with_deletes_are_seen() -> None:
    facts = facts_of("WITH x AS (DELETE FROM q RETURNING *) INSERT INTO r SELECT * FROM x")
    assert {f.said for f in facts} == {"adds rows to r", "deletes rows of q"}


def test_more_statements_than_are_looked_at_are_told() -> None:
    facts = facts_of("SELECT 1;" * 501)
    assert [f.said for f in facts] == ["1 more statements were not looked at"]


@given(st.text(max_size=60) | st.text(alphabet="ALTER TABLEDROP();'$-/*\n", max_size=60))
def test_any_text_is_read(text: str) -> None:
    """Never an exception: what is not SQL is said to be none."""
    assert all(Mark.SCHEMA in f.marks for f in facts_of(text))
