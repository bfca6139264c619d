import numpy as np
import numpy.typing as npt
from sklearn.base import Classifier

class LogisticRegression(Classifier):
    coef_: npt.NDArray[np.float64]
    intercept_: npt.NDArray[np.float64]
    def __init__(self, *, max_iter: int = ..., random_state: int = ...) -> None: ...
