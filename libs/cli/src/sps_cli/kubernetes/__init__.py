"""Secrets and the genesis document of an installation on Kubernetes, from its rendered objects."""
