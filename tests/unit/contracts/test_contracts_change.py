"""What each detector sees in a change, and where."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from contracts.change.code import code_findings
from contracts.change.history import history_findings
from contracts.change.inspect import inspect
from contracts.change.manifests import dependency_findings
from contracts.change.migrations import migration_findings
from contracts.change.openapi import api_findings
from contracts.change.settings import settings_findings
from contracts.change.workloads import workload_findings
from contracts.finding import Finding, Mark, marks_of
from domain.risk import FactorName as F
from tests.unit.contracts.changed import changed

STACK = Path(__file__).resolve().parents[3] / "stack" / "migrations" / "versions"


def python(text: str) -> str:
    return textwrap.dedent(text)


# migrations


def migrated(path: str, after: str | None, before: str | None = None, *others: tuple[str, str]) -> list[Finding]:
    files = [changed(path, before, after), *(changed(p, None, t) for p, t in others)]
    return list(migration_findings(files))


def test_alembic_calls_and_sql_with_their_lines() -> None:
    """The patient's own migration that renames a column in use."""
    found = migrated("stack/migrations/versions/0004_tax_rate.py", (STACK / "0004_tax_rate.py").read_text())
    renames = [f for f in found if "renames orders.total_cents" in f.reason]
    assert [f.where for f in renames] == [["stack/migrations/versions/0004_tax_rate.py:20"]]
    assert {Mark.BREAKS_OLD_CODE, Mark.REWRITES_DATA} <= marks_of(found)
    assert Mark.NO_DOWN not in marks_of(found)


@pytest.mark.parametrize(
    ("call", "mark", "there"),
    [
        ("op.drop_column('t', 'a')", Mark.DROPS_DATA, True),
        ("op.add_column('t', sa.Column('a', sa.Integer(), nullable=False))", Mark.BREAKS_OLD_CODE, True),
        (
            "op.add_column('t', sa.Column('a', sa.Integer(), nullable=False, server_default='0'))",
            Mark.BREAKS_OLD_CODE,
            False,
        ),
        ("op.alter_column('t', 'a', new_column_name='b')", Mark.BREAKS_OLD_CODE, True),
        ("op.alter_column('t', 'a', type_=sa.BigInteger())", Mark.REWRITES_DATA, True),
        ("op.alter_column('t', 'a', nullable=False)", Mark.LOCKS_TABLE, True),
        ("op.create_index('i', 't', ['a'])", Mark.INDEX_BLOCKS, True),
        ("op.create_index('i', 't', ['a'], postgresql_concurrently=True)", Mark.INDEX_BLOCKS, False),
        ("op.create_table('n'); op.create_index('i', 'n', ['a'])", Mark.INDEX_BLOCKS, False),
        ("op.execute(sa.text('TRUNCATE t'))", Mark.DROPS_DATA, True),
        ("op.execute(make_sql())", Mark.OPAQUE, True),
        ("op.something_new('t')", Mark.OPAQUE, True),
        ("with op.batch_alter_table('t') as batch_op:\n        batch_op.drop_column('a')", Mark.DROPS_DATA, True),
    ],
)
def test_alembic_operations(call: str, mark: Mark, there: bool) -> None:
    text = f"def upgrade():\n    {call}\n\ndef downgrade():\n    op.add_column('t', 'a')\n"
    assert (mark in marks_of(migrated("alembic/versions/1.py", text))) is there


@pytest.mark.parametrize("body", ["pass", "raise NotImplementedError", "..."])
def test_a_downgrade_that_does_nothing_is_no_way_back(body: str) -> None:
    text = f"def upgrade():\n    op.drop_index('i')\n\ndef downgrade():\n    {body}\n"
    assert Mark.NO_DOWN in marks_of(migrated("migrations/versions/1.py", text))


