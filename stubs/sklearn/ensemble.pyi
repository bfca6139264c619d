from typing import Any

from sklearn.base import Classifier

class HistGradientBoostingClassifier(Classifier):
    _predictors: list[list[Any]]
    def __init__(
        self,
        *,
        max_iter: int = ...,
        max_leaf_nodes: int = ...,
        learning_rate: float = ...,
        max_features: float = ...,
        min_samples_leaf: int = ...,
        early_stopping: bool = ...,
        random_state: int = ...,
    ) -> None: ...

class RandomForestClassifier(Classifier):
    def __init__(
        self,
        n_estimators: int = ...,
        *,
        max_depth: int | None = ...,
        min_samples_leaf: int = ...,
        n_jobs: int = ...,
        random_state: int = ...,
    ) -> None: ...
