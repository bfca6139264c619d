"""Decisions by score, bounds of gates and roll-out, guard rails, budget of alarms: schemas/policy.toml."""

from shared.policy.alarms import AlarmsPolicy, Budget
from shared.policy.gates import GatesPolicy
from shared.policy.policy import Decision, Policy, PolicyError
from shared.policy.rollout import GuardsPolicy, RolloutPolicy

__all__ = [
    "AlarmsPolicy",
    "Budget",
    "Decision",
    "GatesPolicy",
    "GuardsPolicy",
    "Policy",
    "PolicyError",
    "RolloutPolicy",
]