@pytest.mark.parametrize(
    ("operation", "mark", "there"),
    [
        ("migrations.RemoveField('a', 'b')", Mark.DROPS_DATA, True),
        ("migrations.AddField('a', 'b', models.TextField(null=True))", Mark.BREAKS_OLD_CODE, False),
        ("migrations.AddField('a', 'b', models.TextField(default=''))", Mark.BREAKS_OLD_CODE, True),
        ("migrations.AlterField('a', 'b', models.TextField())", Mark.OPAQUE, True),
        ("migrations.AddIndex('a', models.Index(fields=['b']))", Mark.INDEX_BLOCKS, True),
        ("AddIndexConcurrently('a', models.Index(fields=['b']))", Mark.INDEX_BLOCKS, False),
        ("migrations.RunSQL('DELETE FROM a')", Mark.NO_DOWN, True),
        ("migrations.RunSQL('UPDATE a SET b = 1', reverse_sql='')", Mark.NO_DOWN, False),
        ("migrations.RunPython(forwards)", Mark.NO_DOWN, True),
        ("migrations.RunPython(forwards, migrations.RunPython.noop)", Mark.NO_DOWN, False),
        ("migrations.SeparateDatabaseAndState()", Mark.OPAQUE, True),
        ("migrations.Unheard()", Mark.OPAQUE, True),
    ],
)
def test_django_operations(operation: str, mark: Mark, there: bool) -> None:
    text = f"class Migration(migrations.Migration):\n    operations = [\n        {operation},\n    ]\n"
    found = migrated("shop/migrations/0002_x.py", text)
    assert (mark in marks_of(found)) is there
    assert found[0].where == ["shop/migrations/0002_x.py:3"]


def test_sql_migrations_know_their_undo() -> None:
    """Flyway's U file, a .down.sql beside it, goose's second half; none of them: no way back."""
    drop = "ALTER TABLE t ADD COLUMN a int;"
    back = "ALTER TABLE t DROP COLUMN a;"
    assert Mark.NO_DOWN in marks_of(migrated("db/V2__a.sql", drop))
    assert Mark.NO_DOWN not in marks_of(migrated("db/V2__a.sql", drop, None, ("db/U2__a.sql", back)))
    assert Mark.NO_DOWN not in marks_of(migrated("db/2_a.up.sql", drop, None, ("db/2_a.down.sql", back)))
    goose = f"-- +goose Up\n{drop}\n-- +goose Down\n{back}\n"
    found = migrated("db/2_a.sql", goose)
    assert Mark.NO_DOWN not in marks_of(found)
    assert Mark.DROPS_DATA not in marks_of(found)


def test_migrations_that_ran_must_not_be_edited_or_deleted() -> None:
    assert "already have run" in migrated("db/1.sql", "SELECT 1;", "SELECT 2;")[0].reason
    assert "deleted" in migrated("db/1.sql", None, "SELECT 2;")[0].reason


def test_a_migration_that_is_no_python_is_said_to_be_none() -> None:
    found = migrated("migrations/versions/1.py", "def upgrade(:\n")
    assert "no readable Python" in found[0].reason


# dependencies


def depended(path: str, before: str, after: str) -> dict[str, Finding]:
    rows = list(dependency_findings([changed(path, before, after)]))
    return {f.reason: f for f in rows if isinstance(f, Finding)}


