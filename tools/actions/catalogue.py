"""Every registered action, once. Adding one is a file beside this, a line here and a run of the conformance suite."""

from __future__ import annotations

from typing import Any

from tools.actions.apply_terraform_plan import APPLY_TERRAFORM_PLAN
from tools.actions.clear_cache import CLEAR_CACHE
from tools.actions.commands import RUN_COMMAND, RUN_UNDOABLE_COMMAND
from tools.actions.config import RESTORE_CONFIG, SET_CONFIG
from tools.actions.free_disk_space import FREE_DISK_SPACE
from tools.actions.kubernetes.configuration import PATCH_CONFIG_MAP
from tools.actions.kubernetes.image import PATCH_IMAGE
from tools.actions.kubernetes.network import ALLOW_NETWORK_PATH
from tools.actions.kubernetes.objects import RESTORE_MANIFEST
from tools.actions.kubernetes.permissions import REPAIR_ROLE, REPAIR_ROLE_BINDING
from tools.actions.kubernetes.pods import RECREATE_POD
from tools.actions.kubernetes.restart import RESTART_WORKLOAD
from tools.actions.kubernetes.revision import ROLLBACK_DEPLOYMENT
from tools.actions.kubernetes.scaling import SCALE_WORKLOAD
from tools.actions.kubernetes.selector import REPAIR_SELECTOR
from tools.actions.kubernetes.settings import RESTORE_SETTINGS
from tools.actions.migrate import MIGRATE
from tools.actions.processes import RESTART_SERVICE, RESUME_PROCESS, START_PROCESS, STOP_PROCESS
from tools.actions.release import ROLLBACK_RELEASE
from tools.actions.rollout import PROMOTE_RELEASE, SPLIT_RELEASE
from tools.actions.rotate_credential import ROTATE_CREDENTIAL
from tools.actions.routing import SCALE_POOL, SHIFT_TRAFFIC, SWITCH_UPSTREAM
from tools.actions.run_playbook import RUN_PLAYBOOK
from tools.actions.snapshots import RESTORE_SNAPSHOT, TAKE_SNAPSHOT
from tools.actions.terminate_sessions import TERMINATE_SESSIONS
from tools.spec import Action

ACTIONS: tuple[Action[Any], ...] = (
    RESTART_SERVICE,
    RESUME_PROCESS,
    START_PROCESS,
    STOP_PROCESS,
    TERMINATE_SESSIONS,
    RESTORE_CONFIG,
    SET_CONFIG,
    ROLLBACK_RELEASE,
    SPLIT_RELEASE,
    PROMOTE_RELEASE,
    MIGRATE,
    ROTATE_CREDENTIAL,
    CLEAR_CACHE,
    FREE_DISK_SPACE,
    SWITCH_UPSTREAM,
    SCALE_POOL,
    SHIFT_TRAFFIC,
    TAKE_SNAPSHOT,
    RESTORE_SNAPSHOT,
    RUN_COMMAND,
    RUN_UNDOABLE_COMMAND,
    APPLY_TERRAFORM_PLAN,
    RUN_PLAYBOOK,
    RESTART_WORKLOAD,
    SCALE_WORKLOAD,
    PATCH_IMAGE,
    ROLLBACK_DEPLOYMENT,
    RECREATE_POD,
    PATCH_CONFIG_MAP,
    ALLOW_NETWORK_PATH,
    REPAIR_ROLE,
    REPAIR_ROLE_BINDING,
    REPAIR_SELECTOR,
    RESTORE_SETTINGS,
    RESTORE_MANIFEST,
)
