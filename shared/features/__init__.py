"""Feature definitions and the window state that computes them."""

from shared.features.definitions import DefinitionError, Entity, Feature, FeatureSet, definitions, feature_set
from shared.features.windows import StateMismatch, WindowState

__all__ = [
    "DefinitionError",
    "Entity",
    "Feature",
    "FeatureSet",
    "StateMismatch",
    "WindowState",
    "definitions",
    "feature_set",
]