@pytest.mark.parametrize(
    ("path", "before", "after", "said"),
    [
        ("requirements.txt", "flask==2.3.1\n# x\n", "flask==3.0.0\n", "flask ==2.3.1 → ==3.0.0, a major version"),
        ("requirements-prod.txt", "a==1\n", "a==1\nb>=2 --hash=x\n", "adds b >=2"),
        ("package.json", '{"dependencies": {"x": "^1.2.0"}}', '{"dependencies": {}}', "removes x"),
        (
            "package-lock.json",
            '{"packages": {"node_modules/x": {"version": "2.0.0"}}}',
            '{"packages": {"node_modules/x": {"version": "1.9.0"}}}',
            "x 2.0.0 → 1.9.0, a step back",
        ),
        (
            "uv.lock",
            '[[package]]\nname = "x"\nversion = "0.4.1"',
            '[[package]]\nname = "x"\nversion = "0.5.0"',
            "a major version",
        ),
        (
            "pyproject.toml",
            '[project]\ndependencies = ["x>=1"]',
            '[project]\ndependencies = ["x>=1.1"]',
            "x >=1 → >=1.1",
        ),
        ("Cargo.toml", '[dependencies]\nx = {version = "1"}', '[dependencies]\nx = "2"', "x 1 → 2, a major version"),
        (
            "go.mod",
            "require (\n\ta.b/c v1.0.0\n)\n",
            "require (\n\ta.b/c v2.0.0\n)\n",
            "a.b/c 1.0.0 → 2.0.0, a major version",
        ),
        ("Gemfile.lock", "    rails (7.0.1)\n", "    rails (7.0.2)\n", "rails 7.0.1 → 7.0.2"),
        (
            "Pipfile.lock",
            '{"default": {"x": {"version": "==1"}}}',
            '{"default": {"x": {"version": "==2"}}}',
            "x ==1 → ==2",
        ),
        (
            "yarn.lock",
            '# yarn lockfile v1\n\n"@a/x@^1.0.0", "@a/x@^1.2.0":\n  version "1.2.3"\n  resolved "u"\n\nb@^1:\n  version "1.0.0"\n',
            '# yarn lockfile v1\n\n"@a/x@^2.0.0":\n  version "2.0.0"\n\nb@^1:\n  version "1.0.0"\n',
            "@a/x 1.2.3 → 2.0.0, a major version",
        ),
        (
            "yarn.lock",
            '__metadata:\n  version: 6\n\n"x@npm:^1.0.0":\n  version: 1.0.0\n  resolution: "x@npm:1.0.0"\n',
            '__metadata:\n  version: 6\n\n"x@npm:^1.0.0":\n  version: 1.1.0\n\n"me@workspace:.":\n  version: 0.0.0-use.local\n',
            "x 1.0.0 → 1.1.0",
        ),
        (
            "package-lock.json",
            '{"lockfileVersion": 1, "dependencies": {"x": {"version": "1.0.0"}}}',
            '{"lockfileVersion": 1, "dependencies": {"x": {"version": "2.0.0"}}}',
            "x 1.0.0 → 2.0.0",
        ),
        (
            "composer.lock",
            '{"packages": [{"name": "a/b", "version": "v1.0.0"}]}',
            '{"packages": []}',
            "removes a/b",
        ),
        (
            "pom.xml",
            "<dependency><groupId>g</groupId><artifactId>a</artifactId><version>1.0</version></dependency>",
            "<dependency>\n <groupId>g</groupId>\n <artifactId>a</artifactId>\n <version>2.0</version>\n</dependency>",
            "g:a 1.0 → 2.0, a major version",
        ),
        ("pnpm-lock.yaml", "packages:\n  /x@1.0.0: {}\n", "packages:\n  /x@2.0.0: {}\n", "x 1.0.0 → 2.0.0"),
    ],
)
def test_dependencies(path: str, before: str, after: str, said: str) -> None:
    (reason,) = depended(path, before, after)
    assert said in reason


def test_a_dependency_is_named_with_its_line() -> None:
    found = depended("requirements.txt", "a==1\nb==1\n", "a==1\nb==2\n")
    assert [f.where for f in found.values()] == [["requirements.txt:2"]]


@pytest.mark.parametrize("path", ["package.json", "uv.lock", "pnpm-lock.yaml", "Pipfile.lock", "yarn.lock"])
def test_an_unreadable_manifest_is_a_doubt(path: str) -> None:
    (doubt,) = dependency_findings([changed(path, "", "{[")])
    assert isinstance(doubt, tuple)
    assert path in doubt[0]


# API documents

