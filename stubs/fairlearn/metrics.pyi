from collections.abc import Callable, Mapping
from typing import Any

import numpy.typing as npt
import pandas as pd

class MetricFrame:
    def __init__(
        self,
        *,
        metrics: Mapping[str, Callable[..., Any]],
        y_true: npt.NDArray[Any],
        y_pred: npt.NDArray[Any],
        sensitive_features: npt.NDArray[Any],
    ) -> None: ...
    @property
    def by_group(self) -> pd.DataFrame: ...
