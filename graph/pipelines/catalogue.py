"""Every stage template, once. Adding one is a file and a line here."""

from __future__ import annotations

from graph.pipelines.breaking import BREAKING_STAGES
from graph.pipelines.changing import CHANGING_STAGES
from graph.pipelines.incident_stages import INCIDENT_STAGES
from graph.pipelines.looking import LOOKING_STAGES
from graph.pipelines.programs import PROGRAM_STAGES
from graph.pipelines.stages import registry

STAGE_TEMPLATES = registry(INCIDENT_STAGES, LOOKING_STAGES, CHANGING_STAGES, BREAKING_STAGES, PROGRAM_STAGES)
