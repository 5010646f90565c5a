"""A noisy neighbour spends the quota that the shop's payments share."""

from __future__ import annotations

from chaos.envfile import read_values
from chaos.errors import ChaosError
from chaos.model import Durability, FaultSpec, Magnitude, Note, Observation, Undo
from chaos.patient import new_state_file, start_workload, stop_workload, users_suffer, workload_at_work, workload_gone
from chaos.site import Site
from domain.value import Value


class NoisyNeighbour(Value):
    """How greedy it is."""

    times_quota: float = 8.0
    """Requests per second as a multiple of the key's quota."""
    most_rps: float = 200.0


class Upstream429:
    """The payment service answers 429 for real: its token bucket for the shared key is empty."""

    spec = FaultSpec(
        name="upstream_429",
        family="dependency",
        service="payments",
        summary="payments are refused with 429: somebody else burns the quota of the key",
        parameters=NoisyNeighbour,
        ladder={
            Magnitude.LOW: {"times_quota": 5.0},
            Magnitude.MEDIUM: {"times_quota": 8.0},
            Magnitude.HIGH: {"times_quota": 20.0},
        },
        durability=Durability.WORKLOAD,
        touches=frozenset({"api"}),
    )

    async def prepare(self, site: Site, parameters: NoisyNeighbour) -> Undo:
        port = getattr((await site.control.status()).process("payments"), "port", None)
        key = read_values(site.config_file("api")).get("PAYMENTS_API_KEY")
        quota = float(read_values(site.config_file("payments")).get("QUOTA_PER_S", 10))
        if not port or not key:
            raise ChaosError("the payment service cannot be reached", expected="its port and the shop's key")
        rps = min(parameters.most_rps, max(20.0, quota * parameters.times_quota))
        return {"state_file": new_state_file(site), "url": f"http://127.0.0.1:{port}/charge", "rps": rps}

    async def inject(self, site: Site, parameters: NoisyNeighbour, undo: Undo, note: Note) -> None:
        key = read_values(site.config_file("api"))["PAYMENTS_API_KEY"]
        orders = {
            "url": undo["url"],
            "headers": {"X-Api-Key": key},
            "body": {"order_id": "batch-settlement", "amount_cents": 100},
            "rps": undo["rps"],
        }
        await start_workload(site, undo, "neighbour", orders, note)

    async def receipt(self, site: Site, undo: Undo) -> list[Observation]:
        return [await workload_at_work(site, undo, 1, seconds=1.0), await users_suffer(site)]

    async def restore(self, site: Site, undo: Undo) -> None:
        await stop_workload(site, undo)

    async def cleared(self, site: Site, undo: Undo) -> list[Observation]:
        return [workload_gone(site, undo)]

    async def retrigger(self, site: Site, undo: Undo) -> list[Observation]:
        return [await workload_at_work(site, undo, 1)]
