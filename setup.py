"""Maps the top-level folders to the `stc.*` packages; everything else is in pyproject.toml."""

from setuptools import setup

FOLDERS = (
    "model",
    "model/checkpoint",
    "training",
    "export",
    "runtime",
    "runtime/backends",
    "runtime/video",
    "benchmarks",
    "assets",
)

setup(
    packages=["stc", *(f"stc.{folder.replace('/', '.')}" for folder in FOLDERS)],
    package_dir={"stc": "stc", **{f"stc.{folder.replace('/', '.')}": folder for folder in FOLDERS}},
    package_data={"stc": ["py.typed"], "stc.assets": ["*.jpg", "*.safetensors", "*.md"]},
)
