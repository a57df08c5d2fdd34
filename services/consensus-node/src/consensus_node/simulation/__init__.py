"""Whole networks of replicas in virtual time, each from one seed: the real core, a hostile world."""