OLD_API = {
    "openapi": "3.0.0",
    "paths": {
        "/pay": {
            "post": {
                "parameters": [{"name": "trace", "in": "header"}],
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["amount"],
                                "properties": {
                                    "amount": {"type": "integer"},
                                    "way": {"type": "string", "enum": ["card", "cash"]},
                                },
                            }
                        }
                    }
                },
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Paid"}}}}
                },
            }
        },
        "/ping": {"get": {"responses": {"204": {}}}},
    },
    "components": {
        "schemas": {
            "Paid": {
                "type": "object",
                "properties": {
                    "id": {"type": "string"},
                    "state": {"enum": ["ok"]},
                    "parts": {"type": "array", "items": {"type": "string"}},
                },
            }
        }
    },
}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"/ping"', '"/pong"', "removes GET /ping"),
        ('"204"', '"205"', "GET /ping answers no 204 any more"),
        ('"in": "header"', '"in": "header", "required": true', "POST /pay needs parameter trace"),
        ('["amount"]', '["amount", "way"]', "POST /pay request needs way"),
        (
            '"amount": {"type": "integer"}',
            '"amount": {"type": "string"}',
            "POST /pay request.amount is string instead of integer",
        ),
        ('["card", "cash"]', '["card"]', "POST /pay request.way does not take cash any more"),
        ('"id": {"type": "string"}', '"key": {"type": "string"}', "POST /pay 200 has no id any more"),
        ('["ok"]', '["ok", "late"]', "POST /pay 200.state may be late, which callers do not know"),
        (
            '"items": {"type": "string"}',
            '"items": {"type": "integer"}',
            "POST /pay 200.parts[] is integer instead of string",
        ),
    ],
)
def test_what_callers_lose(old: str, new: str, said: str) -> None:
    before = json.dumps(OLD_API)
    assert old in before
    found = list(api_findings([changed("api.json", before, before.replace(old, new))]))
    assert said in [f.reason for f in found if isinstance(f, Finding)]


def test_what_callers_gain_breaks_nothing() -> None:
    before = json.dumps(OLD_API)
    after = before.replace('"/ping"', '"/new": {"get": {"responses": {}}}, "/ping"').replace(
        '"id": {"type": "string"}', '"id": {"type": "string"}, "more": {"type": "string"}'
    )
    assert list(api_findings([changed("api.json", before, after)])) == []
    assert list(api_findings([changed("api.json", None, before)])) == []


def test_references_in_circles_and_broken_documents_end() -> None:
    circle = {
        "openapi": "3",
        "paths": {"/a": {"get": {"responses": {"200": {"$ref": "#/paths/~1a/get/responses/200"}}}}},
    }
    text = json.dumps(circle)
    assert list(api_findings([changed("a.json", text, text + " ")])) == []
    (doubt,) = api_findings([changed("a.yaml", "openapi: 3\n", "openapi: [\n")])
    assert isinstance(doubt, tuple)


