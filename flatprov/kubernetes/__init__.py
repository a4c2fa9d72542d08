"""Kubernetes on Flatcar. Pure."""
