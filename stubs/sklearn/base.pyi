from typing import Any, Self

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[Any]

class Classifier:
    def fit(self, X: Matrix, y: Matrix) -> Self: ...
    def predict_proba(self, X: Matrix) -> npt.NDArray[np.float64]: ...