def test_aliases_that_multiply_are_not_expanded() -> None:
    """A document of a kilobyte must not keep the machine busy for minutes."""
    rows = ["openapi: 3", "a: &a [x, x]"] + [
        f"{c}: &{c} [{', '.join([f'*{b}'] * 9)}]" for b, c in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    (doubt,) = api_findings([changed("a.yaml", "openapi: 3\n", "\n".join(rows))])
    assert isinstance(doubt, tuple)
    assert "aliases" in doubt[0]


# workloads


def worked(path: str, before: str | None, after: str | None) -> list[Finding]:
    return [f for f in workload_findings([changed(path, before, after)]) if isinstance(f, Finding)]


DEPLOYMENT = """
kind: Deployment
metadata: {name: pay}
spec:
  replicas: 4
  template: {spec: {containers: [{name: c, image: a, readinessProbe: {x: 1}, env: [{name: A}], resources: {cpu: 1}}]}}
"""


@pytest.mark.parametrize(
    ("old", "new", "factor", "said"),
    [
        ("replicas: 4", "replicas: 2", F.TRAFFIC, "4 → 2 replicas"),
        ("readinessProbe: {x: 1}, ", "", F.OBSERVABILITY, "c loses its readinessProbe"),
        ("{cpu: 1}", "{cpu: 2}", F.INFRASTRUCTURE, "other resources"),
        ("{name: A}", "{name: B}", F.CONFIGURATION, "other variables"),
    ],
)
def test_kubernetes_workloads(old: str, new: str, factor: F, said: str) -> None:
    found = worked("k8s/pay.yaml", DEPLOYMENT, DEPLOYMENT.replace(old, new))
    assert any(f.factor is factor and said in f.reason for f in found)
    assert {Mark.KUBERNETES} == marks_of(found)


@pytest.mark.parametrize(
    ("kind", "factor"),
    [("ClusterRole", F.PERMISSIONS), ("Ingress", F.ROUTING), ("Secret", F.SECRETS), ("ConfigMap", F.CONFIGURATION)],
)
def test_kubernetes_kinds(kind: str, factor: F) -> None:
    (found,) = worked("a.yaml", None, f"kind: {kind}\nmetadata:\n  name: x\n")
    assert (found.factor, found.where) == (factor, ["a.yaml:3"])


def test_guards_and_stores_that_go_weigh_more() -> None:
    text = "kind: PodDisruptionBudget\nmetadata: {name: x}\n"
    assert worked("a.yaml", text, None)[0].points > worked("a.yaml", None, text)[0].points


def test_compose_and_images_and_templates() -> None:
    compose = worked("compose.yaml", "services:\n  api: {image: a}\n", "services:\n  api: {image: b}\n")
    assert compose[0].reason == "changes compose service api"
    assert worked("Dockerfile", "FROM a", "FROM b")[0].factor is F.INFRASTRUCTURE
    rows = list(workload_findings([changed("chart/templates/a.yaml", "kind: {{ .x }}", "kind: {{ .y }}")]))
    assert any(isinstance(r, tuple) and "a template" in r[0] for r in rows)


def test_terraform_that_takes_a_database_away() -> None:
    before = 'resource "aws_db_instance" "main" {\n}\nresource "aws_iam_role" "r" {\n}\n'
    found = worked("infra/main.tf", before, 'resource "aws_iam_role" "r" {\n  x = "policy"\n}\n')
    gone = next(f for f in found if "removes resource aws_db_instance main" in f.reason)
    assert Mark.DROPS_DATA in gone.marks
    assert any(f.factor is F.PERMISSIONS for f in found)


_DB = 'resource "aws_db_instance" "main" {{\n{}\n}}\n'


@pytest.mark.parametrize(
    ("before", "after", "factor", "said"),
    [
        ("  prevent_destroy = true", "", F.STORAGE, "aws_db_instance.main: prevent_destroy is no longer set"),
        ("  deletion_protection = true", "  deletion_protection = false", F.STORAGE, "deletion_protection is off"),
        ("", "  skip_final_snapshot = true", F.STORAGE, "skip_final_snapshot is on"),
        ("  backup_retention_period = 7", "  backup_retention_period = 0", F.STORAGE, "no backups"),
        ("", "  storage_encrypted = false", F.SECRETS, "storage_encrypted is off"),
        ("", '  cidr_blocks = ["0.0.0.0/0"]', F.PERMISSIONS, "opens it to 0.0.0.0/0"),
        ("", '  actions = ["*"]', F.PERMISSIONS, "actions is everything"),
        ("  desired_count = 4", "  desired_count = 2", F.TRAFFIC, "aws_db_instance.main: desired_count 4 → 2"),
        ('  engine_version = "14"', '  engine_version = "16"', F.DEPENDENCY, "engine_version changes"),
    ],
)
def test_terraform_inside_its_blocks(before: str, after: str, factor: F, said: str) -> None:
    """What loses its protection, is opened, or gets smaller, with the block that it is in; in the other direction nothing."""
    found = worked("main.tf", _DB.format(before), _DB.format(after))
    (hit,) = [f for f in found if said in f.reason]
    assert (hit.factor, hit.where) == (factor, ["main.tf:2"])
    if factor is F.TRAFFIC:
        assert not [f for f in worked("main.tf", _DB.format(after), _DB.format(before)) if f.factor is F.TRAFFIC]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            '  identifier = "a"\n  engine = "mysql"',
            '  identifier = "a"\n  engine = "postgres"',
            'engine "mysql" → "postgres"',
        ),
        ("", "  storage_encrypted = true\n", "storage_encrypted unset → true"),
        ("  kms_key_id = var.old", "  kms_key_id = var.new", "kms_key_id var.old → var.new"),
        ("  availability_zone = var.zone", "", "availability_zone var.zone → unset"),
    ],
)
def test_terraform_that_makes_a_store_anew(before: str, after: str, said: str) -> None:
    """An argument that forces another resource takes what is in it; with the line, and only at what holds data."""
    found = [f for f in worked("main.tf", _DB.format(before), _DB.format(after)) if "replaces" in f.reason]
    assert [said in f.reason for f in found] == [True]
    assert found[0].where == [f"main.tf:{3 if 'engine' in said else 2}"]
    assert Mark.DROPS_DATA in found[0].marks
    role = 'resource "aws_iam_role" "main" {{\n{}\n}}\n'
    assert not [f for f in worked("main.tf", role.format(before), role.format(after)) if "replaces" in f.reason]


