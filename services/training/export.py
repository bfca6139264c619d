"""A model as a folder that scores a CSV by itself, without Kafka and without Millrace."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import shared.models.bins
import shared.models.predictors
from services.training import exported
from services.training.card.parts import ENVIRONMENT, environment, pins
from shared.models import Manifest, unpack, unpack_parts
from shared.models.package import MANIFEST, MODEL

INSTALLED = "from shared.models.predictors import"
ALONE = "from predictors import"
NEEDED = ("msgspec", "numba", "numpy", "treelite")
DOCKERFILE = """\
FROM python:3.11-slim
WORKDIR /model
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
ENV NUMBA_CACHE_DIR=/tmp/numba
RUN useradd --uid 10001 model
USER model
ENTRYPOINT ["python", "score.py"]
"""
README = """\
# Model {version}

    pip install -r requirements.txt
    python score.py features.csv > scores.csv

or, with Docker, `docker build -t model .` and

    docker run --rm -v "$PWD:/files:ro" model /files/features.csv > scores.csv

The CSV has one column a feature ({count}, named in manifest.json); an empty field is an undefined feature.
Scores are those of the service, bit for bit. `model.zip` is the signed package that this folder was made of.
"""


def export(package: bytes, folder: Path) -> list[str]:
    """Write the folder of a verified package; return the names of its files.

    Raises
    ------
    FileExistsError
        If the folder is there and holds something.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; name a new folder")
    files = _files(package)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return sorted(files)


def _files(package: bytes) -> dict[str, bytes]:
    (manifest, model), parts = unpack(package), unpack_parts(package)
    loader = (Path(exported.__file__).parent / "score.py").read_text().replace(INSTALLED, ALONE)
    about = README.format(version=manifest.version, count=len(manifest.features))
    texts = {
        "score.py": loader,
        "predictors.py": Path(shared.models.predictors.__file__).read_text(),
        "requirements.txt": _requirements(manifest, parts),
        "Dockerfile": DOCKERFILE,
        "README.md": about,
    }
    if manifest.kind == "river":  # its pickle names this module
        texts |= {"shared/__init__.py": "", "shared/models/__init__.py": ""}
        texts["shared/models/bins.py"] = Path(shared.models.bins.__file__).read_text()
    own = {MANIFEST: manifest.to_bytes(), MODEL: model, "model.zip": package}
    return {**parts, **own, **{name: text.encode() for name, text in texts.items()}}


def _requirements(manifest: Manifest, parts: Mapping[str, bytes]) -> str:
    """Return what predicting needs, in the versions that the model was made with: scores may hang on them."""
    here = pins(environment((*NEEDED, "river") if manifest.kind == "river" else NEEDED))
    made = {**manifest.libraries, **pins(parts.get(ENVIRONMENT, b"").decode())}
    return "".join(f"{name}=={made.get(name, version)}\n" for name, version in here.items())
