"""Decisions by score, bounds of gates and roll-out, guard rails: schemas/policy.toml."""

from shared.policy.gates import GatesPolicy
from shared.policy.policy import Decision, Policy, PolicyError
from shared.policy.rollout import GuardsPolicy, RolloutPolicy

__all__ = ["Decision", "GatesPolicy", "GuardsPolicy", "Policy", "PolicyError", "RolloutPolicy"]
