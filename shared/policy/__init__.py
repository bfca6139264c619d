"""Decisions by score and bounds of the gates, from schemas/policy.toml."""

from shared.policy.gates import GatesPolicy
from shared.policy.policy import Decision, Policy, PolicyError

__all__ = ["Decision", "GatesPolicy", "Policy", "PolicyError"]
