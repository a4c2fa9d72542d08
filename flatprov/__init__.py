"""flatprov: Flatcar Container Linux nodes and clusters anywhere, from one typed API on Pulumi."""

__version__ = "0.1.0"