@pytest.mark.parametrize("inside", ["", "  storage_encrypted = false", "  size = 9", "  timeouts {\n    zone = 1\n  }"])
def test_terraform_that_changes_a_store_in_place(inside: str) -> None:
    """What a provider changes where it is, a default that is written down, and what stands in a block inside."""
    found = worked("main.tf", _DB.format(""), _DB.format(inside))
    assert not [f for f in found if Mark.DROPS_DATA in f.marks]


def test_terraform_that_moves_to_the_file_beside_takes_nothing_away() -> None:
    """A block that is gone from one file and stands in another of the folder; in another folder it is another resource."""
    gone, there = changed("infra/a.tf", _DB.format(""), "# none\n"), changed("infra/b.tf", None, _DB.format(""))
    assert not [f for f in inspect([gone, there])[0] if Mark.DROPS_DATA in f.marks]
    for files in ([gone], [gone, changed("other/b.tf", None, _DB.format(""))]):
        assert [f for f in inspect(files)[0] if Mark.DROPS_DATA in f.marks]


def test_terraform_that_only_moves_a_block_takes_nothing_away() -> None:
    """A `moved` block says so; a comment says nothing."""
    moved = 'moved {\n  from = aws_db_instance.main\n  to = aws_db_instance.orders\n}\nresource "aws_db_instance" "orders" {\n}\n'
    found = worked("main.tf", _DB.format(""), moved)
    assert not [f for f in found if Mark.DROPS_DATA in f.marks]
    assert not [f for f in worked("main.tf", "", "# cidr 0.0.0.0/0\n") if f.factor is F.PERMISSIONS]


# settings


def test_settings_name_their_keys_and_never_their_values() -> None:
    found = list(
        settings_findings(
            [changed("config/app.yaml", "a: 1\n", "a: 1\npool_size: 3\napi_key: hunter2\nnew_feature: on\n")]
        )
    )
    text = " ".join(f.reason for f in found)
    assert "hunter2" not in text
    assert {F.CONFIGURATION, F.CONCURRENCY, F.SECRETS} == {f.factor for f in found}
    assert "changes flags new_feature" in text


@pytest.mark.parametrize(
    "path", [".env", ".env.production", "app.ini", "application-prod.yml", "settings.py", "values.yaml", "conf/x.json"]
)
def test_what_counts_as_settings(path: str) -> None:
    assert list(settings_findings([changed(path, "a=1\n", "a=2\n")]))


def test_other_files_are_no_settings() -> None:
    assert not list(
        settings_findings([changed("src/app.py", "a = 1\n", "a = 2\n"), changed("data.yaml", "a: 1", "a: 2")])
    )


# code


def coded(path: str, before: str, after: str, *more: tuple[str, str, str]) -> list[Finding]:
    return list(code_findings([changed(path, before, after), *(changed(*row) for row in more)]))


