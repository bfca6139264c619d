"""Decisions by score, from schemas/policy.toml."""

from shared.policy.policy import Decision, Policy, PolicyError

__all__ = ["Decision", "Policy", "PolicyError"]
