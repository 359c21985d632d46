"""The version of the package, which checkpoints and data sets record."""

VERSION = "0.1.0"