@pytest.mark.parametrize(
    ("line", "factor"),
    [
        ("cache.set('a', 1)", F.CACHING),
        ("client.get(url, timeout=3)", F.CONCURRENCY),
        ("if user.hasPermissions: pass", F.PERMISSIONS),
        ("x = decrypt(y)", F.SECRETS),
        ("limiter.acquire()", F.TRAFFIC),
        ("upstream = pick()", F.ROUTING),
        ("bucket.write(x)", F.STORAGE),
    ],
)
def test_words_in_lines(line: str, factor: F) -> None:
    found = coded("src/a.py", "x = 1\n", f"x = 1\n{line}\n")
    assert [(f.factor, f.where) for f in found] == [(factor, ["src/a.py:2"])]


def test_comments_documents_and_vendored_files_are_no_code() -> None:
    assert coded("src/a.py", "", "# cache the lock\n") == []
    assert coded("docs/a.py", "", "cache = 1\n") == []
    assert coded("vendor/a.js", "", "cache = 1\n") == []


def test_a_route_that_is_gone_and_one_that_only_moved() -> None:
    route = "@app.get('/pay')\n"
    assert {f.factor for f in coded("a.py", route, "")} == {F.CHURN, F.API_BREAK}
    assert coded("a.py", route, "", ("b.py", "", route)) == []


def test_signals_that_are_removed() -> None:
    assert {f.factor for f in coded("a.py", "logger.info('a')\nmetrics.inc()\n", "")} == {F.CHURN, F.OBSERVABILITY}
    assert {f.factor for f in coded("a.py", "logger.info('a')\n", "logger.warning('b')\n")} == {F.CHURN}
    gone = code_findings([changed("ops/alerts.yaml", "groups: []\n", None)])
    assert [f.factor for f in gone] == [F.OBSERVABILITY]


def test_what_is_taken_away_weighs_more_the_more_there_is_and_moving_or_adding_is_none() -> None:
    """Lines of the program that ran: no comments, imports or brackets, and none that only moved."""
    five = "".join(f"x{i} = {i}\n" for i in range(5))
    few, many = coded("a.py", "x = 1\n", ""), coded("a.py", five, "")
    assert (few[0].factor, few[0].points, many[0].reason) == (
        F.CHURN,
        6.0,
        "takes away or rewrites 5 lines that ran until now",
    )
    assert few[0].points < many[0].points <= coded("a.py", five * 100, "")[0].points == 20.0
    assert coded("a.py", f"import os\n# a word\n)\n{five}", "", ("b.py", "", five)) == []
    assert coded("a.py", "", five) == []


def test_tests_that_are_removed_or_skipped() -> None:
    removed = coded("tests/test_a.py", "def test_a():\n    pass\n", "")
    assert removed[0].reason == "1 more tests are removed than added"
    skipped = coded("tests/test_a.py", "", "@pytest.mark.skip\ndef test_a(): pass\n")
    assert skipped[0].reason == "1 tests are skipped now"


def test_a_feature_flag_that_is_asked() -> None:
    assert Mark.FLAG in marks_of(coded("a.py", "", "if feature_enabled('x'):\n    pass\n"))


# together


def test_documents_and_generated_files_alone_show_nothing() -> None:
    files = [
        changed("docs/database.md", "a", "b"),
        changed("web/app.min.js", "cache", "lock"),
        changed("README.md", "", "auth"),
    ]
    assert inspect(files) == ([], [])


def test_a_submodule_is_a_dependency() -> None:
    file = changed("libs/x", None, None, "M")
    moved = type(file)(path="libs/x", old_path="libs/x", status="M", kind="submodule")
    assert [f.factor for f in inspect([moved])[0]] == [F.DEPENDENCY]


def test_restless_and_mended_files() -> None:
    past = [("fix the pool", frozenset({"a.py"}))] * 3 + [("more", frozenset({"a.py", "b.py"}))] * 9
    found = {f.factor: f for f in history_findings([changed("a.py", "1", "2")], past)}
    assert "12 commits" in found[F.CHURN].reason
    assert "mended 3 times" in found[F.HISTORY].reason
    assert not list(history_findings([changed("docs/a.md", "1", "2")], past))
