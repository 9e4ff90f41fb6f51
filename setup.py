"""Lets tools that know no pyproject.toml install the package; pyproject.toml says all the rest."""

from setuptools import setup

setup()
