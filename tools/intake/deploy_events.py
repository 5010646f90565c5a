"""Deploys as other tools announce them, in the shape of our own change records: GitHub, PagerDuty change events, CDEvents.

Formats: https://docs.github.com/en/webhooks/webhook-events-and-payloads#deployment ·
https://developer.pagerduty.com/docs/send-change-event · https://cdevents.dev (continuous deployment, service events).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools.intake import fields

ROLLED_OUT = "success"
"""The state of a GitHub deployment in which the new version serves."""
_CDEVENTS = "dev.cdevents."
_DEPLOYS = ("deployed", "upgraded", "rolledback")


def own_rows(body: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The change records that a foreign event means (none for one that changed nothing yet); None for a shape of our own.

    Raises IntakeError for an event that lacks what its format promises.
    """
    if "deployment" in body or "zen" in body:
        return _github(body)
    if "routing_key" in body and "payload" in body:
        return [_pagerduty(body)]
    context = body.get("context")
    kind = str(context.get("type")) if isinstance(context, dict) else ""
    return _cdevents(body, kind) if kind.startswith(_CDEVENTS) else None


def _github(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A deployment that begins, or one that succeeded where only its status is sent; the same id for both."""
    status = fields.mapping(body.get("deployment_status"), "deployment_status")
    if "deployment" not in body or (status and status.get("state") != ROLLED_OUT):
        return []
    found = fields.mapping(body["deployment"], "deployment")
    repository = fields.mapping(body.get("repository"), "repository")
    asked = found.get("payload")
    where = fields.text(found.get("environment"), "deployment.environment")
    said = fields.text(found.get("description"), "deployment.description")
    ref = fields.text(found.get("ref"), "deployment.ref")
    service = asked.get("service") if isinstance(asked, dict) else None
    return [
        {
            "id": f"github-deployment-{fields.required(found.get('id'), 'deployment.id')}",
            "kind": "deploy",
            "time": status.get("created_at") or found.get("created_at"),
            "service": service or repository.get("name"),
            "commit": fields.required(found.get("sha"), "deployment.sha"),
            "version": ref,
            "summary": said or f"{ref or 'a commit'} to {where or 'an environment'}",
            "author": fields.mapping(found.get("creator"), "deployment.creator").get("login"),
        }
    ]


def _pagerduty(body: Mapping[str, Any]) -> dict[str, Any]:
    """A change event of the Events API v2; its routing key is a secret and is not looked at."""
    payload = fields.mapping(body["payload"], "payload")
    details = fields.mapping(payload.get("custom_details"), "payload.custom_details")
    named = {n: details.get(n) for n in ("version", "commit", "diff") if isinstance(details.get(n), str)}
    return {
        "kind": "deploy",
        "time": payload.get("timestamp"),
        "service": details.get("service") or payload.get("source"),
        "summary": fields.required(payload.get("summary"), "payload.summary"),
        **named,
    }


def _cdevents(body: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    """A service that was deployed, upgraded or rolled back."""
    about, _, rest = kind.removeprefix(_CDEVENTS).partition(".")
    what = rest.partition(".")[0]
    if about != "service" or what not in _DEPLOYS:
        return []
    context = fields.mapping(body["context"], "context")
    subject = fields.mapping(body.get("subject"), "subject")
    content = fields.mapping(subject.get("content"), "subject.content")
    artifact = fields.text(content.get("artifactId"), "subject.content.artifactId")
    return [
        {
            "id": fields.required(context.get("id"), "context.id"),
            "kind": "deploy",
            "time": context.get("timestamp"),
            "service": fields.required(subject.get("id"), "subject.id"),
            "version": artifact,
            "summary": f"{what} {artifact}".strip(),
        }
    ]
